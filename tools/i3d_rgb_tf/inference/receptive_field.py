"""The receptive field in time: which frames of a video each position of the network depends on.

Before its mean over time, the network is convolutional in time: it has a position every eight
frames. How many frames a position depends on, and where they are, follows from the kernels and
strides in the architecture table, and from TensorFlow's padding::

    video of 400 frames        position 0    frames -44 to 62, centre 9
                               position 1    frames -36 to 70, centre 17

Frames before the beginning and after the end of a video are zeros. TensorFlow pads so that the
results of a layer are spread evenly over its input. So the first frame depends on the length of the
video modulo 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from i3d_rgb_tf.architecture import AVERAGE_POOL, STAGES, Mixed

__all__ = [
    "FEWEST_FRAMES",
    "RECEPTIVE_FRAMES",
    "TIME_STRIDE",
    "border_frame",
    "center_frame",
    "count_logits",
    "missing_before",
    "receptive_span",
]

TIME_STRIDE = math.prod(stage.stride[0] for stage in STAGES if not isinstance(stage, Mixed))
"""Temporal stride: frames from one position to the next, 8."""


def _windows() -> Iterator[tuple[int, int]]:
    """Yield the kernel and the stride of each stage in time; of a block, its longest kernels."""
    for stage in STAGES:
        if isinstance(stage, Mixed):
            reach = (sum(layer.kernel[0] - 1 for layer in branch) for branch in stage.branches)
            yield 1 + max(reach), 1
        else:
            yield stage.kernel[0], stage.stride[0]


def _receptive_frames() -> int:
    frames, step = 1, 1
    for kernel, stride in _windows():
        frames += (kernel - 1) * step
        step *= stride
    return frames + (AVERAGE_POOL[0] - 1) * step


RECEPTIVE_FRAMES = _receptive_frames()
"""Frames that a position depends on: 107, which is 4.3 seconds at 25 frames per second."""


def count_logits(num_frames: int) -> int:
    """Return the number of positions in time that a video of `num_frames` frames has.

    >>> count_logits(79), count_logits(250)
    (9, 31)
    """
    return -(-num_frames // TIME_STRIDE) - AVERAGE_POOL[0] + 1


FEWEST_FRAMES = TIME_STRIDE * (AVERAGE_POOL[0] - 1) + 1
"""Frames in the shortest video that has a position: 9."""


def receptive_span(position: int, num_frames: int) -> tuple[int, int]:
    """Return the frames that a position depends on, from the first to the one after the last.

    Parameters
    ----------
    position
        Its number in the video, from 0.
    num_frames
        Frames in the video.

    Examples
    --------
    >>> receptive_span(0, 400), receptive_span(20, 400), receptive_span(48, 400)
    ((0, 63), (116, 223), (340, 400))
    """
    start = TIME_STRIDE * position - _padding(num_frames)
    return max(start, 0), min(start + RECEPTIVE_FRAMES, num_frames)


def center_frame(position: int, num_frames: int) -> int:
    """Return the frame in the middle of those that a position depends on.

    >>> [center_frame(0, num_frames) for num_frames in (400, 401, 402, 403)]
    [9, 6, 7, 8]
    """
    return TIME_STRIDE * position - _padding(num_frames) + RECEPTIVE_FRAMES // 2


def border_frame(position: int, num_frames: int) -> float:
    """Return where a position ends and the next begins: halfway between their middles.

    >>> [border_frame(position, 400) for position in (0, 1)]
    [13.5, 21.5]
    """
    return center_frame(position, num_frames) + (1 + TIME_STRIDE) / 2


def missing_before(num_frames: int) -> int:
    """Return how many frames of zeros before a video make its padding that of a multiple of 8.

    >>> [missing_before(num_frames) for num_frames in (400, 401, 402, 403, 404)]
    [0, 3, 2, 1, 0]
    """
    return _padding(num_frames) - _padding(TIME_STRIDE)


def _padding(num_frames: int) -> int:
    """Return the frames of zeros before a video that its first position depends on."""
    length, step, frames = num_frames, 1, 0
    for kernel, stride in _windows():
        shorter = -(-length // stride)
        frames += step * (max(0, (shorter - 1) * stride + kernel - length) // 2)
        length, step = shorter, step * stride
    return frames
