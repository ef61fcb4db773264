"""Path -> RGB frames at 25 per second: the only module that decodes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.containers import VIDEO_SUFFIXES, check_file, missing_end
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.timing import resample

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

__all__ = [
    "FRAMES_PER_SECOND",
    "SHORT_SIDE",
    "find_videos",
    "read_frames",
]

FRAMES_PER_SECOND = 25
"""Frame rate of the clips the network was trained on, section 3 of arXiv 1705.07750."""
SHORT_SIDE = 256
"""Shorter side of a frame in pixels before the crop, from the same section."""

_NO_VIDEOS = {
    "tty": "text",
    "image2": "a picture",
    "pipe": "a picture",
    "concat": "a list of files",
    "hls": "a list of files",
}
"""What FFmpeg can show that is no video file, by the last word of its name for the format."""

_PIXELS_OF_ONE_THREAD = 640 * 480
"""Frames up to here are decoded in one thread: more do not pay, and inference needs the cores."""
_MOST_THREADS = 4
_MOST_OBLONG = 32
"""Longer side / shorter side: scaled to short side 256, more takes memory without end."""
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

    Time is cut into equal intervals from the first frame on, and each gives the frame that is on
    screen in its middle. A frame is on screen from its time stamp to that of the next one, and
    the last one for its duration; when a change falls on the very middle the earlier frame
    counts, so that 50 frames per second give every other one from the first. These are the
    frames that ``ffmpeg -vf fps=25`` gives::

        source   |  a  |   b   |    c    |        a frame lasts until the next one
        output   |  :  |  :  |  :  |  :  |        a, b, c, c

    Parameters
    ----------
    path
        A video file or an animated GIF.
    frames_per_second
        1 / length of the intervals; None gives every frame of the file once.
    short_side
        Shorter side of the frames in pixels, scaled bilinearly, the longer one in proportion;
        None keeps their size.

    Yields
    ------
    ndarray
        (height, width, 3) uint8, RGB, 0..255, contiguous, turned upright. Colours are converted
        by the matrix and range the video names, or else BT.601, limited range. A frame that is
        on screen in several intervals is the same array each time: copy it before writing.

    Raises
    ------
    VideoError
        The file is missing, not a video, has no video stream, is too oblong to be scaled, or is
        damaged or cut: frames up to there have been given by then.
    """
    with _opened(path) as container:
        stream = _best_stream(container, path)
        _set_threads(stream)
        frames = _decode(container, stream, path)
        if frames_per_second is not None:
            # 30000 / 1001 comes as the nearest float, and the very middle is met only by itself.
            rate = Fraction(frames_per_second).limit_denominator(1001)
            frames = resample(frames, rate, _frame_seconds(stream), name=str(path))
        yield from _as_arrays(frames, short_side, path)


def find_videos(paths: Iterable[Path]) -> list[Path]:
    """Return the named files, and the videos in the named folders and below, sorted in each.

    A path that is no folder is kept as it is, whatever its suffix: if it cannot be read,
    `read_frames` says why. Hidden files and folders in a folder are passed over.

    Raises
    ------
    VideoError
        A folder holds no video, or cannot be listed.
    """
    videos: list[Path] = []
    for path in paths:
        if not path.is_dir():
            videos.append(path)
            continue
        found = sorted(_videos_below(path))
        if not found:
            suffixes = " ".join(sorted(VIDEO_SUFFIXES))
            raise VideoError(f"{path} holds no video; expected files ending with {suffixes}")
        videos += found
    return videos


def _videos_below(folder: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        raise VideoError(
            f"cannot list {error.filename}: {error.strerror}; make it readable or leave it out"
        ) from error

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(place, name)
            # macOS leaves `._name.mp4` beside every file it copies to a foreign disk.
            if file.suffix.lower() in VIDEO_SUFFIXES and not name.startswith("."):
                yield file


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """Open a video, and turn what goes wrong meanwhile into a `VideoError`."""
    import av

    check_file(path)
    try:
        # Titles that are not UTF-8 are no error; from version 19 on PyAV needs no telling.
        must_be_told = int(av.__version__.split(".")[0]) < _PYAV_WITH_LENIENT_TITLES
        titles: dict[str, Any] = {"metadata_errors": "replace"} if must_be_told else {}
        # An absolute path, for FFmpeg takes what stands before a colon for a protocol.
        with av.open(str(path.absolute()), **titles) as container:
            if kind := _NO_VIDEOS.get(container.format.name.rpartition("_")[2]):
                raise VideoError(f"{path} is {kind}, expected a video file")
            yield container
    except (av.FFmpegError, OSError) as error:
        reason = missing_end(path)
        raise VideoError(
            f"{path} was cut: {reason}; get the whole file"
            if reason
            else f"cannot read {path}: {error.strerror or error}; expected a video file"
        ) from error


def _best_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the stream FFmpeg prefers: the default one, then the one of most pixels or bits."""
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
        stream.codec_context.thread_count = min(_MOST_THREADS, os.cpu_count() or 1)
    else:
        stream.codec_context.thread_count = 1


def _decode(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[VideoFrame]:
    """Yield every frame; a file that breaks off is an error, not a short video."""
    import av

    num_frames = num_concealed = 0
    reason: str | None = None
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                # What was cut out of a longer stream may begin with frames that lack their base.
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
        raise VideoError(_damage(path, num_frames, reason or "none could be decoded"))
    if num_concealed:
        _LOGGER.warning("%s: %d of %d frames are damaged", path, num_concealed, num_frames)


def _damage(path: Path, num_frames: int, reason: str) -> str:
    return f"{path} is damaged or cut after {num_frames} frames: {reason}; get the whole file"


def _frame_seconds(stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or FRAMES_PER_SECOND
    return 1 / Fraction(rate)


def _as_arrays(
    frames: Iterator[VideoFrame], short_side: int | None, path: Path
) -> Iterator[NDArray[np.uint8]]:
    """Scale and convert each frame once, however often it is repeated."""
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    previous, array = None, np.empty(0, np.uint8)
    for frame in frames:
        if frame is not previous:
            sides = sorted((frame.width, frame.height))
            if short_side is not None and sides[1] > _MOST_OBLONG * sides[0]:
                raise VideoError(
                    f"{path} is {frame.width}x{frame.height}, expected sides of 1 to "
                    f"{_MOST_OBLONG} at most; crop it first"
                )
            previous, array = frame, _as_array(frame, short_side, reformatter)
        yield array


def _as_array(
    frame: VideoFrame, short_side: int | None, reformatter: VideoReformatter
) -> NDArray[np.uint8]:
    width, height = frame.width, frame.height
    if short_side is not None:
        width, height = _scaled(width, height, short_side)
    # To planar RGB, swscale converts exactly and twice as fast as to packed RGB of an odd width;
    # to packed RGB of an even width it is fast but darkens the picture by 1 to 2 of 255 levels.
    # Frames are small: threads would cost more than they give.
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
