"""The receptive field in time: which frames each logit of the network depends on.

Before the mean over time the network is convolutional in time, so each logit depends on a limited
number of frames. The number follows from the kernels and strides in the architecture table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

from i3d_rgb_tf.architecture import AVERAGE_POOL, STAGES, Conv, MaxPool, Mixed

__all__ = ["FEWEST_FRAMES", "TIME_STRIDE", "Span", "count_logits", "exact_logits"]

TIME_STRIDE = math.prod(stage.stride[0] for stage in STAGES if not isinstance(stage, Mixed))
"""Temporal stride: frames from the start of one logit to that of the next, 8."""


@dataclass(frozen=True)
class Span:
    """The positions in time where activations of a chunk equal those of the whole video."""

    length: int
    """Number of positions in time that the chunk has."""
    first: int
    """First position that is equal."""
    last: int
    """Position after the last one that is equal."""


def count_logits(num_frames: int) -> int:
    """Return the number of logits in time that a video of `num_frames` frames has.

    >>> count_logits(79), count_logits(250)
    (9, 31)
    """
    return exact_logits(num_frames, at_start=True, at_end=True).length


def exact_logits(num_frames: int, *, at_start: bool, at_end: bool) -> Span:
    """Return which logits of a chunk equal those of the whole video.

    Parameters
    ----------
    num_frames
        Frames in the chunk.
    at_start, at_end
        Whether the chunk starts where the video starts, and ends where it ends. If not, that end
        is a cut, and logits that depend on frames beyond it differ from those of the whole video.
    """

    def window(span: Span, kernel: int, stride: int, *, padded: bool = True) -> Span:
        length = -(-span.length // stride) if padded else span.length - kernel + 1
        # Output i depends on `kernel` inputs; the first is i * stride - before.
        before = max(0, (length - 1) * stride + kernel - span.length) // 2 if padded else 0
        first = 0 if at_start else -(-(span.first + before) // stride)
        last = length if at_end else (span.last + before - kernel) // stride + 1
        return Span(length, first, last)

    def layer(span: Span, each: Conv | MaxPool) -> Span:
        return window(span, each.kernel[0], each.stride[0])

    span = Span(num_frames, 0, num_frames)
    for stage in STAGES:
        if isinstance(stage, Mixed):
            ends = [reduce(layer, branch, span) for branch in stage.branches]
            first, last = max(end.first for end in ends), min(end.last for end in ends)
            span = Span(ends[0].length, first, last)
        else:
            span = layer(span, stage)
    return window(span, AVERAGE_POOL[0], 1, padded=False)


FEWEST_FRAMES = next(num_frames for num_frames in range(1, 99) if count_logits(num_frames) > 0)
"""Frames in the shortest video that has a logit: 9."""
