"""Times of positions, windows and segments are those of the frames they depend on."""

from __future__ import annotations

import numpy as np
import pytest

from i3d_rgb_tf.features.times import dense_times, divide_rows, group_times, window_times
from i3d_rgb_tf.inference.receptive_field import count_logits, receptive_span
from networks import logits_over_time


@pytest.mark.slow
@pytest.mark.parametrize("num_frames", [9, 16, 79, 81, 82, 83])
def test_a_position_depends_on_the_frames_within_its_extent_only(num_frames: int) -> None:
    """Found by changing one frame after the other."""
    times = dense_times(count_logits(num_frames), num_frames)
    base = np.zeros(num_frames)
    depends = np.array(
        [
            logits_over_time(base + (np.arange(num_frames) == frame)) != logits_over_time(base)
            for frame in range(num_frames)
        ]
    )

    for position, column in enumerate(depends.T):
        first, last = np.flatnonzero(column)[[0, -1]]
        assert times.start[position] == pytest.approx(first)
        assert times.end[position] == pytest.approx(last + 1)


def test_the_centre_is_the_middle_of_an_extent_that_the_video_does_not_cut() -> None:
    times = dense_times(count_logits(400), 400)
    first, stop = receptive_span(20, 400)

    assert times.center[20] == pytest.approx((first + stop) / 2)
    assert np.diff(times.center) == pytest.approx(8)


def test_every_time_is_within_the_video() -> None:
    for num_frames in range(1, 60):
        times = dense_times(max(1, count_logits(num_frames)), num_frames)
        assert times.start.min() >= 0
        assert times.end.max() <= num_frames
        assert (times.start <= times.center).all()
        assert (times.center <= times.end).all()


def test_windows_last_as_long_as_their_own_frames() -> None:
    times = window_times([(0, 16), (4, 20), (8, 21)])

    assert times.start.tolist() == [0, 4, 8]
    assert times.end.tolist() == [16, 20, 21]
    assert times.center.tolist() == [8, 12, 14.5]


@pytest.mark.parametrize(
    ("num_rows", "num_parts"), [(100, 32), (32, 32), (33, 32), (5, 32), (1, 4)]
)
def test_parts_are_equal_and_leave_out_no_row(num_rows: int, num_parts: int) -> None:
    parts = divide_rows(num_rows, num_parts)

    sizes = [stop - first for first, stop in parts]
    assert len(parts) == num_parts
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1
    assert {row for first, stop in parts for row in range(first, stop)} == set(range(num_rows))


def test_the_times_of_a_part_are_those_of_its_rows() -> None:
    rows = window_times([(0, 10), (5, 15), (10, 20), (15, 25)])

    times = group_times(rows, [(0, 3), (3, 4)])

    assert times.start.tolist() == [0, 15]
    assert times.end.tolist() == [20, 25]
    assert times.center.tolist() == [10, 20]
