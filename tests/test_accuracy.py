"""What answers amount to, on rows that were counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from i3d_rgb_tf.accuracy import (
    Accuracy,
    Confusion,
    class_accuracies,
    find_confusions,
    interval,
    overall_accuracies,
)
from i3d_rgb_tf.journal import Row
from i3d_rgb_tf.labels import load_labels

LABELS = load_labels()


def answer(*order: int) -> np.ndarray:
    """Return what ranks these labels first, in this order, then the others from the last on."""
    clip = np.arange(400, dtype=np.float32) / 1e6
    clip[list(order)] = 0.5 ** np.arange(1, len(order) + 1)
    return clip


def row(name: str, label: int, *clips: Sequence[int]) -> Row:
    return Row(name, LABELS[label], "", np.stack([answer(*order) for order in clips]))


ROWS = [
    # Both clips have it, one first: the mean has 0.375 for each of the two, so it is first.
    row("a", 0, (0, 1), (1, 0)),
    # Fifth in one clip, sixth in the other, fifth in the mean.
    row("b", 0, (1, 2, 3, 4, 0), (1, 2, 3, 4, 5, 0)),
    row("c", 7, (9,), (9,)),
    row("d", 3, (1,)),
    row("e", 0, (1,)),
    row("f", 2, (8,)),
]


def counts(accuracy: Accuracy) -> tuple[int, int]:
    return accuracy.correct, accuracy.count


def test_clips_count_each_and_videos_by_the_mean_of_their_clips() -> None:
    found = overall_accuracies(ROWS)

    assert {name: counts(each) for name, each in found.items()} == {
        "clip_top1": (1, 9),
        "clip_top5": (3, 9),
        "video_top1": (1, 6),
        "video_top5": (2, 6),
    }
    assert found["clip_top5"].fraction == pytest.approx(1 / 3)
    assert (found["clip_top5"].low, found["clip_top5"].high) == interval(3, 9)


def test_every_label_that_occurs_has_its_accuracy() -> None:
    found = class_accuracies(ROWS)

    assert {label: counts(each) for label, each in found.items()} == {
        LABELS[0]: (1, 3),
        LABELS[2]: (0, 1),
        LABELS[3]: (0, 1),
        LABELS[7]: (0, 1),
    }
    assert list(found) == sorted(found)
    assert (found[LABELS[0]].low, found[LABELS[0]].high) == interval(1, 3)


def test_confusions_are_sorted_by_frequency_then_label() -> None:
    assert find_confusions(ROWS) == (
        Confusion(LABELS[0], LABELS[1], 2),
        Confusion(LABELS[2], LABELS[8], 1),
        Confusion(LABELS[3], LABELS[1], 1),
        Confusion(LABELS[7], LABELS[9], 1),
    )
    assert find_confusions(reversed(ROWS)) == find_confusions(ROWS)


def test_classes_and_confusions_account_for_every_video() -> None:
    right = sum(each.correct for each in class_accuracies(ROWS).values())

    assert right + sum(pair.count for pair in find_confusions(ROWS)) == len(ROWS)
    assert right == overall_accuracies(ROWS)["video_top1"].correct


def test_nothing_answered_is_no_accuracy() -> None:
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
