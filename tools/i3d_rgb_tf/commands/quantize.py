"""Make an INT8 model, written only if it keeps the predictions of FP32.

A third of the clips is held out of calibration. On them the INT8 model is compared with the FP32
one, and it is written only if 98 % of the top-1 predictions agree and the mean KL divergence is at
most 0.05.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i3d_rgb_tf.quantization.quantize import Quantization

EXAMPLES = """\
  i3d-rgb-tf quantize --calibration videos/
  i3d-rgb-tf quantize -d models --calibration juggling.mp4 yoga.mp4 more/ list.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_calibration, add_format, add_trees

    add_trees(parser)
    add_calibration(parser)
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.commands.progress import progress_bar
    from i3d_rgb_tf.commands.terminal import print_json, print_lines
    from i3d_rgb_tf.quantization.quantize import quantize

    with progress_bar("clip") as show:
        result = quantize(
            arguments.directory,
            arguments.calibration,
            output=arguments.output_directory,
            accept=arguments.accept,
            on_progress=show,
        )
    if arguments.format == "json":
        print_json(_document(result))
    else:
        print_lines(*_lines(result))
    return 0


def _lines(result: Quantization) -> list[str]:
    record, agreement = result.record, result.record.agreement
    return [
        f"calibrated with {record.num_calibration_clips} clips of {record.num_videos} videos",
        f"compared with FP32 on {agreement.num_clips} held-out clips:",
        f"  top-1 agreement         {agreement.top1_agreement:.1%}",
        f"  mean KL divergence      {agreement.mean_kl:.4f}",
        f"  largest difference      {agreement.worst_difference:.3f}",
        f"  speed, times FP32       {record.speed_ratio:.2f} (direct convolution)",
        str(result.path),
    ]


def _document(result: Quantization) -> dict[str, Any]:
    from dataclasses import asdict

    return {"path": str(result.path), **asdict(result.record)}
