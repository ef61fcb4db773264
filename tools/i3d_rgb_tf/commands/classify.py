"""Name the actions in videos.

A video is inferred in one pass at 25 frames per second, and the mean of its logits over time gives
the probabilities, as in the paper. One of fewer than 79 frames is looped.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i3d_rgb_tf.classify import Classification
    from i3d_rgb_tf.inference.networks import Networks

EXAMPLES = """\
  i3d-rgb-tf classify cricket.mp4
  i3d-rgb-tf classify -d models --top-k 3 holiday/ party.mov
  i3d-rgb-tf classify --format json *.mp4 > actions.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import (
        add_device,
        add_format,
        add_model,
        add_performance_hint,
        add_videos,
    )

    add_videos(parser)
    add_model(parser)
    add_settings(parser)
    add_device(parser)
    add_performance_hint(parser)
    add_format(parser)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add what decides the result."""
    parser.add_argument(
        "--top-k",
        type=_top_k,
        default=5,
        metavar="K",
        help="number of actions to name in each video (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.classify import classify_while_loading
    from i3d_rgb_tf.commands.progress import with_progress
    from i3d_rgb_tf.commands.terminal import print_error, print_json, print_lines
    from i3d_rgb_tf.commands.videos import find_each
    from i3d_rgb_tf.errors import VideoError

    videos, errors = find_each(arguments.videos)
    if not videos:
        return 1
    _import_openvino()
    results: list[Classification] = []
    load = partial(_load, arguments)
    classified = classify_while_loading(load, videos, top_k=arguments.top_k)
    for result in with_progress(classified, len(videos)):
        if isinstance(result, VideoError):
            print_error(result)
            continue
        results.append(result)
        if arguments.format == "text":
            print_lines(*text_lines(result))
            # A reader at the other end of a pipe sees each result at once.
            sys.stdout.flush()
    if arguments.format == "json":
        print_json([_document(result) for result in results])
    return 0 if len(results) == len(videos) and not errors else 1


def _load(arguments: argparse.Namespace) -> Networks:
    from i3d_rgb_tf.commands.models import open_model

    hint = arguments.performance_hint.upper()
    return open_model(arguments, performance_hint=hint).networks


def _import_openvino() -> None:
    """Import OpenVINO without its model converter, which takes longer than the rest of it.

    For the process of a command only: ``openvino.convert_model`` is not there afterwards.
    """
    converter = "openvino.tools.ovc"
    is_imported = converter in sys.modules
    if not is_imported:
        # So that its import fails.
        sys.modules[converter] = None  # type: ignore[assignment]
    try:
        import openvino  # noqa: F401
    finally:
        if not is_imported:
            del sys.modules[converter]


def text_lines(result: Classification) -> list[str]:
    """Return the result for people: a line about the video, and one for each prediction."""
    head = (
        f"{result.video}: {result.duration_seconds:.1f} s, {result.num_frames} frames, "
        f"{result.num_positions} {'position' if result.num_positions == 1 else 'positions'}, "
        f"weights {result.weights}"
    )
    return [head, *(f"  {each.probability:7.4f}  {each.label}" for each in result.predictions)]


def _document(result: Classification) -> dict[str, Any]:
    return {
        "video": result.video,
        "num_frames": result.num_frames,
        "duration_seconds": result.duration_seconds,
        "num_positions": result.num_positions,
        "weights": result.weights,
        "model": result.model,
        "convolution": result.convolution,
        "predictions": [
            {"label": each.label, "index": each.index, "probability": each.probability}
            for each in result.predictions
        ],
    }


def _top_k(text: str) -> int:
    from i3d_rgb_tf.labels import NUM_LABELS

    if not text.isdigit() or not 1 <= int(text) <= NUM_LABELS:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number from 1 to {NUM_LABELS}")
    return int(text)
