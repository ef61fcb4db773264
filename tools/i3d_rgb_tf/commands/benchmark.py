"""Measure how fast each converted model is on this machine, and recommend one.

Each model is measured in processes of its own: the first prediction of a new process with a filled
cache, the latency of one clip, the throughput with as many clips at once as the device wants, and
the peak memory. --performance-hint applies to the video only. A model whose convolutions are
computed with fewer multiplications (winograd) is measured with direct convolution as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i3d_rgb_tf.benchmark import Benchmark
    from i3d_rgb_tf.measure import Measurement

EXAMPLES = """\
  i3d-rgb-tf benchmark -d models
  i3d-rgb-tf benchmark -d models --video party.mp4 -D GPU --format json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import (
        add_device,
        add_directory,
        add_format,
        add_performance_hint,
        positive,
    )

    add_directory(parser)
    parser.add_argument(
        "--video", type=Path, metavar="VIDEO", help="also measure from this file to its labels"
    )
    parser.add_argument(
        "--rounds",
        type=positive,
        default=10,
        metavar="N",
        help="clips to infer for each figure (default: %(default)s)",
    )
    add_device(parser)
    add_performance_hint(parser)
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from dataclasses import asdict

    from i3d_rgb_tf.benchmark import benchmark
    from i3d_rgb_tf.commands.terminal import print_json, print_lines

    result = benchmark(
        arguments.directory,
        device=arguments.device,
        inference_precision=arguments.inference_precision,
        performance_hint=arguments.performance_hint.upper(),
        winograd=arguments.winograd,
        num_threads=arguments.threads,
        video=arguments.video,
        rounds=arguments.rounds,
    )
    if arguments.format == "json":
        print_json(asdict(result))
    else:
        print_lines(*_lines(result))
    return 0


def _lines(result: Benchmark) -> list[str]:
    names = (
        "",
        "convolution",
        "first result",
        "a clip",
        "clips/s",
        "memory",
        "video",
        "KL to FP32",
    )
    rows = [names, *(_row(each) for each in result.measurements)]
    convolution = result.recommended_convolution
    recommendation = f"{result.recommended}, {convolution} convolution, {result.reason}"
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{result.device}: {result.device_name}, OpenVINO {result.openvino}",
        *(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ),
        f"recommended: {recommendation}",
    ]


def _row(measurement: Measurement) -> tuple[str, ...]:
    from i3d_rgb_tf.ir.files import display_name

    video, record = measurement.video, measurement.quantization
    spread = f"{measurement.fastest_seconds:.3f}..{measurement.slowest_seconds:.3f}"
    return (
        display_name(measurement.precision, measurement.layout),
        measurement.convolution,
        f"{measurement.first_result_seconds:.2f} s",
        f"{measurement.latency_seconds:.3f} s ({spread})",
        f"{measurement.clips_per_second:.2f}",
        f"{measurement.peak_megabytes:.0f} MB" if measurement.peak_megabytes else "-",
        f"{video.seconds:.2f} s, {video.times_inference:.2f} x inference" if video else "-",
        f"{record.agreement.mean_kl:.4f}" if record else "-",
    )
