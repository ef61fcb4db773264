"""Times of frames are those at which they are shown."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video import length
from i3d_rgb_tf.video.rates import read_frame_times
from videos import ramp, write_video

TIMES = [0, 40, 80, 120, 160, 1000, 1040, 1080, 1120, 2000]


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(15)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_frames_of_a_constant_rate_follow_each_other(
    tmp_path: Path, rate: Fraction, suffix: str
) -> None:
    times = read_frame_times(write_video(tmp_path / f"x{suffix}", ramp(20), rate=rate))

    assert times.frames_per_second == pytest.approx(float(rate))
    # Matroska rounds to milliseconds.
    assert times.starts == pytest.approx(np.arange(21) / float(rate), abs=0.002)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_of_a_varying_rate_begin_when_they_are_shown(tmp_path: Path, suffix: str) -> None:
    """B-frames are stored in another order than they are shown."""
    path = write_video(tmp_path / f"x{suffix}", ramp(10), times=TIMES, options={"bf": "2"})

    times = read_frame_times(path)

    assert times.starts[:10] == pytest.approx(np.array(TIMES) / 1000, abs=0.001)
    assert times.frames_per_second == pytest.approx(10 / times.starts[-1])


def test_a_video_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="there is no video"):
        read_frame_times(tmp_path / "x.mp4")


def test_a_video_without_frames_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(length, "_packets", lambda *_: iter([]))

    with pytest.raises(VideoError, match="x.mp4 has no frames, expected at least 1"):
        read_frame_times(write_video(tmp_path / "x.mp4", ramp(2)))
