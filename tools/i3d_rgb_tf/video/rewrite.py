"""Write a video again, with something drawn into its frames: H.264 in MP4, the sound kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from i3d_rgb_tf.cores import num_usable_cores
from i3d_rgb_tf.errors import VideoError, last_line
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.video.orientation import swaps_sides, upright
from i3d_rgb_tf.video.overlay import Overlay, draw_overlay
from i3d_rgb_tf.video.pixels import display_matrix, plane_levels
from i3d_rgb_tf.video.sound import SoundTrack, open_sound
from i3d_rgb_tf.video.source_frames import SourceFrame, read_source_frames

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import OutputContainer

__all__ = ["Canvas", "rewrite_video"]

_ENCODING = {"crf": "20", "preset": "veryfast"}
"""Options of x264: hardly any loss to be seen, and not slower than the network."""
_PIXELS_OF_LARGE_FRAMES = 4096 * 2304
_ENCODING_LARGE = {**_ENCODING, "bf": "0", "rc-lookahead": "0"}
"""For larger frames, and with one thread: the encoder keeps few, where it would take gigabytes."""
_PIXELS = "yuv420p"
"""The pixel format that every player can show."""
_LONGEST_UNIT, _SHORTEST_UNIT = Fraction(1, 10_000), Fraction(1, 500_000)
"""Seconds; with a longer unit two frames could get the same time, and with a shorter one a frame
of an hour could have no duration in MP4, which has 32 bits for it."""
_USUAL_UNIT = Fraction(1, 90_000)
_BT709, _LIMITED, _FULL = 1, 1, 2
"""FFmpeg's numbers of a matrix and of ranges (ITU-T H.273)."""
_UPRIGHT = [1, 0, 0, 0, 1, 0, 0, 0, 1]
"""The display matrix that changes nothing."""


@dataclass(frozen=True)
class Canvas:
    """Where something is drawn: a frame turned upright."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    sample_aspect_ratio: Fraction
    """Width of a pixel divided by its height, as it is shown."""


def rewrite_video(
    source: Path, target: Path, draw: Callable[[float, Canvas], Overlay | None]
) -> None:
    """Write every frame of a video at its own time into an MP4, upright, with an overlay.

    The time between pictures and sound is that of the source; what comes first is at 0. A side of
    an odd number of pixels gets one more, which repeats the last.

    Parameters
    ----------
    source
        A video file or an animated GIF.
    target
        File to write, whatever its suffix is; when an error is raised, it is not complete.
    draw
        Takes the time of a frame in seconds from the first on, and its size; returns what to draw
        into it. It should return the same object again for as long as the picture stays the same.

    Raises
    ------
    VideoError
        The source cannot be read, or its frames cannot be encoded.
    StorageError
        The target cannot be written.
    """
    with closing(read_source_frames(source)) as frames, ExitStack() as stack:
        first = next(frames)
        sound = open_sound(source, stack)
        output = stack.enter_context(_opened(target, source))
        pictures = _Pictures(output, first, draw)
        tracks = [SoundTrack(container, stream, output) for container, stream in sound]
        _set_times(pictures, tracks, first.clock_seconds)
        for packet in pictures.encode(chain([first], frames)):
            output.mux(packet)
            until = float((packet.dts or 0) * packet.time_base)
            output.mux(list(_until(tracks, until)))
        for track in tracks:
            for packet in track.rest():
                output.mux(packet)


def _until(tracks: list[SoundTrack], seconds: float) -> Iterator[Packet[Any]]:
    for track in tracks:
        yield from track.packets_until(seconds)


def _set_times(pictures: _Pictures, tracks: list[SoundTrack], clock_seconds: Fraction) -> None:
    """Let what comes first begin at 0."""
    starts = [track.first_clock_seconds for track in tracks]
    zero = min([clock_seconds, *(each for each in starts if each is not None)])
    pictures.first_seconds = clock_seconds - zero
    for track in tracks:
        track.set_zero(zero)


@contextmanager
def _opened(target: Path, source: Path) -> Iterator[OutputContainer]:
    """Open the output, and turn errors of the body into those of this package."""
    import av

    try:
        # The path is absolute because FFmpeg reads the text before a colon as a protocol. The
        # index comes first, so that a browser can play before it has all.
        with (
            storage_errors(target),
            av.open(
                str(target.absolute()), "w", format="mp4", options={"movflags": "+faststart"}
            ) as output,
        ):
            yield output
    except (av.FFmpegError, ValueError, MemoryError) as error:
        if isinstance(error, VideoError):
            raise
        reason = getattr(error, "strerror", None) or last_line(error)
        raise VideoError(
            f"cannot write {source} as H.264 in MP4: {reason}; scale it down first if it is wider "
            "or higher than 16384 pixels, or else encode it again"
        ) from error


class _Pictures:
    """The pictures of a video, on their way into an MP4."""

    first_seconds = Fraction(0)
    """When the first is shown."""

    def __init__(
        self,
        output: OutputContainer,
        first: SourceFrame,
        draw: Callable[[float, Canvas], Overlay | None],
    ) -> None:
        from av.video.reformatter import VideoReformatter

        self._draw = draw
        self._reformatter = VideoReformatter()
        matrix = display_matrix(first.frame)
        sides = first.frame.width, first.frame.height
        self._sides = sides[::-1] if matrix and swaps_sides(matrix) else sides
        self._canvas = Canvas(*self._sides, first.sample_aspect_ratio)
        self._unit = _time_unit(first.frame.time_base)
        is_large = first.frame.width * first.frame.height > _PIXELS_OF_LARGE_FRAMES
        options = _ENCODING_LARGE if is_large else _ENCODING
        rate = _rate(first.duration_seconds)
        self._stream = output.add_stream("libx264", rate=rate, options=options)
        # As many threads as x264 itself would take of these cores.
        num_threads = 1 if is_large else num_usable_cores() * 3 // 2
        self._set_up(self._converted(first.frame), num_threads)

    def _set_up(self, frame: VideoFrame, num_threads: int) -> None:
        context = self._stream.codec_context
        context.width, context.height = frame.width, frame.height
        context.pix_fmt = _PIXELS
        context.time_base = self._unit
        context.sample_aspect_ratio = self._canvas.sample_aspect_ratio
        context.thread_count = num_threads
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            setattr(context, name, getattr(frame, name))

    def encode(self, frames: Iterable[SourceFrame]) -> Iterator[Packet[Any]]:
        """Yield the packets of all frames."""
        previous = -1
        for each in frames:
            frame = self._converted(each.frame)
            overlay = self._draw(float(each.start_seconds), self._canvas)
            if overlay is not None:
                draw_overlay(frame, overlay)
            # Frames of a damaged file may have the same time.
            start = round((each.start_seconds + self.first_seconds) / self._unit)
            previous = max(start, previous + 1)
            frame.pts, frame.time_base = previous, self._unit
            frame.duration = round(each.duration_seconds / self._unit)
            # Otherwise the encoder would repeat the choices of the one before.
            frame.pict_type = 0
            yield from self._stream.encode(frame)
        yield from self._stream.encode(None)

    def _converted(self, frame: VideoFrame) -> VideoFrame:
        """Return a frame in the pixel format and of the size of the output, upright."""
        width, height = self._sides
        matrix = display_matrix(frame)
        if matrix and swaps_sides(matrix):
            width, height = height, width
        frame = self._reformatter.reformat(
            frame, width, height, _PIXELS, **_colours(frame), threads=num_usable_cores()
        )
        if not matrix and width % 2 == height % 2 == 0:
            return frame
        return _turned(frame, matrix or _UPRIGHT)


def _colours(frame: VideoFrame) -> dict[str, Any]:
    """Return how the colours are converted: to limited range, RGB by the matrix of BT.709."""
    if frame.format.is_rgb:
        return {"dst_colorspace": _BT709, "dst_color_range": _LIMITED}
    is_full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
    return {"src_color_range": _FULL, "dst_color_range": _LIMITED} if is_full else {}


def _turned(frame: VideoFrame, matrix: list[int]) -> VideoFrame:
    """Return a frame that is upright and has sides of an even number of pixels."""
    from av import VideoFrame

    planes = [upright(plane_levels(frame, index), matrix) for index in range(3)]
    height, width = (side + side % 2 for side in planes[0].shape)
    turned = VideoFrame(width, height, _PIXELS)
    for index, plane in enumerate(planes):
        levels = plane_levels(turned, index)
        missing = [(0, new - old) for new, old in zip(levels.shape, plane.shape, strict=True)]
        levels[:] = np.pad(plane, missing, "edge")
    for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
        setattr(turned, name, getattr(frame, name))
    return turned


def _time_unit(unit: Fraction | None) -> Fraction:
    """Return a unit of time in which every time of a file is a whole number.

    >>> _time_unit(Fraction(1, 25)), _time_unit(Fraction(1, 90_000)), _time_unit(None)
    (Fraction(1, 12800), Fraction(1, 90000), Fraction(1, 90000))
    """
    if not unit or unit < _SHORTEST_UNIT:
        return _USUAL_UNIT
    while unit > _LONGEST_UNIT:
        unit /= 2
    return unit


def _rate(frame_seconds: Fraction) -> Fraction:
    """Return a number of frames per second, of which the encoder plans how many bits to use."""
    return (1 / frame_seconds).limit_denominator(1001) if frame_seconds else Fraction(25)
