"""Measure the accuracy of IRs on a prepared data set, by a named protocol.

zoo: what accuracy_check measures on the same frames; zoo-400: the same, first 400 videos; clip: the
middle 79 frames of each video; paper: each whole video in one pass, as DeepMind measured. The first
two need `prepare --frames`. The default precision is that of the entry's accuracy check. An
interrupted run resumes; a video that has changed is run again. Results state how they were measured
and what was published. OUTPUT/<protocol>.html compares the IRs of the run.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from i3d_rgb_tf.choices import PROTOCOL_NAMES

if TYPE_CHECKING:
    from i3d_rgb_tf.evaluation.evaluate import Evaluation

EXAMPLES = """\
  i3d-rgb-tf evaluate prepared -m public/i3d-rgb-tf/FP32/i3d-rgb-tf.xml -o results
  i3d-rgb-tf evaluate prepared -m FP32.xml INT8.xml --protocol paper --format json -o results
"""

_SHOWN = 3
"""Number of classes and confusions in the text; the JSON has all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_device, add_format, directory, positive

    parser.add_argument("prepared", type=directory, help="folder that prepare wrote")
    parser.add_argument(
        "-m", "--model", type=Path, nargs="+", required=True, metavar="MODEL.xml", help="the IRs"
    )
    parser.add_argument(
        "-o", "--output", type=directory, required=True, metavar="DIR", help="folder to write to"
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOL_NAMES,
        default="zoo",
        help="which frames are used, and how they are resized (default: %(default)s)",
    )
    add_device(parser, inference_precision="f32")
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="number of videos to read at once (default: one per four cores)",
    )
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.commands.progress import progress_bar
    from i3d_rgb_tf.commands.terminal import print_json, print_lines
    from i3d_rgb_tf.evaluation.evaluate import evaluate
    from i3d_rgb_tf.evaluation.report import write_report

    results = []
    for model in arguments.model:
        with progress_bar("video") as show:
            result = evaluate(
                arguments.prepared,
                model,
                arguments.output,
                protocol=arguments.protocol,
                device=arguments.device,
                inference_precision=arguments.inference_precision,
                winograd=arguments.winograd,
                num_threads=arguments.threads,
                workers=arguments.workers,
                on_progress=show,
            )
        results.append(result)
        if arguments.format == "text":
            print_lines(*_lines(result))
    report = arguments.output / f"{arguments.protocol}.html"
    write_report(report, results)
    if arguments.format == "text":
        print_lines(f"report: {report}")
    else:
        print_json([asdict(result) for result in results])
    return 1 if any(result.missing or result.failed for result in results) else 0


def _weaknesses(result: Evaluation) -> list[str]:
    worst = sorted(result.classes.items(), key=lambda item: (item[1].fraction, -item[1].count))
    lines = [
        f"  low accuracy: {label}: {each.correct} of {each.count}"
        for label, each in worst[:_SHOWN]
        if each.correct < each.count
    ]
    return lines + [
        f"  confusion: {pair.label} predicted as {pair.predicted}: {pair.count}"
        for pair in result.confusions[:_SHOWN]
    ]


def _counts(result: Evaluation) -> str:
    used, missing, failed = result.num_videos, len(result.missing), len(result.failed)
    return (
        f"videos: {used} used, {missing} missing, {failed} failed, {result.left_out} left out by "
        "prepare"
    )


def _lines(result: Evaluation) -> list[str]:
    how = f"{result.inference_precision} on {result.device}, {result.convolution} convolution"
    lines = [
        f"{result.model} ({result.weights}, {how})",
        f"  protocol {result.protocol}: {result.description}",
        f"  {_counts(result)}",
    ]
    for name in ("clip_top1", "clip_top5", "video_top1", "video_top5"):
        each = getattr(result, name)
        lines.append(
            f"  {name.replace('_', ' '):10}  {each.fraction:7.2%}  {each.correct} of {each.count}"
            f"  (95 %: {each.low:.2%} to {each.high:.2%})"
        )
    lines += _weaknesses(result)
    published = result.published or "nothing"
    lines.append(f"  published for rgb_imagenet, not measured here: {published}")
    lines += [f"  missing: {name}: {path}" for name, path in result.missing.items()]
    return lines + [f"  failed: {name}: {reason}" for name, reason in result.failed.items()]
