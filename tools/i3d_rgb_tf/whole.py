"""A whole video in one pass, in bounded memory: chunks that overlap by what the network sees.

The network is convolutional in time: before it takes the mean over time, each of its logits
depends on a limited stretch of frames. A long video is therefore given in chunks, and of each
chunk only the logits that see nothing of its cut ends are used; together they are those of one
pass over the whole video.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.architecture import AVERAGE_POOL, STAGES, Conv, MaxPool, Mixed
from i3d_rgb_tf.errors import ModelError, VideoError

__all__ = [
    "FEWEST_FRAMES",
    "MOST_FRAMES",
    "TIME_STRIDE",
    "Chunk",
    "average_logits",
    "count_logits",
    "cut_chunks",
    "give_logits",
    "plan_chunks",
]

TIME_STRIDE = math.prod(stage.stride[0] for stage in STAGES if not isinstance(stage, Mixed))
"""Frames from one of the network's logits to the next: 8."""

MOST_FRAMES = 384
"""Longest chunk: 15 seconds at 25 per second, 1.8 GB of memory in float32, 0.6 in INT8."""


@dataclass(frozen=True)
class Chunk:
    """A stretch of a video, and which of its logits are those of the whole video."""

    start: int
    """First frame."""
    stop: int
    """Frame after the last."""
    first: int
    """First logit that counts, among those of the chunk."""
    last: int
    """Logit after the last that counts."""


@dataclass(frozen=True)
class _Span:
    """How much of a chunk's activations equals those of the whole video."""

    length: int
    """Positions in time."""
    first: int
    """First that is equal."""
    last: int
    """The one after the last that is equal."""


def count_logits(num_frames: int) -> int:
    """Return how many positions in time the network has logits for.

    >>> count_logits(79), count_logits(250)
    (9, 31)
    """
    return _logits(num_frames, at_start=True, at_end=True).length


def plan_chunks(num_frames: int, most_frames: int = MOST_FRAMES) -> tuple[Chunk, ...]:
    """Cut a video into chunks whose logits that count are those of the whole, each once.

    TensorFlow pads more after a sequence than before it, by how much depends on whether its
    length is even at every stride. So a chunk starts at a multiple of `TIME_STRIDE`, and all
    have one length, which leaves the same remainder as the whole::

        whole     ----------------------------     logits  abcdefghijkl
        chunks    -------------                            abcd..
                          -------------                       .efgh.
                                 -------------                   ..ijkl

    Parameters
    ----------
    num_frames
        Length of the video, at least `FEWEST_FRAMES`.
    most_frames
        Length up to which it is one chunk; those of a longer one are at most 7 frames shorter.

    Raises
    ------
    ValueError
        A chunk of `most_frames` sees too little, or the video is too short.

    Examples
    --------
    >>> plan_chunks(250)
    (Chunk(start=0, stop=250, first=0, last=31),)
    >>> [(chunk.start, chunk.stop) for chunk in plan_chunks(600)]
    [(0, 384), (216, 600)]
    """
    if num_frames < FEWEST_FRAMES:
        raise ValueError(f"{num_frames} frames, expected {FEWEST_FRAMES} or more")
    total = count_logits(num_frames)
    if num_frames <= most_frames:
        return (Chunk(0, num_frames, 0, total),)
    length = most_frames - (most_frames - num_frames) % TIME_STRIDE
    margin = _logits(length, at_start=False, at_end=False)
    if margin.first >= margin.last:
        raise ValueError(f"chunks of {most_frames} frames, shorter than what a logit sees")
    chunks: list[Chunk] = []
    done = 0
    while done < total:
        start = min(max(0, TIME_STRIDE * (done - margin.first)), num_frames - length)
        stop = start + length
        last = _logits(length, at_start=start == 0, at_end=stop == num_frames).last
        before = start // TIME_STRIDE
        chunks.append(Chunk(start, stop, done - before, last))
        done = before + last
    return tuple(chunks)


def cut_chunks(
    frames: Iterable[NDArray[np.uint8]], chunks: Sequence[Chunk]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of each chunk, holding no more than two chunks.

    Parameters
    ----------
    frames
        Each (height, width, 3) uint8, all of one size: as many as the chunks were planned for.
    chunks
        From `plan_chunks`.

    Yields
    ------
    ndarray
        (stop - start, height, width, 3) uint8; a new array each time. It must not be written to
        before the next is there, which takes its first frames from it.

    Raises
    ------
    VideoError
        The frames end too early.

    Examples
    --------
    >>> chunks = (Chunk(0, 4, 0, 1), Chunk(2, 6, 0, 1))
    >>> [part.tolist() for part in cut_chunks(np.arange(6, dtype=np.uint8), chunks)]
    [[0, 1, 2, 3], [2, 3, 4, 5]]
    """
    source = iter(frames)
    previous: NDArray[np.uint8] | None = None
    done = 0
    for chunk in chunks:
        held = done - chunk.start
        part = None if previous is None else np.empty_like(previous)
        if part is not None and previous is not None:
            part[:held] = previous[len(previous) - held :]
        for place in range(held, chunk.stop - chunk.start):
            frame = next(source, None)
            if frame is None:
                raise VideoError(f"the video has {done} frames, expected {chunks[-1].stop}")
            if part is None:
                part = np.empty((chunk.stop - chunk.start, *np.shape(frame)), np.uint8)
            part[place] = frame
            done += 1
        if part is not None:
            yield part
        previous = part


def give_logits(model: Any) -> Any:
    """Change an ``openvino.Model`` to take any number of frames and give the logits over time.

    What takes the mean over them, and the softmax, is dropped: it is found by what it does, for
    the names differ between converters. One compiled model serves all lengths.

    Parameters
    ----------
    model
        As `i3d_rgb_tf.ir.read_ir` gives it; it is changed.

    Returns
    -------
    openvino.Model
        Takes (1, frames, 3, 224, 224), gives (1, 400, logits) or (1, logits, 400).

    Raises
    ------
    ModelError
        There is no mean over time before the output.
    """
    import openvino

    node = result = model.get_results()[0]
    while node.get_type_name() != "ReduceMean":
        if node.get_input_size() == 0 or node.get_type_name() == "Convolution":
            raise ModelError(
                "the model takes no mean over time after its last convolution, so it cannot "
                "be given a whole video; convert it again with: i3d-rgb-tf convert"
            )
        node = node.input_value(0).get_node()
    model.add_outputs(node.input_value(0))
    model.remove_result(result)
    shape = model.input(0).partial_shape
    shape[1] = openvino.Dimension(FEWEST_FRAMES, MOST_FRAMES)
    model.reshape({model.input(0): shape})
    return model


def average_logits(logits: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the probabilities of a whole video from the logits that count.

    Parameters
    ----------
    logits
        Parts, each (logits, 400) float32.

    Returns
    -------
    ndarray
        (400,) float64: the softmax of their mean, as the network takes it.
    """
    mean = np.concatenate(list(logits)).mean(axis=0, dtype=np.float64)
    powers = np.exp(mean - mean.max())
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities


def _logits(num_frames: int, *, at_start: bool, at_end: bool) -> _Span:
    """Follow a chunk through the network; an end of it is the video's own or a cut."""

    def window(span: _Span, kernel: int, stride: int, *, padded: bool = True) -> _Span:
        length = -(-span.length // stride) if padded else span.length - kernel + 1
        # Output i sees inputs i * stride - before and on, as many as the kernel is long.
        before = max(0, (length - 1) * stride + kernel - span.length) // 2 if padded else 0
        first = 0 if at_start else -(-(span.first + before) // stride)
        last = length if at_end else (span.last + before - kernel) // stride + 1
        return _Span(length, first, last)

    def layer(span: _Span, each: Conv | MaxPool) -> _Span:
        return window(span, each.kernel[0], each.stride[0])

    span = _Span(num_frames, 0, num_frames)
    for stage in STAGES:
        if isinstance(stage, Mixed):
            ends = [reduce(layer, branch, span) for branch in stage.branches]
            first, last = max(end.first for end in ends), min(end.last for end in ends)
            span = _Span(ends[0].length, first, last)
        else:
            span = layer(span, stage)
    return window(span, AVERAGE_POOL[0], 1, padded=False)


FEWEST_FRAMES = next(num_frames for num_frames in range(1, 99) if count_logits(num_frames) > 0)
"""Shortest video that has a logit: 9 frames."""
