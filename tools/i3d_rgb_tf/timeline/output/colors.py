"""The labels of a timeline by their strength, and a colour for each, in every picture the same."""

from __future__ import annotations

from itertools import cycle

import numpy as np

from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.result import Timeline

__all__ = ["PALETTE", "label_colors", "lane_labels", "rank_labels"]

PALETTE = (
    *("#366ac7", "#ad912a", "#bd3d6f", "#2f9cd7"),
    *("#9a5f33", "#855d9d", "#d57a72", "#8f92a8"),
)
"""Colours as in CSS. Each has a contrast of 3 or more to white and to near black, and people with
any kind of colour blindness can tell them apart: they differ by 18 or more in CIELAB."""

_LEAST_LANES = 3


def rank_labels(timeline: Timeline) -> tuple[str, ...]:
    """Return the 400 labels, the strongest first.

    Labels that have segments come first, then those that were looked for, if not all were. Within
    each group they are in the order of their total probability over time.
    """
    found = {segment.label for segment in timeline.segments}
    chosen = set(timeline.settings.labels or ())
    totals = (timeline.end_seconds - timeline.start_seconds) @ timeline.probabilities
    labels = load_labels()
    order = np.argsort(-totals, kind="stable").tolist()
    ranked = (labels[column] for column in order)
    return tuple(sorted(ranked, key=lambda label: (label not in found, label not in chosen)))


def lane_labels(timeline: Timeline, *, most: int = len(PALETTE)) -> tuple[str, ...]:
    """Return the labels that are worth a picture, the strongest first.

    These are the labels that were looked for, or, if all were, those that have segments or
    somewhere as much probability as a segment has; at least three.

    Parameters
    ----------
    timeline
        Of a video.
    most
        Largest number of labels.
    """
    ranked = rank_labels(timeline)
    if timeline.settings.labels is not None:
        return ranked[: min(most, len(timeline.settings.labels))]
    found = {segment.label for segment in timeline.segments}
    peaks = dict(zip(load_labels(), timeline.probabilities.max(axis=0).tolist(), strict=True))
    worth = [each for each in ranked if each in found or peaks[each] >= timeline.settings.leave]
    filled = tuple(dict.fromkeys([*worth, *ranked]))
    return filled[: min(most, max(len(worth), _LEAST_LANES))]


def label_colors(timeline: Timeline) -> dict[str, str]:
    """Return the colour of each of the 400 labels, the strongest first; see `PALETTE`.

    The eight strongest labels have different colours.
    """
    return dict(zip(rank_labels(timeline), cycle(PALETTE)))
