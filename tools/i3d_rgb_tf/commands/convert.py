"""Convert the frozen graph to OpenVINO's IR.

The zoo's tools want the default layout. For other tools, the same model behind a transpose is
written beside it, under a name of its own. The commands of this package open each of them.
"""

from __future__ import annotations

import argparse
from typing import cast

from i3d_rgb_tf.choices import FLOAT_PRECISIONS, LAYOUTS, PRECISIONS, Precision

EXAMPLES = """\
  i3d-rgb-tf convert                            FP16 and FP32, in the current folder's tree
  i3d-rgb-tf convert -d downloads -o models --precisions FP32
  i3d-rgb-tf convert --layout NDHWC             public/i3d-rgb-tf/*/i3d-rgb-tf-ndhwc.xml
  i3d-rgb-tf convert --layout NSTHWC --precisions FP16-INT8     from the INT8 IR of the tree
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
        help="what the weights are stored as, separated by commas (default: %(default)s); "
        "FP16-INT8 is made by quantize; here, in another layout, from the INT8 model of the tree "
        "that is written to",
    )
    layouts = list(LAYOUTS)
    uses = "; ".join(f"{layout} for {tools}" for layout, tools in LAYOUTS.items())
    parser.add_argument(
        "--layout",
        type=str.upper,
        choices=layouts,
        default=layouts[0],
        help=f"axes of the input: {uses} (default: %(default)s)",
    )
    add_allow_unknown(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.commands.terminal import print_lines
    from i3d_rgb_tf.ir.convert import convert
    from i3d_rgb_tf.spec import load_spec

    paths = convert(
        load_spec().frozen_graph_path(arguments.directory),
        arguments.output_directory or arguments.directory,
        precisions=arguments.precisions,
        layout=arguments.layout,
        allow_unknown=arguments.allow_unknown,
    )
    print_lines(*paths)
    return 0


def _precisions(text: str) -> tuple[Precision, ...]:
    names = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",")))
    for name in names:
        if name not in PRECISIONS:
            expected = ", ".join(PRECISIONS)
            int8 = "; make INT8 with i3d-rgb-tf quantize" if "INT8" in name else ""
            raise argparse.ArgumentTypeError(f"got precision {name!r}, expected {expected}{int8}")
    return cast("tuple[Precision, ...]", names)
