"""Measure the accuracy of IRs on a prepared data set, by a named protocol.

zoo: what accuracy_check measures on the same frames; zoo-400: of the first 400 videos; clip: the
middle 79 frames of each video; paper: every whole video in one pass, as DeepMind measured. The
first two need `prepare --frames`. Continues where it was stopped; a video that has changed is run
again. Each figure comes with how it was made and what was published for it. OUTPUT/<protocol>.html
compares the IRs of the run.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i3d_rgb_tf.evaluate import Evaluation

EXAMPLES = """\
  i3d-rgb-tf evaluate prepared -m public/i3d-rgb-tf/FP32/i3d-rgb-tf.xml -o results
  i3d-rgb-tf evaluate prepared -m FP32.xml INT8.xml --protocol paper --format json -o results
"""

_SHOWN = 3
"""Classes and confusions; all are in the JSON."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_format, directory, positive

    parser.add_argument("prepared", type=directory, help="folder that prepare wrote")
    parser.add_argument(
        "-m", "--model", type=Path, nargs="+", required=True, metavar="MODEL.xml", help="the IRs"
    )
    parser.add_argument(
        "-o", "--output", type=directory, required=True, metavar="DIR", help="folder to write to"
    )
    parser.add_argument(
        "--protocol",
        choices=("zoo", "zoo-400", "clip", "paper"),
        default="zoo",
        help="which frames count, and how they are made small (default: %(default)s)",
    )
    parser.add_argument(
        "-D", "--device", default="CPU", help="what to infer on (default: %(default)s)"
    )
    parser.add_argument(
        "--inference-precision",
        choices=("f32", "bf16", "f16"),
        default="f32",
        help="what the device calculates in (default: %(default)s, as accuracy_check 2023.3)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="videos that are read at once (default: one per four cores)",
    )
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from tqdm import tqdm

    from i3d_rgb_tf.evaluate import evaluate
    from i3d_rgb_tf.report import write_report

    results = []
    for model in arguments.model:
        with tqdm(unit="video", disable=None) as progress:

            def show(done: int, total: int, bar: tqdm = progress) -> None:  # type: ignore[type-arg]
                bar.total = total
                bar.update(done - bar.n)

            result = evaluate(
                arguments.prepared,
                model,
                arguments.output,
                protocol=arguments.protocol,
                device=arguments.device,
                inference_precision=arguments.inference_precision,
                workers=arguments.workers,
                on_progress=show,
            )
        results.append(result)
        if arguments.format == "text":
            print(_text(result))
    report = arguments.output / f"{arguments.protocol}.html"
    write_report(report, results)
    if arguments.format == "text":
        print(f"report: {report}")
    else:
        print(json.dumps([asdict(result) for result in results], indent=2))
    return 1 if any(result.missing or result.failed for result in results) else 0


def _weaknesses(result: Evaluation) -> list[str]:
    worst = sorted(result.classes.items(), key=lambda item: (item[1].fraction, -item[1].count))
    lines = [
        f"  often wrong: {label}: {each.correct} of {each.count}"
        for label, each in worst[:_SHOWN]
        if each.correct < each.count
    ]
    return lines + [
        f"  confused: {pair.label} named {pair.named}: {pair.count}"
        for pair in result.confusions[:_SHOWN]
    ]


def _counts(result: Evaluation) -> str:
    used, missing, failed = result.num_videos, len(result.missing), len(result.failed)
    return (
        f"{used} videos, {missing} missing, {failed} failed, {result.left_out} left out by prepare"
    )


def _text(result: Evaluation) -> str:
    lines = [
        f"{result.model} ({result.weights}, {result.inference_precision} on {result.device})",
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
    lines += [f"  failed: {name}: {reason}" for name, reason in result.failed.items()]
    return "\n".join(lines)
