"""Compute accuracies, per-class accuracies and the confusion matrix from predictions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.evaluation.predictions import VideoPredictions
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
"""95 % of a normal distribution is within so many standard deviations of its mean."""


@dataclass(frozen=True)
class Accuracy:
    """The fraction of correct predictions."""

    correct: int
    """Number of predictions where the true label is the most probable, or one of the top five."""
    count: int
    """Number of predictions."""
    fraction: float
    """correct / count; 0 if there are no predictions."""
    low: float
    """Lower end of Wilson's 95 % interval, which assumes independent predictions."""
    high: float
    """Upper end of the interval."""


@dataclass(frozen=True)
class Confusion:
    """An entry of the confusion matrix outside its diagonal."""

    label: str
    """The true label."""
    predicted: str
    """The predicted label."""
    count: int
    """Number of videos."""


def overall_accuracies(predictions: Iterable[VideoPredictions]) -> dict[str, Accuracy]:
    """Return ``clip_top1``, ``clip_top5``, ``video_top1`` and ``video_top5``.

    The prediction for a video is the mean over its clips.
    """
    clip_ranks: list[int] = []
    video_ranks: list[int] = []
    for each in predictions:
        index = _indices()[each.label]
        clip_ranks += [_rank(row, index) for row in each.probabilities]
        video_ranks.append(_rank(_mean(each), index))
    return {
        f"{kind}_top{top}": _accuracy([rank < top for rank in ranks])
        for kind, ranks in (("clip", clip_ranks), ("video", video_ranks))
        for top in (1, _TOP)
    }


def class_accuracies(predictions: Iterable[VideoPredictions]) -> dict[str, Accuracy]:
    """Return the top-1 accuracy of the videos of each label that has videos, sorted by label."""
    found: dict[str, list[bool]] = {}
    for each in predictions:
        found.setdefault(each.label, []).append(_predicted_label(each) == each.label)
    return {label: _accuracy(found[label]) for label in sorted(found)}


def find_confusions(predictions: Iterable[VideoPredictions]) -> tuple[Confusion, ...]:
    """Return the entries of the confusion matrix outside its diagonal, most frequent first."""
    counts = Counter((each.label, _predicted_label(each)) for each in predictions)
    pairs = [Confusion(*pair, count) for pair, count in counts.items() if pair[0] != pair[1]]
    return tuple(sorted(pairs, key=lambda pair: (-pair.count, pair.label, pair.predicted)))


def interval(correct: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a fraction.

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


def _mean(predictions: VideoPredictions) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = predictions.probabilities.mean(axis=0, dtype=np.float64)
    return mean


def _rank(probabilities: NDArray[Any], index: int) -> int:
    return int((probabilities > probabilities[index]).sum())


def _predicted_label(predictions: VideoPredictions) -> str:
    """Return the most probable label of a video; the true one if several are equal."""
    mean = _mean(predictions)
    first = _rank(mean, _indices()[predictions.label]) == 0
    return predictions.label if first else load_labels()[int(mean.argmax())]


def _accuracy(hits: Sequence[bool]) -> Accuracy:
    correct, count = sum(hits), len(hits)
    return Accuracy(correct, count, correct / count if count else 0.0, *interval(correct, count))
