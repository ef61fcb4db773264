"""Timelines made by hand: the probabilities of labels, or their segments, without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from i3d_rgb_tf.inference.networks import NetworkFacts
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.segments import Segment, find_segments
from i3d_rgb_tf.timeline.settings import SegmentSettings

__all__ = ["make_timeline", "with_segments"]


def make_timeline(
    video: str,
    probabilities: Mapping[str, Sequence[float]],
    settings: SegmentSettings | None = None,
    *,
    seconds: float = 1,
) -> Timeline:
    """Return a timeline whose positions each stand for some seconds.

    Labels that are not named share what is left of the probability.
    """
    settings = settings or SegmentSettings()
    num_positions = len(next(iter(probabilities.values())))
    columns = [load_labels().index(label) for label in probabilities]
    named = np.array(list(probabilities.values())).T
    rows = np.repeat((1 - named.sum(axis=1, keepdims=True)) / (400 - len(columns)), 400, axis=1)
    rows[:, columns] = named
    rows = np.maximum(rows, 1e-30).astype(np.float32)
    edges = np.arange(num_positions + 1) * float(seconds)
    return Timeline(
        video=video,
        num_frames=round(25 * edges[-1]),
        logits=np.log(rows),
        times_seconds=(edges[:-1] + edges[1:]) / 2,
        start_seconds=edges[:-1],
        end_seconds=edges[1:],
        segments=find_segments(edges[:-1], edges[1:], rows, settings),
        settings=settings,
        network=NetworkFacts(
            weights="rgb_scratch",
            weights_sha384="3" * 96,
            model="models/i3d-rgb-tf.xml",
            convolution="direct",
            inference_precision="bf16",
            device="CPU",
        ),
    )


def with_segments(video: str, segments: Sequence[Segment], *, num_positions: int = 10) -> Timeline:
    """Return a timeline of ten seconds with any segments, whatever the probabilities are."""
    timeline = make_timeline(video, {"zumba": [0.1] * num_positions})
    return replace(timeline, segments=tuple(segments))
