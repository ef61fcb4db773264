"""Frames of a live stream at 25 per second, cropped, as they come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.video.clips import center_crop
from i3d_rgb_tf.video.container import check_size, demux, video_stream
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND, SHORT_SIDE, decode_packet, frame_seconds
from i3d_rgb_tf.video.interlacing import deinterlace
from i3d_rgb_tf.video.pixels import as_arrays
from i3d_rgb_tf.video.sources import LiveSource, open_source, source_errors
from i3d_rgb_tf.video.timestamps import resample

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["Section", "read_sections"]

_Frame = NDArray[np.uint8]

_LONGEST_STEP = 2
"""Seconds from one frame to the next; a longer step is a gap, or another clock."""
_LONGEST_STEP_BACK = 1
"""Seconds; a longer step back is another clock. After a loss, frames may step to and fro."""

_LONGEST_SHOWN = 60
"""Seconds that a frame is shown at most, whatever it states: slides change once a minute."""

_RECENT = 50
"""Frames by which it is judged when the newest one had come."""


@dataclass
class Section:
    """A run of frames without a gap."""

    frames: Iterator[_Frame] = field(repr=False)
    """At least one: (size, size, 3) uint8, RGB, 0..255, 25 per second by the presentation times, as
    `i3d_rgb_tf.video.clips.read_cropped` yields those of a file. To be read to its end before the
    next section."""
    first_arrived: float
    """When its first frame had come, by `time.monotonic`."""
    last_arrived: float
    """When its newest frame had come, by its time and when those before it had come: the last ones
    of a sender are held, in the demuxer and the decoder, until others come."""


def read_sections(
    source: LiveSource, *, size: int, on_damaged: Callable[[], None] = lambda: None
) -> Iterator[Section]:
    """Yield the sections of a stream.

    A section ends where the presentation times jump, as they do when a sender begins anew.

    Parameters
    ----------
    source
        What is opened.
    size
        Side in pixels of the central square that is kept.
    on_damaged
        Called for each frame that is damaged, or that cannot be decoded and is left out.

    Raises
    ------
    VideoError
        The source cannot be opened, has no video stream, or fails; the frames before have been
        yielded.
    """
    with open_source(source) as container, source_errors(source):
        stream = video_stream(container, source.name)
        # With a thread for each frame, every frame would be late.
        stream.thread_type = "SLICE"
        frames = _decode(container, stream, source.name, on_damaged)
        if not source.ends and _has_no_times(container):
            frames = _timed_by_arrival(frames)
        usual_seconds = min(frame_seconds(stream), Fraction(_LONGEST_SHOWN))
        runs = _Runs(deinterlace(frames))
        while runs.following is not None:
            section = Section(iter(()), runs.arrived, runs.arrived)
            run = runs.next_run(section)
            section.frames = _cropped(run, source, usual_seconds, size)
            yield section


def _cropped(
    frames: Iterator[VideoFrame], source: LiveSource, seconds: Fraction, size: int
) -> Iterator[_Frame]:
    # It is read outside of what yields it.
    with source_errors(source):
        resampled = resample(frames, Fraction(FRAMES_PER_SECOND), seconds, name=source.name)
        for array in as_arrays(resampled, SHORT_SIDE, name=source.name):
            yield center_crop(array, size)


def _decode(
    container: InputContainer, stream: VideoStream, name: str, on_damaged: Callable[[], None]
) -> Iterator[VideoFrame]:
    """Yield every frame that can be decoded: streams lose packets, and begin anywhere."""
    has_begun = False
    for packet in demux(container, stream):
        frames = decode_packet(packet, tolerant=True)
        # The first ones may need frames that were sent before.
        if frames is None and has_begun:
            on_damaged()
        for frame in frames or []:
            check_size(frame, stream.codec_context, name=name)
            has_begun = True
            if frame.is_corrupt:
                on_damaged()
            if frame.time_base:
                frame.duration = min(frame.duration, int(_LONGEST_SHOWN / frame.time_base))
            yield frame


def _has_no_times(container: InputContainer) -> bool:
    """Return whether the format has no timestamps; FFmpeg would invent 25 frames per second."""
    from av.format import Flags

    return bool(container.format.flags & Flags.no_timestamps.value)  # type: ignore[operator]


def _timed_by_arrival(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    for frame in frames:
        frame.pts, frame.time_base = time.monotonic_ns() // 1000, Fraction(1, 1_000_000)
        yield frame


class _Runs:
    """Divides frames where their presentation times jump."""

    def __init__(self, frames: Iterator[VideoFrame]) -> None:
        self._frames = frames
        self._advance()

    def next_run(self, section: Section) -> Iterator[VideoFrame]:
        """Yield the frames up to the next jump, and note when they come."""
        previous: VideoFrame | None = None
        delays: deque[float] = deque(maxlen=_RECENT)
        while self.following is not None and not _jumps(previous, self.following):
            previous = self.following
            shown = _seconds(previous)
            if shown is None:
                section.last_arrived = self.arrived
            else:
                delays.append(self.arrived - float(shown))
                section.last_arrived = min(delays) + float(shown)
            # A frame is given before there is another.
            yield previous
            self._advance()

    def _advance(self) -> None:
        self.following = next(self._frames, None)
        self.arrived = time.monotonic()


def _jumps(previous: VideoFrame | None, frame: VideoFrame) -> bool:
    before, after = _seconds(previous), _seconds(frame)
    if before is None or after is None:
        return False
    return not -_LONGEST_STEP_BACK <= after - before <= _LONGEST_STEP


def _seconds(frame: VideoFrame | None) -> Fraction | None:
    """Return the presentation time of a frame, if it is known."""
    if frame is None or frame.pts is None or frame.time_base is None:
        return None
    return frame.pts * frame.time_base
