"""When each position of a video is: its middle, and the time that it stands for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.inference.receptive_field import border_frame, center_frame
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND

__all__ = ["position_seconds"]


def position_seconds(
    num_positions: int, num_frames: int, *, padded_as: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middle of each position, and where the times that they stand for begin and end.

    Parameters
    ----------
    num_positions, num_frames
        Of a video, at 25 frames per second.
    padded_as
        Number of frames that the network's padding is for.

    Returns
    -------
    tuple of ndarray
        (positions,) and (positions + 1,) float64: seconds from the first frame on.

    Examples
    --------
    >>> times, edges = position_seconds(9, 79, padded_as=79)
    >>> times[:3].tolist(), edges[:3].tolist(), edges[-1].item()
    ([0.34, 0.66, 0.98], [0.0, 0.5, 0.82], 3.16)
    """
    if num_positions == 1:
        return _seconds([num_frames / 2]), _seconds([0, num_frames])
    centers = [center_frame(position, padded_as) + 0.5 for position in range(num_positions)]
    borders = [border_frame(position, padded_as) for position in range(num_positions - 1)]
    return _seconds(centers), _seconds([0, *borders, num_frames])


def _seconds(frames: Sequence[float]) -> NDArray[np.float64]:
    return np.array(frames, np.float64) / FRAMES_PER_SECOND
