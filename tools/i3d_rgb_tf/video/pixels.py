"""Decoded frames as RGB arrays: scaled, turned upright."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.video.limits import check_scaling
from i3d_rgb_tf.video.orientation import upright

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter

__all__ = ["as_arrays", "display_matrix", "plane_levels"]

_BILINEAR, _ACCURATE_RND = 1 << 1, 1 << 18
"""Flags of libswscale: SWS_BILINEAR, SWS_ACCURATE_RND; PyAV 17 cannot combine them by name."""


def as_arrays(
    frames: Iterable[VideoFrame], short_side: int | None, *, name: str
) -> Iterator[NDArray[np.uint8]]:
    """Yield each frame as an array; a repeated frame is scaled and converted only once.

    Parameters
    ----------
    frames
        Decoded frames. One that is marked as interlaced would be scaled field by field.
    short_side
        Pixels of the shorter side after scaling, which is bilinear. None keeps the size.
    name
        What the frames are called in error messages.

    Yields
    ------
    ndarray
        (height, width, 3) uint8, RGB, 0..255, contiguous, upright.

    Raises
    ------
    VideoError
        A frame is too long or too small to be scaled.
    """
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    previous, array = None, np.empty(0, np.uint8)
    for frame in frames:
        if frame is not previous:
            if short_side is not None:
                check_scaling(frame.width, frame.height, name=name)
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
    array: NDArray[np.uint8] = np.asarray(scaled.to_ndarray(), np.uint8)
    matrix = display_matrix(frame)
    if matrix is not None:
        array = upright(array, matrix)
    return np.ascontiguousarray(array)


def display_matrix(frame: VideoFrame) -> list[int] | None:
    """Return the nine numbers that say how a frame is to be shown; see `upright`."""
    from av.sidedata.sidedata import SideDataContainer

    # Frame.side_data would keep each frame in a reference cycle, until garbage is collected.
    data: Any = SideDataContainer(frame)  # type: ignore[call-arg]
    matrix = data.get("DISPLAYMATRIX")
    return None if matrix is None else np.frombuffer(matrix, np.int32).tolist()


def plane_levels(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    """Return (height, width) uint8: a view of one plane of a frame of 8 bits."""
    plane: Any = frame.planes[index]
    levels: NDArray[np.uint8] = np.frombuffer(plane, np.uint8)
    return levels.reshape(plane.height, plane.line_size)[:, : plane.width]


def _scaled(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Return width and height after scaling.

    >>> _scaled(320, 240, 256), _scaled(1080, 1920, 256)
    ((341, 256), (256, 455))
    """
    scale = short_side / min(width, height)
    return round(width * scale), round(height * scale)
