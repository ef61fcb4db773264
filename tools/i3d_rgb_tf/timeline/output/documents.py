"""Timelines as JSON: our own, ActivityNet's results, and tasks of Label Studio.

A JSON text has only ASCII characters: its escapes keep every name exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.rounding import (
    round_score,
    round_seconds,
    round_span,
    segment_document,
)
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.segments import Segment
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND
from i3d_rgb_tf.video.rates import read_frame_times

__all__ = [
    "as_json",
    "render_activitynet",
    "render_json",
    "render_json_lines",
    "render_label_studio",
    "timeline_document",
]

_NUM_BEST = 5
"""Labels of each position in our JSON."""
_ACTIVITYNET_VERSION = "VERSION 1.3"
"""What its evaluation, and the tools that use its format, write."""
_CONTROL, _OBJECT = "videoLabels", "video"
"""Names of the tags in Label Studio's template for video frame classification."""


def as_json(document: object) -> str:
    """Return a document as JSON that ends its last line."""
    return json.dumps(document, indent=2) + "\n"


def render_json(timelines: Iterable[Timeline]) -> Iterator[str]:
    """Yield the list of the documents of all timelines."""
    yield as_json([timeline_document(each) for each in timelines])


def render_json_lines(timelines: Iterable[Timeline]) -> Iterator[str]:
    """Yield the document of each timeline as one line."""
    for each in timelines:
        yield json.dumps(timeline_document(each)) + "\n"


def timeline_document(timeline: Timeline) -> dict[str, Any]:
    """Return what our JSON has of a video.

    ``segments`` has the label of each, where it begins and ends, and its mean and largest
    probability. ``positions`` has the time that each stands for, and its labels with their
    probabilities: those of ``settings.labels``, or else the five largest, the largest first,
    without those under 0.0005.
    """
    return {
        "video": timeline.video,
        "num_frames": timeline.num_frames,
        "duration_seconds": round_seconds(timeline.duration_seconds),
        "num_positions": timeline.num_positions,
        "network": asdict(timeline.network),
        "settings": asdict(timeline.settings),
        "segments": [segment_document(each) for each in timeline.segments],
        "positions": list(_positions(timeline)),
    }


def _positions(timeline: Timeline) -> Iterator[dict[str, Any]]:
    probabilities = timeline.probabilities
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :_NUM_BEST].tolist()
    asked = [load_labels().index(label) for label in timeline.settings.labels or ()]
    for position, strongest in enumerate(best):
        scores = {
            load_labels()[column]: round_score(probabilities[position, column])
            for column in asked or strongest
        }
        yield {
            "start_seconds": round_seconds(timeline.start_seconds[position]),
            "end_seconds": round_seconds(timeline.end_seconds[position]),
            "labels": {label: score for label, score in scores.items() if score or asked},
        }


def render_activitynet(timelines: Iterable[Timeline]) -> Iterator[str]:
    """Yield one result of ActivityNet's detection task, whose videos have names without endings."""
    results = {
        Path(timeline.video).stem: [
            {
                "label": each.label,
                "score": round_score(each.mean_score),
                "segment": list(round_span(each)),
            }
            for each in timeline.segments
        ]
        for timeline in timelines
    }
    yield as_json({"version": _ACTIVITYNET_VERSION, "results": results, "external_data": {}})


def render_label_studio(timelines: Iterable[Timeline]) -> Iterator[str]:
    """Yield the tasks that Label Studio imports, each with its segments as one prediction.

    Label Studio knows a moment as the number of a frame, from 1 on, and finds its time by the frame
    rate of the tag ``Video``, which can take it from the task: ``frameRate="$fps"``.
    """
    yield as_json([_task(each) for each in timelines])


def _task(timeline: Timeline) -> dict[str, Any]:
    rate = _frame_rate(Path(timeline.video))
    scores = [each.mean_score for each in timeline.segments]
    prediction = {
        "model_version": f"i3d-rgb-tf {timeline.network.weights}",
        "score": round_score(sum(scores) / len(scores)) if scores else 0.0,
        "result": [_region(number, each, rate) for number, each in enumerate(timeline.segments, 1)],
    }
    return {"data": {"video": timeline.video, "fps": rate}, "predictions": [prediction]}


def _region(number: int, segment: Segment, rate: float) -> dict[str, Any]:
    first, last = _frame_range(segment, rate)
    return {
        "id": f"segment-{number}",
        "from_name": _CONTROL,
        "to_name": _OBJECT,
        "type": "timelinelabels",
        "score": round_score(segment.mean_score),
        "value": {
            "ranges": [{"start": first, "end": last}],
            "timelinelabels": [segment.label],
        },
    }


def _frame_range(segment: Segment, rate: float) -> tuple[int, int]:
    """Return the first and the last frame of a segment, numbered from 1.

    >>> _frame_range(Segment("juggling", 0.0, 2.0, 0.9, 0.9), 30)
    (1, 60)
    """
    first = round(segment.start_seconds * rate) + 1
    return first, max(first, round(segment.end_seconds * rate))


def _frame_rate(video: Path) -> float:
    """Return the average rate of a video file; if it is unknown, that of the timeline."""
    try:
        return round(read_frame_times(video).frames_per_second, 3)
    except VideoError:
        return float(FRAMES_PER_SECOND)
