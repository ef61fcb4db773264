"""Crop frames, and divide a video into clips of equal length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.decode import read_frames
from i3d_rgb_tf.video.files import VideoFile

__all__ = ["Clip", "center_crop", "loop_frames", "read_clips", "read_cropped", "split_clips"]


@dataclass(frozen=True)
class Clip:
    """Consecutive frames of a video, as many as the network takes."""

    frames: NDArray[np.uint8]
    """(num_frames, height, width, 3) uint8, RGB, 0..255."""
    stop: int
    """Number in the video of the frame after the last one of the clip."""
    overlap: int
    """Number of frames shared with the previous clip; only the last clip can share any."""


def read_clips(path: VideoFile, *, num_frames: int, size: int) -> Iterator[Clip]:
    """Yield the clips of a video file, cropped to the centre; see `split_clips`.

    Parameters
    ----------
    path
        A video file or an animated GIF.
    num_frames
        Frames in a clip.
    size
        Side in pixels of the central square that is kept.

    Raises
    ------
    VideoError
        The video cannot be read.
    """
    return split_clips(read_cropped(path, size), num_frames)


def read_cropped(path: VideoFile, size: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video file, cropped to the centre.

    The frames are 25 per second, scaled to short side 256 before the crop.

    Parameters
    ----------
    path
        A video file or an animated GIF.
    size
        Side in pixels of the central square that is kept.

    Yields
    ------
    ndarray
        (size, size, 3) uint8, RGB, 0..255; a view of the scaled frame.

    Raises
    ------
    VideoError
        The video cannot be read.
    """
    return (center_crop(frame, size) for frame in read_frames(path))


def center_crop(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return the central square of one or more frames, as a view.

    Parameters
    ----------
    frames
        (..., height, width, 3) uint8.
    size
        Side of the square in pixels.

    Raises
    ------
    VideoError
        The frames are smaller than the square.

    Examples
    --------
    >>> center_crop(np.zeros((256, 341, 3), np.uint8), 224).shape
    (224, 224, 3)
    """
    height, width = frames.shape[-3:-1]
    if min(height, width) < size:
        raise VideoError(
            f"a frame is {width}x{height}, expected at least {size}x{size}; scale it first"
        )
    top, left = (height - size) // 2, (width - size) // 2
    return frames[..., top : top + size, left : left + size, :]


def loop_frames(frames: NDArray[np.uint8], num_frames: int) -> NDArray[np.uint8]:
    """Repeat the frames of a short video until there are `num_frames`.

    A video that has enough frames is returned unchanged.

    Parameters
    ----------
    frames
        (count, ...) uint8, with a count of at least 1.
    num_frames
        Number of frames needed.

    Raises
    ------
    VideoError
        There are no frames.

    Examples
    --------
    >>> loop_frames(np.array([1, 2, 3], np.uint8), 7)
    array([1, 2, 3, 1, 2, 3, 1], dtype=uint8)
    """
    if len(frames) == 0:
        raise VideoError("the video has no frames, expected at least 1; choose another video")
    if len(frames) >= num_frames:
        return frames
    return frames[np.arange(num_frames) % len(frames)]


def split_clips(frames: Iterable[NDArray[np.uint8]], num_frames: int) -> Iterator[Clip]:
    """Divide a video into consecutive clips that together have all its frames.

    If the last frames do not fill a clip, the last clip ends with the last frame and overlaps the
    previous clip. A video shorter than a clip is looped::

        frames   0123456789         clips of 4:  0123 4567 6789
        frames   01                              0101

    Parameters
    ----------
    frames
        Each (height, width, 3) uint8, all of one size. At most two clips are in memory.
    num_frames
        Frames in a clip.

    Yields
    ------
    Clip
        Each has a new array. Do not write to a clip before the next one is yielded: the last clip
        copies frames from the previous one.

    Raises
    ------
    VideoError
        There are no frames, or they differ in size.

    Examples
    --------
    >>> frames = np.arange(10, dtype=np.uint8)
    >>> [(clip.frames.tolist(), clip.overlap) for clip in split_clips(frames, 4)]
    [([0, 1, 2, 3], 0), ([4, 5, 6, 7], 0), ([6, 7, 8, 9], 2)]
    """
    previous: NDArray[np.uint8] | None = None
    clip: NDArray[np.uint8] | None = None
    count = stop = 0
    for frame in frames:
        if clip is None:
            clip = np.empty((num_frames, *np.shape(frame)), np.uint8)
        # NumPy would broadcast a frame of one pixel or row.
        if frame.shape != clip.shape[1:]:
            raise VideoError(
                f"a frame has shape {frame.shape}, expected {clip.shape[1:]} like those before it; "
                "crop or scale the frames to one size"
            )
        clip[count] = frame
        count += 1
        stop += 1
        if count == num_frames:
            yield Clip(clip, stop, 0)
            previous, clip, count = clip, None, 0
    if previous is None:
        rest = np.empty(0, np.uint8) if clip is None else clip[:count]
        yield Clip(loop_frames(rest, num_frames), stop, 0)
    elif clip is not None:
        yield Clip(np.concatenate([previous[count:], clip[:count]]), stop, num_frames - count)
