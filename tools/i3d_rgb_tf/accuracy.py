"""What the answers of every clip amount to: accuracies, of each class too, and confusions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.journal import Row
from i3d_rgb_tf.labels import load_labels

__all__ = [
    "Accuracy",
    "Confusion",
    "class_accuracies",
    "find_confusions",
    "interval",
    "overall_accuracies",
]

_TOP = 5
_NORMAL_95 = 1.959963984540054
"""Standard deviations on either side of the mean that hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class Accuracy:
    """How many answers were right."""

    correct: int
    """Of the label's rank below the first or the fifth."""
    count: int
    """Of all."""
    fraction: float
    """correct / count; 0 when there are none."""
    low: float
    """Lower end of the 95 % interval of Wilson, which takes answers for independent."""
    high: float
    """Its upper end."""


@dataclass(frozen=True)
class Confusion:
    """One label taken for another."""

    label: str
    """What the videos show."""
    named: str
    """What has the highest probability instead."""
    count: int
    """How many videos."""


def overall_accuracies(rows: Iterable[Row]) -> dict[str, Accuracy]:
    """Return ``clip_top1``, ``clip_top5``, ``video_top1`` and ``video_top5``.

    The answer for a video is the mean over its clips.
    """
    clips: list[int] = []
    videos: list[int] = []
    for row in rows:
        index = _indices()[row.label]
        clips += [_rank(answer, index) for answer in row.clips]
        videos.append(_rank(_mean(row), index))
    return {
        f"{kind}_top{top}": _accuracy([rank < top for rank in ranks])
        for kind, ranks in (("clip", clips), ("video", videos))
        for top in (1, _TOP)
    }


def class_accuracies(rows: Iterable[Row]) -> dict[str, Accuracy]:
    """Return the top-1 accuracy of the videos of each label that occurs, sorted by label."""
    found: dict[str, list[bool]] = {}
    for row in rows:
        found.setdefault(row.label, []).append(_named(row) == row.label)
    return {label: _accuracy(found[label]) for label in sorted(found)}


def find_confusions(rows: Iterable[Row]) -> tuple[Confusion, ...]:
    """Return what videos were taken for, the most frequent first, then sorted by label."""
    named = Counter((row.label, _named(row)) for row in rows)
    pairs = [Confusion(*pair, count) for pair, count in named.items() if pair[0] != pair[1]]
    return tuple(sorted(pairs, key=lambda pair: (-pair.count, pair.label, pair.named)))


def interval(correct: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a fraction after Wilson.

    >>> tuple(round(end, 4) for end in interval(268, 400))
    (0.6225, 0.7143)
    """
    if not count:
        return 0.0, 1.0
    square = _NORMAL_95**2
    fraction = correct / count
    middle = fraction + square / (2 * count)
    half = _NORMAL_95 * math.sqrt(fraction * (1 - fraction) / count + square / (4 * count**2))
    scale = 1 + square / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


@lru_cache
def _indices() -> dict[str, int]:
    return {label: index for index, label in enumerate(load_labels())}


def _mean(row: Row) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = row.clips.mean(axis=0, dtype=np.float64)
    return mean


def _rank(answer: NDArray[Any], index: int) -> int:
    return int((answer > answer[index]).sum())


def _named(row: Row) -> str:
    """Return the label of a video's answer: its own, where it shares the first place."""
    mean = _mean(row)
    first = _rank(mean, _indices()[row.label]) == 0
    return row.label if first else load_labels()[int(mean.argmax())]


def _accuracy(right: Sequence[bool]) -> Accuracy:
    correct, count = sum(right), len(right)
    return Accuracy(correct, count, correct / count if count else 0.0, *interval(correct, count))
