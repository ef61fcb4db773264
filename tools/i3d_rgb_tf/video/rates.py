"""When each frame of a video file is on screen, and how many there are per second."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.files import VideoFile
from i3d_rgb_tf.video.length import read_packets
from i3d_rgb_tf.video.timestamps import start_times

__all__ = ["FrameTimes", "read_frame_times"]


@dataclass(frozen=True)
class FrameTimes:
    """When the frames of a video file are on screen, each of them once."""

    starts: NDArray[np.float64]
    """(frames + 1,) float64: seconds at which each frame begins, the first at 0, and at which the
    last one ends."""
    frames_per_second: float
    """Their average number per second."""


def read_frame_times(path: VideoFile) -> FrameTimes:
    """Return when each frame of a video file is on screen, by its packets, without decoding.

    As for `i3d_rgb_tf.video.length.count_frames`, there may be a few frames more or fewer than
    decoding shows.

    Raises
    ------
    VideoError
        The video cannot be opened, or it has no frames.
    """
    shown = read_packets(path)
    packets, usual = shown.packets, shown.frame_seconds
    timed = start_times(packets, usual, clock_may_jump=shown.clock_may_jump)
    starts = [start for _, start in timed]
    if not starts:
        raise VideoError(f"{path} has no frames, expected at least 1; choose another video")
    last = packets[-1]
    length = starts[-1] + (last.duration * (last.time_base or 0) or usual)
    starts.append(length)
    return FrameTimes(np.array(starts, np.float64), _rate(len(packets), length, 1 / usual))


def _rate(num_frames: int, length: Fraction, stated: Fraction) -> float:
    """Return the stated rate, unless it gives another length; timestamps may be rounded.

    >>> _rate(30, Fraction(1001, 1000), Fraction(30)), _rate(30, Fraction(3), Fraction(30))
    (30.0, 10.0)
    """
    is_right = abs(num_frames / stated - length) <= 1 / stated
    return float(stated if is_right else num_frames / length)
