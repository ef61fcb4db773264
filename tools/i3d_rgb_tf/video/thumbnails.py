"""A few frames of a video, without decoding all of it where the container allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.video.container import demux, open_video, video_stream
from i3d_rgb_tf.video.decode import decode_packet, frame_seconds
from i3d_rgb_tf.video.interlacing import deinterlace
from i3d_rgb_tf.video.pixels import as_arrays
from i3d_rgb_tf.video.source_frames import SourceFrame, read_source_frames, shown_aspect_ratio
from i3d_rgb_tf.video.timestamps import start_times

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["Thumbnail", "read_thumbnails"]

_FAR_SECONDS = 5
"""From so far on, seeking is tried instead of decoding what is between."""
_MOST_DIFFERENCE = 0.01
"""Share of the length, and at least as many seconds as `_LEAST_DIFFERENCE`, by which what a file
states may differ from what decoding gave; if it is more, its clock cannot be sought by."""
_LEAST_DIFFERENCE = 1.0
_EARLIER_SECONDS = (0, 2, 20)
"""How long before a time it is sought, one after the other."""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of a frame."""

    pixels: NDArray[np.uint8] = field(repr=False)
    """(height, width, 3) uint8, RGB, 0..255, upright."""
    aspect_ratio: float
    """Width divided by height, as it is shown: pixels may not be square."""


def read_thumbnails(
    path: Path, times_seconds: Sequence[float], *, duration_seconds: float, short_side: int
) -> list[Thumbnail]:
    """Return the frames that are on screen at some times.

    Each is decoded from the last key frame before it on, if the file can be sought and its clock
    does not jump; else all frames up to the last time are decoded, one after the other.

    Parameters
    ----------
    path
        A video file or an animated GIF.
    times_seconds
        From the first frame on, in their order.
    duration_seconds
        Length of the video, as decoding has shown it.
    short_side
        Pixels of the shorter side after scaling.

    Raises
    ------
    VideoError
        The video cannot be read, or it has no frames.
    """
    with closing(_shown_at(path, times_seconds, duration_seconds)) as shown:
        return [_thumbnail(each, short_side, name=str(path)) for each in shown]


def _shown_at(
    path: Path, times_seconds: Sequence[float], duration_seconds: float
) -> Generator[SourceFrame, None, None]:
    missing = deque(times_seconds)
    with open_video(path) as container:
        stream = video_stream(container, path)
        if _has_reliable_clock(stream, duration_seconds):
            for each in _sought(container, stream, times_seconds):
                missing.popleft()
                yield each
    if missing:
        with closing(read_source_frames(path)) as frames:
            yield from map(_Player(frames).at, missing)


def _has_reliable_clock(stream: VideoStream, duration_seconds: float) -> bool:
    if not stream.duration or not stream.time_base:
        return False
    difference = abs(float(stream.duration * stream.time_base) - duration_seconds)
    return difference <= max(_LEAST_DIFFERENCE, _MOST_DIFFERENCE * duration_seconds)


def _sought(
    container: InputContainer, stream: VideoStream, times_seconds: Sequence[float]
) -> Iterator[SourceFrame]:
    """Yield the frames at some times, as long as seeking works; the clock does not jump."""
    player = _play(container, stream, None)
    origin = player.clock if player else None
    may_seek = origin is not None
    for seconds in times_seconds:
        if player and origin and may_seek and seconds > player.seconds + _FAR_SECONDS:
            before = player.seconds
            player = _seek(container, stream, origin, seconds)
            # If it has gone back, there are few key frames, and seeking again would cost more
            # than decoding.
            may_seek = player is not None and player.seconds > before
        if player is None:
            return
        yield player.at(seconds)


def _seek(
    container: InputContainer, stream: VideoStream, origin: _Clock, seconds: float
) -> _Player | None:
    """Play from a key frame before a time on; None if there is none to be found.

    Without an index, FFmpeg may find a place after the last key frame before the time.
    """
    import av

    for earlier in _EARLIER_SECONDS:
        place = origin.seconds + Fraction(max(0.0, seconds - earlier))
        try:
            container.seek(int(place / (stream.time_base or 1)), stream=stream)
        except av.FFmpegError:
            continue
        player = _play(container, stream, origin)
        if player and player.seconds <= seconds:
            return player
    return None


def _play(container: InputContainer, stream: VideoStream, origin: _Clock | None) -> _Player | None:
    """Play from where the container is on; None if no frame follows, or none that states its time.

    Without an origin, this is the beginning.
    """
    frames = deinterlace(_tolerantly_decoded(container, stream))
    first = next(frames, None)
    if first is None:
        return None
    clock = _Clock.of(first, origin.kind if origin else None)
    if origin and not clock:
        return None
    offset = clock.seconds - origin.seconds if clock and origin else Fraction(0)
    return _Player(_timed(chain([first], frames), stream, offset), clock)


def _timed(
    frames: Iterable[VideoFrame], stream: VideoStream, offset: Fraction
) -> Iterator[SourceFrame]:
    usual = frame_seconds(stream)
    for frame, start in start_times(frames, usual):
        ratio = shown_aspect_ratio(frame, stream)
        yield SourceFrame(frame, offset + start, usual, Fraction(0), ratio)


def _tolerantly_decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    for packet in demux(container, stream):
        # From a key frame on, the first packets may be of frames that need those before it.
        yield from decode_packet(packet, tolerant=True) or []


@dataclass(frozen=True)
class _Clock:
    """A time by one of the two clocks that frames can have."""

    kind: Literal["pts", "dts"]
    """Of presentation, or of decoding: AVI has no other."""
    seconds: Fraction

    @classmethod
    def of(cls, frame: VideoFrame, kind: Literal["pts", "dts"] | None) -> _Clock | None:
        """Return the time that a frame states by a clock, by default by the first that it has."""
        kind = kind or ("pts" if frame.pts is not None else "dts")
        stamp = getattr(frame, kind)
        return None if stamp is None else cls(kind, stamp * (frame.time_base or Fraction(0)))


class _Player:
    """Shows the frames of a video, from some point on and only forward."""

    def __init__(self, frames: Iterator[SourceFrame], clock: _Clock | None = None) -> None:
        self._frames = frames
        self._shown = next(frames)
        self._following = next(frames, None)
        self.clock = clock
        """What the first frame states."""

    @property
    def seconds(self) -> float:
        """When the frame that is on screen began."""
        return float(self._shown.start_seconds)

    def at(self, seconds: float) -> SourceFrame:
        """Play up to a time, and return the frame that is on screen then."""
        while self._following is not None and self._following.start_seconds <= seconds:
            self._shown, self._following = self._following, next(self._frames, None)
        return self._shown


def _thumbnail(shown: SourceFrame, short_side: int, *, name: str) -> Thumbnail:
    pixels = next(as_arrays([shown.frame], short_side, name=name))
    height, width = pixels.shape[:2]
    return Thumbnail(pixels, float(shown.sample_aspect_ratio) * width / height)
