"""Turn and mirror frames as the display matrix of a video says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["swaps_sides", "upright"]


def upright(frame: NDArray[np.uint8], matrix: Sequence[int]) -> NDArray[np.uint8]:
    """Return a frame as it is to be shown.

    A point (x, y) of the frame is shown at (a x + c y, b x + d y), x to the right and y down. This
    is the matrix of ISO/IEC 14496-12, 8.3.2, where phones state how they were held. The nearest of
    its eight forms that turn by quarters or mirror is used.

    Parameters
    ----------
    frame
        (height, width, 3) uint8.
    matrix
        The nine numbers a, b, u, c, d, v, x, y, w.

    Returns
    -------
    ndarray
        A view of `frame`.

    Examples
    --------
    >>> frame = np.array([[1, 2], [3, 4]], np.uint8)[..., None]
    >>> upright(frame, (-1, 0, 0, 0, 1, 0, 0, 0, 1))[..., 0].tolist()  # mirrored
    [[2, 1], [4, 3]]
    >>> upright(frame, (0, 1, 0, -1, 0, 0, 0, 0, 1))[..., 0].tolist()  # turned clockwise
    [[3, 1], [4, 2]]
    """
    a, b, _, c, d = matrix[:5]
    right, down = a, d
    if swaps_sides(matrix):
        frame = frame.swapaxes(0, 1)
        right, down = c, b
    return frame[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]


def swaps_sides(matrix: Sequence[int]) -> bool:
    """Return whether the width of a frame is shown as the height; `matrix` is as for `upright`.

    >>> swaps_sides((0, 1, 0, -1, 0, 0, 0, 0, 1)), swaps_sides((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    (True, False)
    """
    a, b, _, c, d = matrix[:5]
    return abs(b) + abs(c) > abs(a) + abs(d)
