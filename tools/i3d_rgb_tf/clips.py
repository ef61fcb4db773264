"""Crop frames and stack them into clips: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import VideoError

__all__ = ["center_crop", "loop_frames", "split_clips"]


def center_crop(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return a view of the central square.

    Parameters
    ----------
    frames
        (..., height, width, 3).
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
    """Repeat a short video from its start until it has `num_frames`; a longer one stays.

    Parameters
    ----------
    frames
        (count, ...), count at least 1.
    num_frames
        How many are wanted.

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
        raise VideoError("there are no frames, expected at least 1; give a video that has some")
    if len(frames) >= num_frames:
        return frames
    return frames[np.arange(num_frames) % len(frames)]


def split_clips(
    frames: Iterable[NDArray[np.uint8]], num_frames: int = 79
) -> Iterator[NDArray[np.uint8]]:
    """Cut a video into consecutive clips so that every frame is in one.

    What is left at the end becomes a clip that ends with the last frame and so overlaps its
    predecessor; a video shorter than a clip is looped::

        frames   0123456789         clips of 4:  0123 4567 6789
        frames   01                              0101

    Parameters
    ----------
    frames
        Each (height, width, 3) uint8, all of one size; at most two clips of them are held.
    num_frames
        Length of a clip.

    Yields
    ------
    ndarray
        (num_frames, height, width, 3) uint8; a new array each time. Write to one only when the
        next is there: the last takes its first frames from its predecessor.

    Raises
    ------
    VideoError
        There are no frames, or they differ in size.

    Examples
    --------
    >>> frames = np.arange(10, dtype=np.uint8)
    >>> [clip.tolist() for clip in split_clips(frames, 4)]
    [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]]
    """
    previous: NDArray[np.uint8] | None = None
    clip: NDArray[np.uint8] | None = None
    count = 0
    for frame in frames:
        if clip is None:
            clip = np.empty((num_frames, *np.shape(frame)), np.uint8)
        # Numpy would stretch a frame of one pixel or row over the whole clip.
        if frame.shape != clip.shape[1:]:
            raise VideoError(
                f"a frame is {frame.shape} after frames of {clip.shape[1:]}, expected one size; "
                "crop or scale them before"
            )
        clip[count] = frame
        count += 1
        if count == num_frames:
            yield clip
            previous, clip, count = clip, None, 0
    if previous is None:
        yield loop_frames(np.empty(0, np.uint8) if clip is None else clip[:count], num_frames)
    elif clip is not None:
        yield np.concatenate([previous[count:], clip[:count]])
