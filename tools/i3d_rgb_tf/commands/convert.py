"""Convert the frozen graph to OpenVINO's IR."""

from __future__ import annotations

import argparse

from i3d_rgb_tf.spec import PRECISIONS

EXAMPLES = """\
  i3d-rgb-tf convert                                 FP16 and FP32, in this folder's tree
  i3d-rgb-tf convert -d downloads -o models --precisions FP32
  i3d-rgb-tf convert --precisions FP16-INT8 --calibration videos/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import (
        add_allow_unknown,
        add_calibration,
        add_directory,
        directory,
    )

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
        help="comma-separated, of FP16, FP32 and FP16-INT8 (default: %(default)s); the last is "
        "made from FP32, which is then made too, and needs --calibration",
    )
    add_calibration(parser, required=False)
    add_allow_unknown(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.convert import convert
    from i3d_rgb_tf.errors import QuantizationError
    from i3d_rgb_tf.spec import load_spec

    precisions: tuple[str, ...] = arguments.precisions
    integer = "FP16-INT8" in precisions
    if integer != bool(arguments.calibration):
        raise QuantizationError(
            "FP16-INT8 and --calibration go together: the ranges of an INT8 model are measured on "
            "videos; give both, or neither"
        )
    root = arguments.directory
    output = arguments.output_directory or root
    floats = [name for name in precisions if name != "FP16-INT8"]
    if integer and "FP32" not in floats:
        floats.append("FP32")
    for path in convert(
        load_spec().frozen_graph_path(root),
        output,
        precisions=floats,  # type: ignore[arg-type]
        allow_unknown=arguments.allow_unknown,
    ):
        print(path, flush=True)
    if integer:
        from i3d_rgb_tf.quantize import quantize

        print(quantize(output, arguments.calibration, accept=arguments.accept).summary())
    return 0


def _precisions(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",")))
    for name in names:
        if name not in PRECISIONS:
            expected = ", ".join(PRECISIONS)
            raise argparse.ArgumentTypeError(f"unknown precision {name!r}, expected {expected}")
    return names
