"""When each feature is: its centre and its extent, in frames and in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.inference.receptive_field import FEWEST_FRAMES, RECEPTIVE_FRAMES, center_frame

__all__ = ["Times", "dense_times", "divide_rows", "group_times", "window_times"]

_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Times:
    """When features are, from the start of the first frame: in frames, or in seconds.

    Frame number i is on screen from i to i + 1.
    """

    center: _Numbers
    """(rows,) float64: the middle."""
    start: _Numbers
    """(rows,) float64: the start of the first frame that it depends on."""
    end: _Numbers
    """(rows,) float64: the end of the last frame that it depends on."""

    def convert(self, clock: Callable[[_Numbers], _Numbers]) -> Times:
        """Return the times in the unit of a clock, which takes those of these."""
        return Times(clock(self.center), clock(self.start), clock(self.end))


def dense_times(num_rows: int, num_frames: int, *, padded_as: int | None = None) -> Times:
    """Return the times, in frames, of the positions of a dense pass over a video.

    The extent is the receptive field, 107 frames, as far as the video has it. The frames in its
    middle weigh most.

    Parameters
    ----------
    num_rows
        Positions.
    num_frames
        Frames of the video.
    padded_as
        Number of frames that the network's padding is for, by default that of the video.

    Examples
    --------
    >>> times = dense_times(49, 400)
    >>> [float(frames[20]) for frames in (times.center, times.start, times.end)]
    [169.5, 116.0, 223.0]
    """
    length = num_frames if padded_as is None else padded_as
    if num_frames < FEWEST_FRAMES:
        # The only row is of repeated frames.
        return window_times([(0, num_frames)] * num_rows)
    centers = np.array([center_frame(position, length) for position in range(num_rows)], np.float64)
    start = centers - RECEPTIVE_FRAMES // 2
    times = Times(centers + 0.5, start, start + RECEPTIVE_FRAMES)
    return times.convert(lambda frames: frames.clip(0, num_frames))


def window_times(spans: Iterable[tuple[int, int]]) -> Times:
    """Return the times, in frames, of windows from their first frames and those after their last.

    >>> window_times([(0, 16), (16, 32)]).center.tolist()
    [8.0, 24.0]
    """
    start, end = np.array(list(spans), np.float64).reshape(-1, 2).T
    return Times((start + end) / 2, start, end)


def divide_rows(num_rows: int, num_parts: int) -> list[tuple[int, int]]:
    """Return the first row of each equal part, and the row after its last one.

    Where there are fewer rows than parts, a row is in several parts. This is how the 32 segments
    of Sultani et al. (CVPR 2018) are commonly made; their script leaves out the last row and scales
    each mean to length 1, which is not done here.

    Examples
    --------
    >>> divide_rows(10, 4), divide_rows(2, 4)
    ([(0, 2), (2, 5), (5, 7), (7, 10)], [(0, 1), (0, 1), (1, 2), (1, 2)])
    """
    edges = [part * num_rows // num_parts for part in range(num_parts + 1)]
    return [(first, max(first + 1, last)) for first, last in pairwise(edges)]


def group_times(times: Times, parts: Sequence[tuple[int, int]]) -> Times:
    """Return the times of the means of consecutive rows.

    The centre is the mean of their centres; the extent begins with that of the first and ends with
    that of the last.

    Examples
    --------
    >>> times = group_times(window_times([(0, 16), (16, 32)]), [(0, 2)])
    >>> [frames.tolist() for frames in (times.center, times.start, times.end)]
    [[16.0], [0.0], [32.0]]
    """
    return Times(
        np.array([times.center[first:stop].mean() for first, stop in parts]),
        np.array([times.start[first] for first, _ in parts]),
        np.array([times.end[stop - 1] for _, stop in parts]),
    )
