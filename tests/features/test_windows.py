"""Windows have the frames that they are planned to have, and every frame has a known fate."""

from __future__ import annotations

from itertools import product

import pytest

from i3d_rgb_tf.choices import LAST_WINDOWS, LastWindow
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.features.windows import LastFrames, cut_windows, plan_windows


def windows_of(num_frames: int, window: int, stride: int, last: LastWindow) -> list[list[int]]:
    """Return the frames of each window, found by trying every start."""
    starts = range(0, num_frames, stride)
    whole = [start for start in starts if start + window <= num_frames]
    windows = [list(range(start, start + window)) for start in whole]
    seen = {frame for each in windows for frame in each}
    others = [start for start in starts if start not in whole and num_frames - 1 not in seen]
    if others:
        own = list(range(others[0], num_frames))
        if last == "pad":
            windows.append((own + [num_frames - 1] * window)[:window])
        elif last == "repeat" or not windows:
            windows.append((own * window)[:window])
    return windows


@pytest.mark.parametrize("last", LAST_WINDOWS)
def test_every_window_is_cut_as_it_is_planned(last: LastWindow) -> None:
    for num_frames, window, stride in product(range(1, 24), range(2, 9), range(1, 12)):
        expected = windows_of(num_frames, window, stride, last)

        cut = list(cut_windows(range(num_frames), window, stride, last))
        plan = plan_windows(num_frames, window, stride, last)

        case = (num_frames, window, stride)
        assert cut == expected, case
        spans = [(each[0], max(each) + 1) for each in expected]
        assert list(plan.spans) == spans, case


@pytest.mark.parametrize(
    ("num_frames", "last", "outcome", "is_repeated"),
    [
        (32, "drop", LastFrames(0, "none"), False),
        (33, "drop", LastFrames(1, "dropped"), False),
        (40, "pad", LastFrames(8, "padded"), False),
        (40, "repeat", LastFrames(8, "repeated"), False),
        (10, "drop", LastFrames(10, "repeated"), True),
        (10, "repeat", LastFrames(10, "repeated"), True),
        (10, "pad", LastFrames(10, "padded"), False),
    ],
)
def test_a_plan_says_what_became_of_the_last_frames(
    num_frames: int, last: LastWindow, outcome: LastFrames, is_repeated: bool
) -> None:
    plan = plan_windows(num_frames, 16, 16, last)

    assert plan.last == outcome
    assert plan.is_repeated is is_repeated


def test_overlapping_windows_leave_nothing_over_when_the_last_one_ends_with_the_video() -> None:
    plan = plan_windows(20, 16, 4, "pad")

    assert plan.spans == ((0, 16), (4, 20))
    assert plan.last == LastFrames(0, "none")


def test_a_video_may_end_between_two_windows() -> None:
    assert plan_windows(14, 10, 16, "pad").spans == ((0, 10),)
    assert plan_windows(14, 10, 16, "pad").last == LastFrames(0, "none")


def test_only_one_window_is_held() -> None:
    frames = iter(range(1000))

    for index, window in enumerate(cut_windows(frames, 16, 4, "drop")):
        assert window[-1] == 15 + 4 * index
        if index == 10:
            break

    assert next(frames) == window[-1] + 1


def test_a_video_without_frames_is_refused() -> None:
    with pytest.raises(VideoError, match="the video has no frames, expected at least 1"):
        list(cut_windows([], 16, 16, "pad"))
