"""RGB frames at 25 per second, from video files or decoded frames; nothing else uses PyAV."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i3d_rgb_tf.cores import num_usable_cores
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.files import check_file
from i3d_rgb_tf.video.timestamps import resample
from i3d_rgb_tf.video.truncation import missing_end

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

__all__ = [
    "FRAMES_PER_SECOND",
    "SHORT_SIDE",
    "read_frames",
    "resample_frames",
]

FRAMES_PER_SECOND = 25
"""Frame rate of the videos the network was trained on; section 3 of arXiv 1705.07750."""
SHORT_SIDE = 256
"""Shorter side of a frame in pixels, before the crop; from the same section."""

_NOT_VIDEOS = {
    "tty": "text",
    "image2": "a picture",
    "pipe": "a picture",
    "concat": "a list of files",
    "hls": "a list of files",
}
"""What FFmpeg opens although it is not a video file, by the last part of the format's name."""

_PIXELS_OF_ONE_THREAD = 640 * 480
"""Frames of up to this many pixels are decoded with one thread: more threads gain nothing."""
_MOST_THREADS = 4
_LARGEST_RATIO = 32
"""Largest allowed ratio of the sides; a longer frame, scaled, would need too much memory."""
_SLOWEST = 0.001
"""Smallest allowed number of frames per second."""
_BILINEAR, _ACCURATE_RND = 1 << 1, 1 << 18
"""Flags of libswscale: SWS_BILINEAR, SWS_ACCURATE_RND; PyAV 17 cannot combine them by name."""

_PYAV_WITH_LENIENT_TITLES = 19

_LOGGER = logging.getLogger(__name__)


def read_frames(
    path: Path,
    *,
    frames_per_second: float | None = FRAMES_PER_SECOND,
    short_side: int | None = SHORT_SIDE,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video.

    Time is divided into equal intervals, starting at the first frame. Each interval gives the
    frame that is on screen in its middle. A frame is on screen from its timestamp to that of the
    next frame, and the last frame for its duration. If a change falls exactly in the middle, the
    earlier frame is used: 50 frames per second give the first frame, the third, and so on. The
    result is that of ``ffmpeg -vf fps=25``::

        source   |  a  |   b   |    c    |        a frame lasts until the next one
        output   |  :  |  :  |  :  |  :  |        a, b, c, c

    Parameters
    ----------
    path
        A video file or an animated GIF.
    frames_per_second
        Number of intervals per second. None gives every frame of the file once.
    short_side
        Pixels of the shorter side after scaling, which is bilinear and keeps the ratio of the
        sides. None keeps the size.

    Yields
    ------
    ndarray
        (height, width, 3) uint8, RGB, 0..255, contiguous, rotated upright. Colours are converted
        with the matrix and range that the video states, by default BT.601 and limited range. A
        frame that is on screen in several intervals is the same array each time: copy it before
        you write to it.

    Raises
    ------
    ValueError
        The rate is not a finite number of 0.001 or more.
    VideoError
        The file is missing, is not a video, has no video stream, is too long and narrow to
        be scaled, or is damaged or truncated; the frames before the damage have been yielded.
    """
    with _opened(path) as container:
        stream = _best_stream(container, path)
        _set_threads(stream)
        frames = _decode(container, stream, path)
        if frames_per_second is not None:
            rate = _exact_rate(frames_per_second)
            frames = resample(frames, rate, _frame_seconds(stream), name=str(path))
        yield from _as_arrays(frames, short_side, name=str(path))


def resample_frames(
    frames: Iterable[ArrayLike], frames_per_second: float | Fraction
) -> Iterator[NDArray[np.uint8]]:
    """Yield decoded frames as `read_frames` yields those of a file with this frame rate.

    They are taken one by one, as they are needed, and copied: the caller may reuse an array.

    Parameters
    ----------
    frames
        Each (height, width, 3) uint8, RGB, 0..255, or what `numpy.asarray` makes one of.
    frames_per_second
        Their constant rate, 0.001 or more.

    Yields
    ------
    ndarray
        (height, width, 3) uint8, RGB, 0..255, contiguous, 25 per second, the short side 256. A
        frame of this size keeps its pixels.

    Raises
    ------
    ValueError
        The rate is not a finite number of 0.001 or more.
    VideoError
        A frame has another shape or type, or is too long and narrow to be scaled.
    """
    rate, frame_seconds = Fraction(FRAMES_PER_SECOND), 1 / _exact_rate(frames_per_second)
    resampled = resample(_as_video_frames(frames), rate, frame_seconds, name="the video")
    return _as_arrays(resampled, SHORT_SIDE, name="a frame")


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """Open a video, and turn errors of FFmpeg and of the system into a `VideoError`."""
    import av

    check_file(path)
    try:
        # PyAV 19 and later accept titles that are not UTF-8.
        is_strict = int(av.__version__.split(".")[0]) < _PYAV_WITH_LENIENT_TITLES
        options: dict[str, Any] = {"metadata_errors": "replace"} if is_strict else {}
        # The path is absolute because FFmpeg reads the text before a colon as a protocol.
        with av.open(str(path.absolute()), **options) as container:
            if kind := _NOT_VIDEOS.get(container.format.name.rpartition("_")[2]):
                raise VideoError(f"{path} is {kind}, expected a video file")
            yield container
    except (av.FFmpegError, OSError) as error:
        reason = missing_end(path)
        raise VideoError(
            f"{path} is truncated: {reason}; get the complete file"
            if reason
            else f"cannot read {path}: {error.strerror or error}; expected a video file"
        ) from error


def _best_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the stream FFmpeg prefers: the default, then most pixels or the highest bit rate."""
    from av.stream import Disposition

    best = container.streams.best("video")
    for stream in (best, *container.streams.video):
        if stream is not None and not stream.disposition & Disposition.attached_pic:
            return stream  # type: ignore[return-value]
    kinds = ", ".join(sorted({each.type for each in container.streams})) or "none"
    cover = " that is a cover picture only" if best else ""
    raise VideoError(f"{path} has no video stream (its streams: {kinds}{cover}); give a video file")


def _set_threads(stream: VideoStream) -> None:
    if stream.width * stream.height > _PIXELS_OF_ONE_THREAD:
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(_MOST_THREADS, num_usable_cores())
    else:
        stream.codec_context.thread_count = 1


def _decode(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[VideoFrame]:
    """Yield every frame; raise an error when the file is damaged or truncated."""
    import av

    num_frames = num_concealed = 0
    reason: str | None = None
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                # A section of a longer stream may begin with frames whose reference frames are
                # missing.
                if num_frames:
                    raise
                continue
            for frame in frames:
                num_frames += 1
                num_concealed += frame.is_corrupt
                yield frame
            if packet.is_corrupt:
                reason = "it ends within a frame"
    except av.FFmpegError as error:
        reason = missing_end(path) or error.strerror or str(error)
        raise VideoError(_damage(path, num_frames, reason)) from error
    reason = missing_end(path) or reason
    if reason or not num_frames:
        raise VideoError(_damage(path, num_frames, reason or "no frame could be decoded"))
    if num_concealed:
        _LOGGER.warning("%s: %d of %d frames are damaged", path, num_concealed, num_frames)


def _damage(path: Path, num_frames: int, reason: str) -> str:
    return f"{path} is damaged or truncated after {num_frames} frames: {reason}; get another copy"


def _frame_seconds(stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or FRAMES_PER_SECOND
    return 1 / Fraction(rate)


def _exact_rate(frames_per_second: float | Fraction) -> Fraction:
    try:
        rate = float(frames_per_second)
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not _SLOWEST <= rate < math.inf:
        raise ValueError(
            f"frames_per_second is {frames_per_second!r}, expected a finite number of {_SLOWEST} "
            "or more"
        )
    # The float nearest to 30000/1001 would miss an exact middle.
    return Fraction(rate).limit_denominator(1001)


def _as_video_frames(frames: Iterable[ArrayLike]) -> Iterator[VideoFrame]:
    """Yield a copy of each frame, without timestamps: its duration is that of the rate."""
    from av import VideoFrame

    for index, frame in enumerate(frames):
        array = np.asarray(frame)
        if array.shape[2:] != (3,) or array.dtype != np.uint8 or not array.size:
            raise VideoError(
                f"frame {index} is {array.shape} {array.dtype}, expected (height, width, 3) uint8; "
                "give channels-last RGB, 0..255"
            )
        yield VideoFrame.from_ndarray(array, format="rgb24")


def _as_arrays(
    frames: Iterator[VideoFrame], short_side: int | None, *, name: str
) -> Iterator[NDArray[np.uint8]]:
    """Yield each frame as an array; a repeated frame is scaled and converted only once."""
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    previous, array = None, np.empty(0, np.uint8)
    for frame in frames:
        if frame is not previous:
            sides = sorted((frame.width, frame.height))
            if short_side is not None and sides[1] > _LARGEST_RATIO * sides[0]:
                raise VideoError(
                    f"{name} is {frame.width}x{frame.height}, expected a ratio of the sides of "
                    f"at most {_LARGEST_RATIO}; crop it first"
                )
            previous, array = frame, _as_array(frame, short_side, reformatter)
        yield array


def _as_array(
    frame: VideoFrame, short_side: int | None, reformatter: VideoReformatter
) -> NDArray[np.uint8]:
    width, height = frame.width, frame.height
    if short_side is not None:
        width, height = _scaled(width, height, short_side)
    # Planar RGB is exact. Packed RGB takes twice as long when the width is odd, and is too dark by
    # 1 to 2 of 255 levels when it is even. For such small frames, more threads would be slower.
    scaled = reformatter.reformat(
        frame, width, height, "gbrp", interpolation=_BILINEAR | _ACCURATE_RND, threads=1
    )
    quarter_turns = round(frame.rotation / 90)
    array: NDArray[np.uint8] = np.rot90(scaled.to_ndarray(), quarter_turns)
    return np.ascontiguousarray(array)


def _scaled(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Return width and height after scaling.

    >>> _scaled(320, 240, 256), _scaled(1080, 1920, 256)
    ((341, 256), (256, 455))
    """
    scale = short_side / min(width, height)
    return round(width * scale), round(height * scale)
