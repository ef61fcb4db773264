"""When each frame of a video is on screen, and which frames to show at another rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Protocol, TypeVar

from i3d_rgb_tf.errors import VideoError

__all__ = ["StampedFrame", "resample", "start_times"]

_LONGEST_FRAME_SECONDS = 3600
"""A longer pause between two frames is a damaged time stamp."""


class StampedFrame(Protocol):
    """What a decoder says of a frame; `av.VideoFrame` is one."""

    @property
    def pts(self) -> int | None:
        """When it is to be shown, in units of `time_base`."""

    @property
    def dts(self) -> int | None:
        """When it was to be decoded, in units of `time_base`."""

    @property
    def duration(self) -> int:
        """How long it is to be shown, in units of `time_base`; 0 if unknown."""

    @property
    def time_base(self) -> Fraction | None:
        """Seconds; None where there are no stamps."""


Frame = TypeVar("Frame", bound=StampedFrame)


def resample(
    frames: Iterable[Frame], frames_per_second: Fraction, frame_seconds: Fraction, *, name: str
) -> Iterator[Frame]:
    """Yield the frame that is on screen in the middle of each interval of time.

    A frame is on screen from its start, exclusive, to that of the next one, inclusive: at
    25 frames per second, two of 50 per second last for 0-20 and 20-40 ms, and the first is the
    one shown at 20 ms. A video shorter than half an interval gives one frame.

    Parameters
    ----------
    frames
        In the order of display.
    frames_per_second
        1 / length of the intervals.
    frame_seconds
        How long a frame stays that has neither a duration nor a successor.
    name
        Of the video, for the message.

    Raises
    ------
    VideoError
        Two frames are more than an hour apart.
    """
    interval = 1 / frames_per_second
    middle = interval / 2
    current: Frame | None = None
    current_start = Fraction(0)
    for frame, start in start_times(frames, frame_seconds):
        pause = start - current_start
        if pause > _LONGEST_FRAME_SECONDS:
            raise VideoError(
                f"the time stamps of {name} jump by {float(pause):.0f} s, expected at most "
                f"{_LONGEST_FRAME_SECONDS} s from frame to frame; encode the video again"
            )
        while current is not None and middle <= start:
            yield current
            middle += interval
        current, current_start = frame, start
    if current is None:
        return
    length = min(_duration(current, frame_seconds), Fraction(_LONGEST_FRAME_SECONDS))
    end = max(current_start + length, interval / 2)
    while middle <= end:
        yield current
        middle += interval


def start_times(
    frames: Iterable[Frame], frame_seconds: Fraction
) -> Iterator[tuple[Frame, Fraction]]:
    """Yield each frame and when it appears, in seconds, from 0 on and always rising.

    AVI has no presentation time stamps. Those that FFmpeg makes up run back and forth when there
    are B-frames, though the frames come in order; from the first step back on, decoding time
    stamps count. Where those do not rise either, a frame follows its predecessor.

    Parameters
    ----------
    frames
        In the order of display.
    frame_seconds
        How long a frame stays that has neither a duration nor a successor.
    """
    origin: Fraction | None = None
    start = following = Fraction(0)
    by_pts = True
    for frame in frames:
        pts, dts = _seconds(frame, frame.pts), _seconds(frame, frame.dts)
        if origin is None:
            origin = pts if pts is not None else dts if dts is not None else Fraction(0)
        else:
            by_pts = by_pts and (pts is None or pts - origin > start)
            stamp = pts if by_pts and pts is not None else dts
            risen = stamp is not None and stamp - origin > start
            start = stamp - origin if stamp is not None and risen else following
        following = start + _duration(frame, frame_seconds)
        yield frame, start


def _seconds(frame: StampedFrame, stamp: int | None) -> Fraction | None:
    return None if stamp is None or frame.time_base is None else stamp * frame.time_base


def _duration(frame: StampedFrame, frame_seconds: Fraction) -> Fraction:
    return _seconds(frame, frame.duration) or frame_seconds
