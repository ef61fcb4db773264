"""Frames are resampled by their timestamps, even if some are missing or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.timestamps import resample, start_times


@dataclass
class FakeFrame:
    """A frame that has only a number and timestamps, in milliseconds."""

    number: int
    pts: int | None
    dts: int | None = None
    duration: int = 0
    time_base: Fraction | None = Fraction(1, 1000)


def frames_at(*pts, last=0):
    """Return frames with these presentation timestamps; the duration of the last is `last`."""
    frames = [FakeFrame(number, each) for number, each in enumerate(pts)]
    frames[-1].duration = last
    return frames


def shown(frames, rate=25):
    frame_seconds = Fraction(1, 25)
    return [each.number for each in resample(frames, Fraction(rate), frame_seconds, name="x.mp4")]


@pytest.mark.parametrize(
    ("frames", "numbers"),
    [
        pytest.param(frames_at(0, 40, 80, last=40), [0, 1, 2], id="25 per second"),
        pytest.param(frames_at(0, 20, 40, 60, 80, 100, last=20), [0, 2, 4], id="50 per second"),
        pytest.param(frames_at(0, 200, last=200), [0] * 5 + [1] * 5, id="5 per second"),
        pytest.param(frames_at(0, 60, 120, last=60), [0, 0, 1, 2, 2], id="16.7 per second"),
        pytest.param(frames_at(0, 41, 79, 121, 159, last=40), [0, 1, 2, 3, 4], id="jitter"),
        pytest.param(frames_at(0, 10, 20, 30, last=10), [1], id="one interval"),
        pytest.param(frames_at(0, 1000, last=40), [0] * 25 + [1], id="a pause"),
        pytest.param(frames_at(5000, 5040, last=40), [0, 1], id="a late start"),
        pytest.param(frames_at(-80, -40, last=40), [0, 1], id="an early start"),
        pytest.param(frames_at(0, last=5), [0], id="shorter than half an interval"),
        pytest.param(frames_at(0, last=60), [0, 0], id="exactly the middle at the end"),
        pytest.param(frames_at(0, last=59), [0], id="just before the middle at the end"),
        pytest.param(frames_at(0, 40), [0, 1], id="the last frame has no duration"),
        pytest.param(frames_at(None, None, None), [0, 1, 2], id="no timestamps"),
        pytest.param(frames_at(0, None, 80), [0, 1, 2], id="a timestamp is missing"),
        pytest.param(frames_at(0, 40, 40, 0, 10), [0, 1, 2, 3, 4], id="repeated and decreasing"),
        pytest.param([], [], id="no frames"),
    ],
)
def test_each_interval_gets_the_frame_on_screen_in_its_middle(frames, numbers):
    assert shown(frames) == numbers


def test_half_the_frame_rate_gives_every_second_frame():
    assert shown(frames_at(0, 40, 80, 120, last=40), rate=Fraction(25, 2)) == [0, 2]


def test_the_last_frame_lasts_an_hour_at_most():
    assert len(shown(frames_at(0, last=10**9))) == 3600 * 25


def test_timestamps_that_jump_by_hours_are_an_error():
    with pytest.raises(VideoError, match=r"timestamps of x\.mp4 jump by 7200 s, expected at most"):
        shown(frames_at(0, 7_200_000))


def test_decoding_timestamps_replace_presentation_timestamps_that_decrease():
    timestamps = [(1, 2), (2, 3), (4, 4), (3, 5), (8, 6), (5, 7), (6, None), (7, None)]
    frames = [
        FakeFrame(number, 40 * pts, dts and 40 * dts)
        for number, (pts, dts) in enumerate(timestamps)
    ]

    assert starts(frames) == [0, 40, 120, 120, 160, 200, 240, 280]


def starts(frames, **options):
    """Return the starts of frames of 40 ms, in milliseconds."""
    return [int(1000 * start) for _, start in start_times(frames, Fraction(1, 25), **options)]


@pytest.mark.parametrize(
    ("pts", "expected"),
    [
        pytest.param([0, 40, 40, 120, 160], [0, 40, 80, 120, 160], id="repeated"),
        pytest.param([0, 40, 20, 120, 160], [0, 40, 80, 120, 160], id="back"),
        pytest.param([0, 40, 40, 80, 120], [0, 40, 80, 80, 120], id="one frame too many"),
    ],
)
@pytest.mark.parametrize("delay", [None, 0, 80], ids=["no dts", "dts", "delayed dts"])
def test_one_wrong_timestamp_does_not_shift_the_frames_after_it(pts, expected, delay):
    before = 400
    times = [*range(0, before, 40), *(before + each for each in pts)]
    frames = [
        FakeFrame(number, each, None if delay is None else 40 * number - delay)
        for number, each in enumerate(times)
    ]

    assert starts(frames)[10:] == [before + each for each in expected]


def test_decoding_timestamps_have_an_origin_of_their_own():
    # As in AVI with B-frames: a decoding timestamp is that of a packet three frames later.
    frames = [
        FakeFrame(number, 40 * pts, 40 * (number + 2))
        for number, pts in [(0, 0), (1, 2), (2, 3), (3, 1), (4, 5), (5, 6), (6, 4), (7, 8)]
    ]

    assert starts(frames)[3:] == [120, 160, 200, 240, 280]


def test_a_mix_of_missing_timestamps_keeps_one_time():
    frames = [FakeFrame(0, None, 40), FakeFrame(1, 80, 80), FakeFrame(2, None, 120)]
    frames += [FakeFrame(3, 160, None), FakeFrame(4, 200, 200)]

    assert starts(frames) == [0, 40, 80, 120, 160]


@pytest.mark.parametrize(
    ("pts", "expected"),
    [
        pytest.param([0, 40, 20_000, 20_040], [0, 40, 80, 120], id="forward"),
        pytest.param([0, 40, 1e9, 1e9 + 40], [0, 40, 80, 120], id="forward by days"),
        pytest.param([9000, 9040, 0, 40], [0, 40, 80, 120], id="back"),
        pytest.param([9000, 9040, 8900, 8940], [0, 40, 80, 120], id="a little back"),
        pytest.param([0, 40, 50_000, 50_040, 0, 40], [0, 40, 80, 120, 160, 200], id="and back"),
        pytest.param([0, 40, 9_000, 9_040], [0, 40, 9_000, 9_040], id="a pause"),
        pytest.param([0, 40, 40, 120], [0, 40, 80, 120], id="a repeated timestamp"),
    ],
)
@pytest.mark.parametrize("with_dts", [False, True])
def test_a_jump_of_the_clock_is_a_new_clock(pts, expected, with_dts):
    frames = [
        FakeFrame(number, int(each), int(each) - 80 if with_dts else None)
        for number, each in enumerate(pts)
    ]

    assert starts(frames, clock_may_jump=True) == expected


def test_where_clocks_cannot_jump_a_long_step_is_a_pause():
    assert starts(frames_at(0, 40, 20_000)) == [0, 40, 20_000]


def test_a_video_that_lasts_longer_than_allowed_is_an_error():
    frames = frames_at(0, 2000, 4000, 6000)

    with pytest.raises(VideoError, match=r"x\.mp4 claims to last .* h, expected at most"):
        list(resample(frames, Fraction(25), Fraction(1, 25), name="x.mp4", longest=Fraction(5)))


def test_decoding_timestamps_replace_missing_presentation_timestamps():
    frames = [FakeFrame(0, None, 80), FakeFrame(1, None, 200)]

    assert [start for _, start in start_times(frames, Fraction(1))] == [0, Fraction(12, 100)]


def test_timestamps_without_a_time_base_are_ignored():
    frames = [FakeFrame(0, 0, time_base=None), FakeFrame(1, 7, time_base=None)]

    assert [start for _, start in start_times(frames, Fraction(1, 2))] == [0, Fraction(1, 2)]
