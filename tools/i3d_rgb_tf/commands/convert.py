"""Convert the frozen graph to OpenVINO's IR."""

from __future__ import annotations

import argparse

EXAMPLES = """\
  i3d-rgb-tf convert                                 FP16 and FP32, in this folder's tree
  i3d-rgb-tf convert -d downloads -o models --precisions FP32
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_allow_unknown, add_directory, directory

    add_directory(parser)
    parser.add_argument(
        "-o",
        "--output-directory",
        type=directory,
        metavar="DIR",
        help="root of the tree the IR goes to (default: the one of -d)",
    )
    parser.add_argument(
        "--precisions",
        default="FP16,FP32",
        type=_precisions,
        metavar="LIST",
        help="comma-separated, of FP16 and FP32 (default: %(default)s)",
    )
    add_allow_unknown(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.convert import convert
    from i3d_rgb_tf.spec import load_spec

    root = arguments.directory
    for path in convert(
        load_spec().frozen_graph_path(root),
        arguments.output_directory or root,
        precisions=arguments.precisions,
        allow_unknown=arguments.allow_unknown,
    ):
        print(path)
    return 0


def _precisions(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",")))
    for name in names:
        if name not in ("FP16", "FP32"):
            raise argparse.ArgumentTypeError(f"unknown precision {name!r}, expected FP16 or FP32")
    return names
