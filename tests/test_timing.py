"""Frames are shown when their time stamps say, whatever those look like."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.timing import resample, start_times


@dataclass
class Stamped:
    """A frame that has only its name and its stamps, in milliseconds."""

    name: int
    pts: int | None
    dts: int | None = None
    duration: int = 0
    time_base: Fraction | None = Fraction(1, 1000)


def stamped(*pts, last=0):
    frames = [Stamped(name, each) for name, each in enumerate(pts)]
    if frames:
        frames[-1].duration = last
    return frames


def shown(frames, rate=25):
    frame_seconds = Fraction(1, 25)
    return [each.name for each in resample(frames, Fraction(rate), frame_seconds, name="x.mp4")]


@pytest.mark.parametrize(
    ("frames", "names"),
    [
        pytest.param(stamped(0, 40, 80, last=40), [0, 1, 2], id="as many as wanted"),
        pytest.param(stamped(0, 20, 40, 60, 80, 100, last=20), [0, 2, 4], id="twice as many"),
        pytest.param(stamped(0, 200, last=200), [0] * 5 + [1] * 5, id="a fifth"),
        pytest.param(stamped(0, 60, 120, last=60), [0, 0, 1, 2, 2], id="16.7 per second"),
        pytest.param(stamped(0, 41, 79, 121, 159, last=40), [0, 1, 2, 3, 4], id="jitter"),
        pytest.param(stamped(0, 10, 20, 30, last=10), [1], id="one interval"),
        pytest.param(stamped(0, 1000, last=40), [0] * 25 + [1], id="a pause"),
        pytest.param(stamped(5000, 5040, last=40), [0, 1], id="a late start"),
        pytest.param(stamped(-80, -40, last=40), [0, 1], id="an early start"),
        pytest.param(stamped(0, last=5), [0], id="shorter than half an interval"),
        pytest.param(stamped(0, last=60), [0, 0], id="the very middle at the end"),
        pytest.param(stamped(0, last=59), [0], id="just before it"),
        pytest.param(stamped(0, 40), [0, 1], id="a last frame without a duration"),
        pytest.param(stamped(None, None, None), [0, 1, 2], id="no stamps"),
        pytest.param(stamped(0, None, 80), [0, 1, 2], id="a stamp is missing"),
        pytest.param(stamped(0, 40, 40, 0, 10), [0, 1, 2, 3, 4], id="stamps stand or fall"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_the_frame_in_the_middle_of_each_interval_is_shown(frames, names):
    assert shown(frames) == names


def test_other_rates():
    assert shown(stamped(0, 40, 80, 120, last=40), rate=Fraction(25, 2)) == [0, 2]


def test_a_last_frame_lasts_for_its_duration_but_not_for_ever():
    assert len(shown(stamped(0, last=10**9))) == 3600 * 25


def test_a_jump_of_hours_is_damage():
    with pytest.raises(VideoError, match=r"time stamps of x\.mp4 jump by 7200 s, expected at most"):
        shown(stamped(0, 7_200_000))


def test_made_up_presentation_stamps_give_way_to_decoding_stamps():
    stamps = [(1, 2), (2, 3), (4, 4), (3, 5), (8, 6), (5, 7), (6, None), (7, None)]
    frames = [Stamped(name, 40 * pts, dts and 40 * dts) for name, (pts, dts) in enumerate(stamps)]

    starts = [int(1000 * start) for _, start in start_times(frames, Fraction(1, 25))]

    assert starts == [0, 40, 120, 160, 200, 240, 280, 320]


def test_decoding_stamps_stand_in_for_missing_ones():
    frames = [Stamped(0, None, 80), Stamped(1, None, 200)]

    assert [start for _, start in start_times(frames, Fraction(1))] == [0, Fraction(12, 100)]


def test_stamps_without_a_unit_do_not_count():
    frames = [Stamped(0, 0, time_base=None), Stamped(1, 7, time_base=None)]

    assert [start for _, start in start_times(frames, Fraction(1, 2))] == [0, Fraction(1, 2)]
