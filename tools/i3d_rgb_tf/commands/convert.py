"""Convert the frozen graph to OpenVINO's IR."""

from __future__ import annotations

import argparse
from typing import cast

from i3d_rgb_tf.choices import FLOAT_PRECISIONS, FloatPrecision

EXAMPLES = """\
  i3d-rgb-tf convert                            FP16 and FP32, in the current folder's tree
  i3d-rgb-tf convert -d downloads -o models --precisions FP32
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_allow_unknown, add_trees

    add_trees(parser)
    parser.add_argument(
        "--precisions",
        default=",".join(FLOAT_PRECISIONS),
        type=_precisions,
        metavar="LIST",
        help="what the weights are stored as, separated by commas (default: %(default)s); for "
        "INT8 see i3d-rgb-tf quantize",
    )
    add_allow_unknown(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.ir.convert import convert
    from i3d_rgb_tf.spec import load_spec

    for path in convert(
        load_spec().frozen_graph_path(arguments.directory),
        arguments.output_directory or arguments.directory,
        precisions=arguments.precisions,
        allow_unknown=arguments.allow_unknown,
    ):
        print(path)
    return 0


def _precisions(text: str) -> tuple[FloatPrecision, ...]:
    names = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",")))
    for name in names:
        if name not in FLOAT_PRECISIONS:
            expected = " or ".join(FLOAT_PRECISIONS)
            int8 = "; make INT8 with i3d-rgb-tf quantize" if "INT8" in name else ""
            raise argparse.ArgumentTypeError(f"got precision {name!r}, expected {expected}{int8}")
    return cast("tuple[FloatPrecision, ...]", names)
