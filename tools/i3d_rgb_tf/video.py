"""Path -> RGB frames at 25 per second: the only module that decodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import VideoError

__all__ = ["FRAMES_PER_SECOND", "SHORT_SIDE", "VIDEO_SUFFIXES", "find_videos", "read_frames"]

FRAMES_PER_SECOND = 25
"""Frame rate of the clips the network was trained on, section 3 of arXiv 1705.07750."""
SHORT_SIDE = 256
"""Shorter side of a frame in pixels before the crop, from the same section."""

VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .vob .webm .wmv".split()
)
"""What a file in a folder must end with to count as a video."""

_LONGEST_FRAME_SECONDS = 3600
"""A longer pause between two frames is a damaged time stamp."""
_WHOLE = 0.9
"""Share of the frames a container announces that must come out of it."""


def read_frames(
    path: Path,
    *,
    frames_per_second: int | None = FRAMES_PER_SECOND,
    short_side: int | None = SHORT_SIDE,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video.

    Time is cut into equal intervals from the first frame on, and each gives the frame that is on
    screen in its middle::

        source   |  a  |   b   |    c    |        a frame lasts until the next one
        output   |  :  |  :  |  :  |  :  |        a, b, c, c

    Parameters
    ----------
    path
        A video file or an animated GIF.
    frames_per_second
        Length of the intervals; None gives every frame of the file once.
    short_side
        Shorter side of the frames in pixels, scaled bilinearly; None keeps their size.

    Yields
    ------
    ndarray
        (height, width, 3) uint8, RGB, 0..255, turned upright. A frame that is on screen in
        several intervals is the same array each time.

    Raises
    ------
    VideoError
        The file is missing, not a video, has no video stream, or breaks off.
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream = _best_stream(container, path)
            stream.thread_type = "AUTO"
            frames = _decode(container, stream, path)
            if frames_per_second is not None:
                frames = _resample(frames, stream, Fraction(frames_per_second), path)
            yield from _as_arrays(frames, short_side)
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(_reason(path, error)) from error


def find_videos(paths: Iterable[Path]) -> list[Path]:
    """Return the named files, and the videos in the named folders and below, sorted in each.

    Raises
    ------
    VideoError
        A path does not exist, or a folder holds no video.
    """
    videos: list[Path] = []
    for path in paths:
        if not path.is_dir():
            videos.append(path)
            continue
        found = sorted(
            each
            for each in path.rglob("*")
            if each.suffix.lower() in VIDEO_SUFFIXES and each.is_file()
        )
        if not found:
            suffixes = " ".join(sorted(VIDEO_SUFFIXES))
            raise VideoError(f"{path} holds no video; expected files ending with {suffixes}")
        videos += found
    return videos


def _best_stream(container: Any, path: Path) -> Any:
    stream = container.streams.best("video")
    if stream is None:
        kinds = ", ".join(sorted({each.type for each in container.streams})) or "none"
        raise VideoError(f"{path} has no video stream (its streams: {kinds}); give a video file")
    return stream


def _decode(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """Yield every frame; a file that breaks off is an error, not a short video."""
    import av

    num_frames = 0
    try:
        for frame in container.decode(stream):
            num_frames += 1
            yield frame
    except av.error.FFmpegError as error:
        raise VideoError(
            f"{path} is damaged: {error.strerror} after {num_frames} frames; get the whole file"
        ) from error
    if num_frames == 0 or num_frames < _WHOLE * stream.frames:
        expected = f"{stream.frames} frames" if stream.frames else "some"
        raise VideoError(
            f"{path} is damaged: {num_frames} frames could be decoded, expected {expected}; "
            "get the whole file"
        )


def _resample(
    frames: Iterator[Any], stream: Any, frames_per_second: Fraction, path: Path
) -> Iterator[Any]:
    interval = 1 / frames_per_second
    first = next(frames)
    origin = _start(first, default=Fraction(0))
    start, middle = Fraction(0), interval / 2
    current = first
    for frame in frames:
        # A time stamp that is missing or runs backwards follows its predecessor.
        next_start = _start(frame, default=Fraction(-1)) - origin
        if next_start <= start:
            next_start = start + _length(current, stream)
        if next_start - start > _LONGEST_FRAME_SECONDS:
            raise VideoError(
                f"{path} is damaged: its time stamps jump by {float(next_start - start):.0f} s"
            )
        while middle < next_start:
            yield current
            middle += interval
        current, start = frame, next_start
    end = max(start + _length(current, stream), middle + interval / 2 if middle < interval else 0)
    while middle < end:
        yield current
        middle += interval


def _start(frame: Any, *, default: Fraction) -> Fraction:
    """Return when a frame appears, in seconds."""
    return default if frame.pts is None else Fraction(frame.pts * frame.time_base)


def _length(frame: Any, stream: Any) -> Fraction:
    """Return how long a frame that has no successor stays, in seconds."""
    if frame.duration:
        return min(Fraction(frame.duration * frame.time_base), Fraction(_LONGEST_FRAME_SECONDS))
    rate = stream.average_rate or stream.guessed_rate or FRAMES_PER_SECOND
    return 1 / Fraction(rate)


def _as_arrays(frames: Iterator[Any], short_side: int | None) -> Iterator[NDArray[np.uint8]]:
    """Scale and convert each frame once, however often it is repeated."""
    previous, array = None, np.empty(0, np.uint8)
    for frame in frames:
        if frame is not previous:
            previous, array = frame, _as_array(frame, short_side)
        yield array


def _as_array(frame: Any, short_side: int | None) -> NDArray[np.uint8]:
    scale = 1.0 if short_side is None else short_side / min(frame.width, frame.height)
    scaled = frame.reformat(
        width=round(frame.width * scale),
        height=round(frame.height * scale),
        format="rgb24",
        interpolation="BILINEAR",
    )
    array: NDArray[np.uint8] = scaled.to_ndarray()
    quarter_turns = round(frame.rotation / 90)
    return np.ascontiguousarray(np.rot90(array, quarter_turns)) if quarter_turns else array


def _reason(path: Path, error: OSError) -> str:
    if path.is_dir():
        return f"{path} is a folder, expected a video file"
    if not path.exists():
        return f"there is no video {path}; check the path"
    if path.is_file() and path.stat().st_size == 0:
        return f"{path} is empty (0 bytes), expected a video file"
    return f"cannot read {path}: {error.strerror or error}; expected a video file"
