"""Compute when each frame is on screen, and resample frames to another frame rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.limits import LONGEST_FRAME_SECONDS, check_length

__all__ = ["TimestampedFrame", "resample", "start_times"]

_FEW = 8
"""Presentation timestamps are used unless more than one in so many does not increase."""
_LONGEST_STEP = Fraction(10)
"""Seconds; a longer step forward is a new clock, where clocks may jump."""
_LONGEST_STEP_BACK = Fraction(1, 10)
"""Seconds; a longer step back is a new clock, where clocks may jump."""


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
    frames: Iterable[Frame],
    frames_per_second: Fraction,
    frame_seconds: Fraction,
    *,
    name: str,
    longest: Fraction | None = None,
    clock_may_jump: bool = False,
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
    longest
        Seconds that the video may last; by default, any number.
    clock_may_jump
        See `start_times`.

    Raises
    ------
    VideoError
        Two consecutive frames are more than an hour apart, or the video is longer than `longest`.
    """
    interval = 1 / frames_per_second
    middle = interval / 2
    current: Frame | None = None
    current_start = Fraction(0)
    for frame, start in start_times(frames, frame_seconds, clock_may_jump=clock_may_jump):
        gap = start - current_start
        if gap > LONGEST_FRAME_SECONDS:
            raise VideoError(
                f"the timestamps of {name} jump by {float(gap):.0f} s, expected at most "
                f"{LONGEST_FRAME_SECONDS} s between two frames; encode the video again"
            )
        if longest is not None:
            check_length(start, longest, name=name)
        while current is not None and middle <= start:
            yield current
            middle += interval
        current, current_start = frame, start
    if current is None:
        return
    length = min(_duration(current, frame_seconds), Fraction(LONGEST_FRAME_SECONDS))
    end = max(current_start + length, interval / 2)
    while middle <= end:
        yield current
        middle += interval


@dataclass
class _Clock:
    """Timestamps of one kind, in seconds."""

    origin: Fraction | None = None
    """The timestamp of the time 0."""
    latest: Fraction | None = None
    highest: Fraction | None = None
    num_known: int = 0
    num_wrong: int = 0
    """Number of timestamps that do not increase."""
    num_jumps: int = 0

    def jumps_to(self, timestamp: Fraction | None) -> bool:
        """Return whether the next timestamp is that of a new clock."""
        if timestamp is None or self.latest is None:
            return False
        return not -_LONGEST_STEP_BACK <= timestamp - self.latest <= _LONGEST_STEP

    def restart(self) -> None:
        self.origin = self.latest = self.highest = None
        self.num_jumps += 1

    def take(self, timestamp: Fraction | None) -> bool:
        """Take the next timestamp; return whether it is higher than all before it."""
        if timestamp is None:
            return False
        self.num_known += 1
        self.num_wrong += self.latest is not None and timestamp <= self.latest
        self.latest = timestamp
        if self.highest is not None and timestamp <= self.highest:
            return False
        self.highest = timestamp
        return True


def start_times(
    frames: Iterable[Frame], frame_seconds: Fraction, *, clock_may_jump: bool = False
) -> Iterator[tuple[Frame, Fraction]]:
    """Yield each frame and its start in seconds; the starts begin at 0 and never decrease.

    Presentation timestamps are used, and decoding timestamps where the others are missing (AVI has
    none) or often do not increase. Each of the two clocks has its own origin. A frame whose
    timestamp does not increase starts where the previous one ends; a later frame with a right
    timestamp takes its place if there is no time for both.

    Parameters
    ----------
    frames
        In the order in which they are shown.
    frame_seconds
        Duration of a frame that does not state its own.
    clock_may_jump
        Whether the clock of the video may be set anew, as in a broadcast: then a step of more than
        10 s forward or 0.1 s back is a new clock, and not a pause. These are ffmpeg's limits.
    """
    by_pts, by_dts = _Clock(), _Clock()
    start = following = Fraction(0)
    for frame in frames:
        pts, dts = _seconds(frame, frame.pts), _seconds(frame, frame.dts)
        if clock_may_jump:
            _restart_clocks(by_pts, pts, by_dts, dts)
        is_highest_pts, is_highest_dts = by_pts.take(pts), by_dts.take(dts)
        often_wrong = by_pts.num_wrong > max(by_dts.num_wrong, by_pts.num_known / _FEW)
        use_pts = pts is not None and (dts is None or not often_wrong)
        clock, timestamp = (by_pts, pts) if use_pts else (by_dts, dts)
        claimed = following
        if timestamp is not None and clock.origin is not None:
            claimed = timestamp - clock.origin
        if claimed > start:
            start = claimed
        elif not (is_highest_pts if use_pts else is_highest_dts):
            start = following
        for each, known in ((by_pts, pts), (by_dts, dts)):
            if each.origin is None and known is not None:
                each.origin = known - start
        following = start + _duration(frame, frame_seconds)
        yield frame, start


def _restart_clocks(
    by_pts: _Clock, pts: Fraction | None, by_dts: _Clock, dts: Fraction | None
) -> None:
    """Restart a clock that jumps.

    Decoding timestamps are in the order of the file, so that they jump first, or together. After a
    loss, presentation timestamps alone may step to and fro: that is no new clock.
    """
    if by_dts.jumps_to(dts):
        by_dts.restart()
    if by_pts.jumps_to(pts) and (dts is None or by_pts.num_jumps < by_dts.num_jumps):
        by_pts.restart()


def _seconds(frame: TimestampedFrame, timestamp: int | None) -> Fraction | None:
    if timestamp is None or frame.time_base is None:
        return None
    return timestamp * frame.time_base


def _duration(frame: TimestampedFrame, frame_seconds: Fraction) -> Fraction:
    return _seconds(frame, frame.duration) or frame_seconds
