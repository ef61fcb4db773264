"""Cut one or several squares from a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.video.clips import center_crop

__all__ = ["CROP_NAMES", "crop_frame"]

_FIVE = ("top left", "top right", "bottom left", "bottom right", "centre")

CROP_NAMES: dict[int, tuple[str, ...]] = {
    1: ("centre",),
    3: ("start of the longer side", "centre", "end of the longer side"),
    5: _FIVE,
    10: (*_FIVE, *(f"mirrored frame, {name}" for name in _FIVE)),
}
"""The squares by how many there are, in their order. Five and ten are in the order of torchvision's
``FiveCrop`` and ``TenCrop``, which mirrors the frame first: its top left was top right before."""


def crop_frame(frame: NDArray[np.uint8], num_crops: int, size: int) -> list[NDArray[np.uint8]]:
    """Return squares of a frame, as views.

    Parameters
    ----------
    frame
        (height, width, 3) uint8.
    num_crops
        A key of `CROP_NAMES`.
    size
        Side of the squares in pixels.

    Raises
    ------
    VideoError
        The frame is smaller than a square.

    Examples
    --------
    >>> frame = np.arange(5, dtype=np.uint8)[np.newaxis, :, np.newaxis]
    >>> [crop.ravel().tolist() for crop in crop_frame(frame, 3, 1)]
    [[0], [2], [4]]
    >>> [crop.ravel().tolist() for crop in crop_frame(frame, 10, 1)[5:]]
    [[4], [0], [4], [0], [2]]
    """
    centre = center_crop(frame, size)
    if num_crops == 1:
        return [centre]
    if num_crops == 3:  # noqa: PLR2004
        return _three(frame, centre, size)
    crops = _five(frame, size)
    return crops if num_crops == len(_FIVE) else crops + _five(frame[:, ::-1], size)


def _three(
    frame: NDArray[np.uint8], centre: NDArray[np.uint8], size: int
) -> list[NDArray[np.uint8]]:
    height, width = frame.shape[:2]
    if width >= height:
        top = (height - size) // 2
        rows = frame[top : top + size]
        return [rows[:, :size], centre, rows[:, width - size :]]
    left = (width - size) // 2
    columns = frame[:, left : left + size]
    return [columns[:size], centre, columns[height - size :]]


def _five(frame: NDArray[np.uint8], size: int) -> list[NDArray[np.uint8]]:
    height, width = frame.shape[:2]
    corners = [
        frame[top : top + size, left : left + size]
        for top in (0, height - size)
        for left in (0, width - size)
    ]
    return [*corners, center_crop(frame, size)]
