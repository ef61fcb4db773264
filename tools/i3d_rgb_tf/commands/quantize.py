"""Make an INT8 model that keeps the answers, from videos that show actions.

A third of the clips is not calibrated with; on them the INT8 model is compared with the FP32 one,
and it is only written if the two name the same action for 98 % of them and the mean KL divergence
is at most 0.05.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i3d_rgb_tf.quantize import Quantization

EXAMPLES = """\
  i3d-rgb-tf quantize --calibration videos/
  i3d-rgb-tf quantize -d models --calibration juggling.mp4 yoga.mp4 more/ list.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import (
        add_calibration,
        add_directory,
        add_format,
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
    add_calibration(parser, required=True)
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.quantize import quantize

    result = quantize(
        arguments.directory,
        arguments.calibration,
        output=arguments.output_directory,
        accept=arguments.accept,
    )
    if arguments.format == "json":
        print(json.dumps(_document(result), indent=2))
    else:
        print(result.summary())
    return 0


def _document(result: Quantization) -> dict[str, Any]:
    from dataclasses import asdict

    return {"path": str(result.path), **asdict(result.proof)}
