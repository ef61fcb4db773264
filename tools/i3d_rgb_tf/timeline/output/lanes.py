"""The lanes of a picture of a timeline: a label's probability over time, and its segments."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.colors import label_colors, lane_labels
from i3d_rgb_tf.timeline.output.drawing import rgb
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.segments import Segment

__all__ = ["Lane", "draw_lane", "timeline_lanes"]

_Numbers = NDArray[np.floating]

_BACKGROUND = "#f4f5f7"
_PEAKS, _MEANS, _WITHIN = 0.2, 0.35, 0.8
"""How opaque the curve is: of the peaks, of the means, and of these within segments."""


@dataclass(frozen=True)
class Lane:
    """What is drawn of one label."""

    label: str
    """Name of the action."""
    color: str
    """As in CSS."""
    probabilities: NDArray[np.float32] = field(repr=False)
    """(positions,) float32, 0..1."""
    segments: tuple[Segment, ...]
    """Its own."""

    @property
    def total_seconds(self) -> float:
        """How long its segments last together."""
        return sum(each.duration_seconds for each in self.segments)


def timeline_lanes(timeline: Timeline) -> list[Lane]:
    """Return the lanes of a timeline, the strongest label first."""
    colors, probabilities = label_colors(timeline), timeline.probabilities
    return [
        Lane(
            label,
            colors[label],
            probabilities[:, load_labels().index(label)],
            tuple(each for each in timeline.segments if each.label == label),
        )
        for label in lane_labels(timeline)
    ]


def draw_lane(lane: Lane, timeline: Timeline, width: int, height: int) -> NDArray[np.uint8]:
    """Return the filled curve of a label: pale, and in its full colour within segments.

    It has a step for each position. Where there are more positions than columns, their mean is
    filled, and up to their largest it is paler still.

    Returns
    -------
    ndarray
        (height, width, 3) uint8.
    """
    starts = timeline.start_seconds
    duration = timeline.duration_seconds
    edges = np.append(starts, duration) * width / duration
    within = np.zeros(len(starts))
    for each in lane.segments:
        within[(each.start_seconds <= starts) & (starts < each.end_seconds)] = 1
    opacity = _MEANS + (_WITHIN - _MEANS) * _means(edges, within, width)
    picture = np.empty((height, width, 3))
    picture[:] = rgb(_BACKGROUND)
    for levels, share in (
        (_peaks(edges, lane.probabilities, width), _PEAKS),
        (_means(edges, lane.probabilities, width), opacity),
    ):
        covered = (_below(levels, height) * share)[..., np.newaxis]
        picture += covered * (rgb(lane.color) - picture)
    return np.rint(picture).astype(np.uint8)


def _means(edges: _Numbers, values: _Numbers, width: int) -> _Numbers:
    """Return the mean in each of `width` columns of values that last from edge to edge.

    >>> _means(np.array([0, 1.5, 3]), np.array([1, 0]), 3).tolist()
    [1.0, 0.5, 0.0]
    """
    areas = np.append(0, np.cumsum(values * np.diff(edges)))
    return np.diff(np.interp(np.arange(width + 1), edges, areas))


def _peaks(edges: _Numbers, values: _Numbers, width: int) -> _Numbers:
    """Return the largest value in each of `width` columns of values that last from edge to edge.

    >>> _peaks(np.array([0, 0.2, 1.5, 3]), np.array([0, 0.5, 1]), 3).tolist()
    [0.5, 1.0, 1.0]
    """
    columns = np.arange(width)
    first = np.searchsorted(edges[:-1], columns, side="right") - 1
    stop = np.searchsorted(edges[:-1], columns + 1)
    # Every second result is that of the values between two columns.
    bounds = np.column_stack([first, stop]).ravel()
    peaks: _Numbers = np.maximum.reduceat(np.append(values, 0), bounds)[::2]
    return peaks


def _below(levels: _Numbers, height: int) -> _Numbers:
    """Return (height, width): which share of each pixel is below the curve."""
    rows = np.arange(height)[::-1, np.newaxis]
    below: _Numbers = np.clip(levels * height - rows, 0, 1)
    return below
