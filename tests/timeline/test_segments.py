"""Segments are those of hysteresis, joined over short gaps, whether decided at once or in turn."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from i3d_rgb_tf.errors import LabelError
from i3d_rgb_tf.inference.receptive_field import count_logits
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.segments import Change, Segment, SegmentFinder, find_segments
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.timeline.times import position_seconds

PLAIN = SegmentSettings(min_seconds=0, merge_seconds=0)
"""Hysteresis alone, with 0.5 and 0.25."""


def rows_of(**probabilities: list[float]) -> np.ndarray:
    """Return rows with the probabilities of labels, whose names have _ for a space, over time."""
    rows = np.zeros((len(next(iter(probabilities.values()))), 400), np.float32)
    for name, values in probabilities.items():
        rows[:, load_labels().index(name.replace("_", " "))] = values
    return rows


def segments_of(rows: np.ndarray, settings: SegmentSettings = PLAIN, seconds: float = 1):
    """Return the segments of positions that each stand for some seconds."""
    edges = seconds * np.arange(len(rows) + 1, dtype=np.float64)
    return find_segments(edges[:-1], edges[1:], rows, settings)


def spans(segments) -> list[tuple[float, float]]:
    return [(each.start_seconds, each.end_seconds) for each in segments]


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([0.1, 0.3, 0.6, 0.4, 0.2, 0.4, 0.1, 0.2, 0.7, 0.1], [(1, 4), (8, 9)]),
        ([0.5, 0.5], [(0, 2)]),
        ([0.49, 0.49, 0.49], []),
        ([0.25, 0.25, 0.5], [(0, 3)]),
        ([0.24, 0.5, 0.24], [(1, 2)]),
        ([0.9, 0.0, 0.9], [(0, 1), (2, 3)]),
        ([0.9], [(0, 1)]),
    ],
)
def test_a_segment_enters_once_and_leaves_later(probabilities, expected):
    assert spans(segments_of(rows_of(abseiling=probabilities))) == expected


@pytest.mark.parametrize(
    ("merge_seconds", "expected"),
    [(0, [(0, 1), (2, 4), (7, 8)]), (2, [(0, 4), (7, 8)]), (3, [(0, 8)])],
)
def test_segments_with_a_short_gap_are_joined(merge_seconds, expected):
    rows = rows_of(abseiling=[0.9, 0.1, 0.3, 0.9, 0, 0, 0, 0.9])

    found = segments_of(rows, replace(PLAIN, merge_seconds=merge_seconds))

    assert spans(found) == expected


def test_the_scores_of_a_joined_segment_are_of_all_of_it():
    rows = rows_of(abseiling=[0.9, 0.1, 0.3, 0.8])

    (found,) = segments_of(rows, replace(PLAIN, merge_seconds=2))

    assert found.label == "abseiling"
    assert found.mean_score == pytest.approx((0.9 + 0.1 + 0.3 + 0.8) / 4)
    assert found.peak_score == pytest.approx(0.9)


def test_segments_are_joined_before_short_ones_are_left_out():
    rows = rows_of(abseiling=[0.9, 0, 0.9, 0, 0, 0, 0.9])

    found = segments_of(rows, replace(PLAIN, merge_seconds=1, min_seconds=3))

    assert spans(found) == [(0, 3)]


def test_actions_may_overlap_and_are_in_order_of_their_starts():
    rows = rows_of(abseiling=[0, 0.5, 0.4, 0], walking_the_dog=[0.8, 0.5, 0.6, 0.9])

    found = segments_of(rows)

    assert [each.label for each in found] == ["walking the dog", "abseiling"]
    assert spans(found) == [(0, 4), (1, 3)]


def test_only_the_labels_asked_for_are_found():
    rows = rows_of(abseiling=[0.9], walking_the_dog=[0.9])

    found = segments_of(rows, replace(PLAIN, labels=("abseiling",)))

    assert [each.label for each in found] == ["abseiling"]


def test_smoothing_averages_with_the_neighbours_that_are_there():
    values = [0.9, 0.0, 0.9, 0.9, 0.0, 0.0]

    found = segments_of(rows_of(abseiling=values), replace(PLAIN, smooth_seconds=2, leave=0.4))

    # Means of three positions, of two at the ends: .45, .6, .6, .6, .3, 0
    assert spans(found) == [(0, 4)]
    assert found[0].peak_score == pytest.approx(0.6)
    assert found[0].mean_score == pytest.approx((0.45 + 0.6 + 0.6 + 0.6) / 4)


def find_at_once(row: np.ndarray, settings: SegmentSettings, seconds: float) -> list[tuple]:
    """Return the spans of one label by components of a whole row, without this package."""
    components, count = ndimage.label(row >= settings.leave)
    enters = ndimage.maximum(row, components, range(1, count + 1)) >= settings.enter
    joined: list[list[int]] = []
    for (part,), enter in zip(ndimage.find_objects(components), enters, strict=True):
        if not enter:
            continue
        if joined and (part.start - joined[-1][1]) * seconds <= settings.merge_seconds:
            joined[-1][1] = part.stop
        else:
            joined.append([part.start, part.stop])
    long = [span for span in joined if (span[1] - span[0]) * seconds >= settings.min_seconds]
    return [(start * seconds, stop * seconds) for start, stop in long]


@pytest.mark.parametrize("smooth_seconds", [0.1, 0.4, 1, 2, 20])
@pytest.mark.parametrize("num_frames", [3, 75, 80, 120, 250])
def test_smoothing_is_a_mean_over_the_middles_that_are_near(num_frames, smooth_seconds):
    count = 1 if num_frames < 80 else count_logits(num_frames)
    _, edges = position_seconds(count, num_frames, padded_as=num_frames)
    values = np.random.default_rng(0).random(count, np.float32)
    settings = SegmentSettings(enter=1e-9, leave=1e-9, min_seconds=0, smooth_seconds=smooth_seconds)

    (found,) = find_segments(edges[:-1], edges[1:], rows_of(abseiling=list(values)), settings)

    middles = (edges[:-1] + edges[1:]) / 2
    near = np.abs(middles[:, np.newaxis] - middles) <= smooth_seconds / 2 + 1e-9
    smoothed = [values[each].mean() for each in near]
    assert (found.start_seconds, found.end_seconds) == (0, num_frames / 25)
    assert found.mean_score == pytest.approx(np.mean(smoothed), abs=1e-6)
    assert found.peak_score == pytest.approx(np.max(smoothed), abs=1e-6)


@pytest.mark.parametrize("first", range(0, 20_000, 997))
def test_lengths_of_whole_positions_are_compared_exactly(first):
    """Wherever they are: sums of 0.32 s have rounding errors."""
    edges = (np.arange(first, first + 12) + 13.5 / 8) * 0.32
    rows = rows_of(abseiling=[0, 0.9, 0.9, 0, 0.9, 0, 0, 0.9, 0.9, 0, 0])
    settings = SegmentSettings(min_seconds=0.64, merge_seconds=0.32)

    found = find_segments(edges[:-1], edges[1:], rows, settings)
    smoothed = find_segments(
        edges[:-1], edges[1:], rows, replace(PLAIN, smooth_seconds=0.64, enter=0.61)
    )

    assert spans(found) == [(edges[1], edges[5]), (edges[7], edges[9])]
    # Means of three positions: .45, .6, .6, .6, .3, .3, .3, .6, .6, .3, 0
    assert smoothed == ()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_random_probabilities_give_the_segments_of_the_whole_row_at_once(seed):
    random = np.random.default_rng(seed)
    settings = SegmentSettings(
        leave=random.choice([0.1, 0.3, 0.5]),
        min_seconds=random.integers(0, 5) / 2,
        merge_seconds=random.integers(0, 5) / 2,
    )
    rows = random.random((60, 400), np.float32) ** 2

    found = segments_of(rows, settings, 0.5)

    for index, label in enumerate(load_labels()):
        expected = find_at_once(rows[:, index], settings, 0.5)
        assert spans(each for each in found if each.label == label) == expected


def changes_of(rows: np.ndarray, settings: SegmentSettings) -> list[tuple[int, Change]]:
    """Return the changes, each with the number of the position with which it was known."""
    finder = SegmentFinder(settings)
    found = [
        (number, change)
        for number, row in enumerate(rows)
        for change in finder.add(number, number + 1, row)
    ]
    return found + [(len(rows), change) for change in finder.finish()]


def test_a_segment_opens_grows_and_closes_as_soon_as_it_is_known():
    rows = rows_of(abseiling=[0, 0.3, 0.6, 0.6, 0.6, 0, 0, 0])
    settings = SegmentSettings(min_seconds=2, merge_seconds=1)

    found = changes_of(rows, settings)

    told = [
        (number, change.kind, change.segment.start_seconds, change.segment.end_seconds)
        for number, change in found
    ]
    assert told == [
        (2, "open", 1, 3),
        (3, "grow", 1, 4),
        (4, "grow", 1, 5),
        (6, "close", 1, 5),
    ]


def test_a_segment_that_goes_on_at_the_end_is_closed_there():
    found = changes_of(rows_of(abseiling=[0, 0.6, 0.6]), PLAIN)

    assert found[-1] == (3, Change("close", Segment("abseiling", 1, 3, *[pytest.approx(0.6)] * 2)))


def test_what_is_too_short_is_never_told():
    assert changes_of(rows_of(abseiling=[0.9, 0]), SegmentSettings(min_seconds=2)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_every_segment_opens_once_grows_and_closes_once(seed):
    random = np.random.default_rng(seed)
    rows = random.random((60, 400), np.float32) ** 2

    told: dict[tuple[str, float], list[Change]] = {}
    for _, change in changes_of(rows, SegmentSettings(smooth_seconds=2)):
        key = change.segment.label, change.segment.start_seconds
        told.setdefault(key, []).append(change)

    assert told
    for changes in told.values():
        kinds = [each.kind for each in changes]
        assert kinds == ["open", *["grow"] * (len(kinds) - 2), "close"]
        ends = [each.segment.end_seconds for each in changes]
        assert all(one <= other for one, other in pairwise(ends))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"enter": 0}, "enter is 0, expected more than 0 and at most 1"),
        ({"enter": 1.5}, "enter is 1.5"),
        ({"enter": float("nan")}, "enter is nan"),
        ({"leave": 0.6}, "leave is 0.6, expected more than 0 and at most enter, 0.5"),
        ({"leave": 0}, "leave is 0"),
        ({"min_seconds": -1}, "min_seconds is -1, expected 0 or more, and finite"),
        ({"merge_seconds": float("inf")}, "merge_seconds is inf"),
        ({"smooth_seconds": float("nan")}, "smooth_seconds is nan"),
        ({"labels": ()}, r"labels is \(\), expected a tuple of names, .*, or None for all"),
        ({"labels": "zumba"}, "labels is 'zumba', expected a tuple of names"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SegmentSettings(**values)


def test_an_unknown_label_is_refused_with_the_nearest_known_ones():
    with pytest.raises(LabelError, match="unknown label 'walking dog'.*'walking the dog'"):
        SegmentSettings(labels=("abseiling", "walking dog"))


@pytest.mark.parametrize(("enter", "leave"), [(0.5, 0.25), (0.9, 0.25), (0.1, 0.1)])
def test_a_segment_may_leave_at_a_quarter_or_where_it_enters(enter, leave):
    assert SegmentSettings(enter=enter).leave == leave


def test_every_unknown_label_is_reported_up_to_three():
    names = ("smokin", "zumba", "walking dog", "xyzzy", "one", "two")

    with pytest.raises(LabelError) as caught:
        SegmentSettings(labels=names)

    message = str(caught.value)
    assert [name for name in names if f"unknown label {name!r}" in message] == [
        "smokin",
        "walking dog",
        "xyzzy",
    ]
    assert message.endswith("; and 2 more")


def test_a_label_that_is_like_none_is_refused():
    with pytest.raises(LabelError, match="unknown label 'xyzzy'.*none is like it"):
        SegmentSettings(labels=("xyzzy",))
