"""Compute when each frame is on screen, and resample frames to another frame rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Protocol, TypeVar

from i3d_rgb_tf.errors import VideoError

__all__ = ["TimestampedFrame", "resample", "start_times"]

_LONGEST_FRAME_SECONDS = 3600
"""A longer gap means that a timestamp is damaged."""


class TimestampedFrame(Protocol):
    """A decoded frame with its timestamps, such as `av.VideoFrame`."""

    @property
    def pts(self) -> int | None:
        """Presentation timestamp in units of `time_base`; None if unknown."""

    @property
    def dts(self) -> int | None:
        """Decoding timestamp in units of `time_base`; None if unknown."""

    @property
    def duration(self) -> int:
        """How long the frame is on screen, in units of `time_base`; 0 if unknown."""

    @property
    def time_base(self) -> Fraction | None:
        """The unit in seconds; None if there are no timestamps."""


Frame = TypeVar("Frame", bound=TimestampedFrame)


def resample(
    frames: Iterable[Frame], frames_per_second: Fraction, frame_seconds: Fraction, *, name: str
) -> Iterator[Frame]:
    """Yield the frame that is on screen in the middle of each interval of time.

    A frame is on screen from its start, exclusive, to the start of the next frame, inclusive. For
    example, two frames last for 0-20 and 20-40 ms; an interval of 0-40 ms gives the first frame,
    which is on screen at 20 ms. A video shorter than half an interval gives one frame.

    Parameters
    ----------
    frames
        In the order in which they are shown.
    frames_per_second
        Number of intervals per second.
    frame_seconds
        Duration of a frame that does not state its own.
    name
        Name of the video in error messages.

    Raises
    ------
    VideoError
        Two consecutive frames are more than an hour apart.
    """
    interval = 1 / frames_per_second
    middle = interval / 2
    current: Frame | None = None
    current_start = Fraction(0)
    for frame, start in start_times(frames, frame_seconds):
        gap = start - current_start
        if gap > _LONGEST_FRAME_SECONDS:
            raise VideoError(
                f"the timestamps of {name} jump by {float(gap):.0f} s, expected at most "
                f"{_LONGEST_FRAME_SECONDS} s between two frames; encode the video again"
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
    """Yield each frame and its start in seconds; the starts begin at 0 and increase.

    AVI has no presentation timestamps. FFmpeg makes them up, and with B-frames they increase and
    decrease although the frames are in order. From the first decrease on, decoding timestamps are
    used instead. If a decoding timestamp does not increase either, the frame starts where the
    previous one ends.

    Parameters
    ----------
    frames
        In the order in which they are shown.
    frame_seconds
        Duration of a frame that does not state its own.
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
            timestamp = pts if by_pts and pts is not None else dts
            if timestamp is not None and timestamp - origin > start:
                start = timestamp - origin
            else:
                start = following
        following = start + _duration(frame, frame_seconds)
        yield frame, start


def _seconds(frame: TimestampedFrame, timestamp: int | None) -> Fraction | None:
    if timestamp is None or frame.time_base is None:
        return None
    return timestamp * frame.time_base


def _duration(frame: TimestampedFrame, frame_seconds: Fraction) -> Fraction:
    return _seconds(frame, frame.duration) or frame_seconds
