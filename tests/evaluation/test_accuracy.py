"""Accuracies and confusions of predictions that were counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from i3d_rgb_tf.evaluation.accuracy import (
    Accuracy,
    Confusion,
    class_accuracies,
    find_confusions,
    interval,
    overall_accuracies,
)
from i3d_rgb_tf.evaluation.predictions import VideoPredictions
from i3d_rgb_tf.labels import load_labels

LABELS = load_labels()


def probabilities(*order: int) -> np.ndarray:
    """Return what ranks these labels first, in this order, then the others from the last on."""
    row = np.arange(400, dtype=np.float32) / 1e6
    row[list(order)] = 0.5 ** np.arange(1, len(order) + 1)
    return row


def video(name: str, label: int, *clips: Sequence[int]) -> VideoPredictions:
    """Return predictions that rank labels in the order that is given for each clip."""
    rows = np.stack([probabilities(*order) for order in clips])
    return VideoPredictions(name, LABELS[label], "", rows)


VIDEOS = [
    # Both clips have it, one first: the mean has 0.375 for each of the two, so it is first.
    video("a", 0, (0, 1), (1, 0)),
    # Fifth in one clip, sixth in the other, fifth in the mean.
    video("b", 0, (1, 2, 3, 4, 0), (1, 2, 3, 4, 5, 0)),
    video("c", 7, (9,), (9,)),
    video("d", 3, (1,)),
    video("e", 0, (1,)),
    video("f", 2, (8,)),
]


def counts(accuracy: Accuracy) -> tuple[int, int]:
    return accuracy.correct, accuracy.count


def test_each_clip_counts_and_each_video_by_the_mean_of_its_clips() -> None:
    found = overall_accuracies(VIDEOS)

    assert {name: counts(each) for name, each in found.items()} == {
        "clip_top1": (1, 9),
        "clip_top5": (3, 9),
        "video_top1": (1, 6),
        "video_top5": (2, 6),
    }
    assert found["clip_top5"].fraction == pytest.approx(1 / 3)
    assert (found["clip_top5"].low, found["clip_top5"].high) == interval(3, 9)


def test_every_label_that_occurs_has_an_accuracy() -> None:
    found = class_accuracies(VIDEOS)

    assert {label: counts(each) for label, each in found.items()} == {
        LABELS[0]: (1, 3),
        LABELS[2]: (0, 1),
        LABELS[3]: (0, 1),
        LABELS[7]: (0, 1),
    }
    assert list(found) == sorted(found)
    assert (found[LABELS[0]].low, found[LABELS[0]].high) == interval(1, 3)


def test_confusions_are_sorted_by_frequency_then_label() -> None:
    assert find_confusions(VIDEOS) == (
        Confusion(LABELS[0], LABELS[1], 2),
        Confusion(LABELS[2], LABELS[8], 1),
        Confusion(LABELS[3], LABELS[1], 1),
        Confusion(LABELS[7], LABELS[9], 1),
    )
    assert find_confusions(reversed(VIDEOS)) == find_confusions(VIDEOS)


def test_classes_and_confusions_account_for_every_video() -> None:
    correct = sum(each.correct for each in class_accuracies(VIDEOS).values())

    assert correct + sum(pair.count for pair in find_confusions(VIDEOS)) == len(VIDEOS)
    assert correct == overall_accuracies(VIDEOS)["video_top1"].correct


def test_no_predictions_have_zero_accuracy() -> None:
    assert overall_accuracies([])["clip_top1"] == Accuracy(0, 0, 0.0, 0.0, 1.0)
    assert class_accuracies([]) == {}
    assert find_confusions([]) == ()


@pytest.mark.parametrize(
    ("correct", "count", "expected"),
    # Of the Wilson score interval without continuity correction.
    [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (268, 400, (0.6225, 0.7143))],
)
def test_the_interval_is_that_of_wilson(
    correct: int, count: int, expected: tuple[float, float]
) -> None:
    assert interval(correct, count) == pytest.approx(expected, abs=5e-5)
