"""Infer a video of any length as in one dense pass, in bounded memory.

A long video is divided into chunks that overlap by the receptive field. Of each chunk, only the
logits that do not depend on its cut ends are used. Together they equal those of one pass over the
whole video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import ModelError, VideoError
from i3d_rgb_tf.inference.receptive_field import (
    FEWEST_FRAMES,
    TIME_STRIDE,
    count_logits,
    exact_logits,
)
from i3d_rgb_tf.ir.layouts import change_layout

__all__ = [
    "MOST_FRAMES",
    "Chunk",
    "average_logits",
    "cut_chunks",
    "plan_chunks",
    "with_logits_as_output",
]

MOST_FRAMES = 384
"""Frames of the longest chunk: 15 seconds. It needs 1.8 GB of memory in float32, 0.6 in INT8."""


@dataclass(frozen=True)
class Chunk:
    """A part of a video, and which of its logits to use."""

    start: int
    """First frame, counted in the video."""
    stop: int
    """Frame after the last one, counted in the video."""
    first: int
    """First logit to use, counted in the chunk."""
    last: int
    """Logit after the last one to use, counted in the chunk."""


def plan_chunks(num_frames: int, most_frames: int = MOST_FRAMES) -> tuple[Chunk, ...]:
    """Divide a video into chunks so that each logit of the whole video is used once.

    TensorFlow's padding is asymmetric; how much depends on the length. Therefore each chunk starts
    at a multiple of `TIME_STRIDE`, and all chunks have the same length, which equals that of the
    video modulo `TIME_STRIDE`::

        whole     ----------------------------     logits  abcdefghijkl
        chunks    -------------                            abcd..
                          -------------                       .efgh.
                                 -------------                   ..ijkl

    Parameters
    ----------
    num_frames
        Frames in the video, at least `FEWEST_FRAMES`.
    most_frames
        Frames in the longest chunk. A video up to this length is one chunk; the chunks of a longer
        video may be up to 7 frames shorter.

    Raises
    ------
    ValueError
        A chunk is shorter than the receptive field, or the video is too short.

    Examples
    --------
    >>> plan_chunks(250)
    (Chunk(start=0, stop=250, first=0, last=31),)
    >>> [(chunk.start, chunk.stop) for chunk in plan_chunks(600)]
    [(0, 384), (216, 600)]
    """
    if num_frames < FEWEST_FRAMES:
        raise ValueError(f"the video has {num_frames} frames, expected {FEWEST_FRAMES} or more")
    total = count_logits(num_frames)
    if num_frames <= most_frames:
        return (Chunk(0, num_frames, 0, total),)
    length = most_frames - (most_frames - num_frames) % TIME_STRIDE
    margin = exact_logits(length, at_start=False, at_end=False)
    if margin.first >= margin.last:
        raise ValueError(
            f"chunks of {most_frames} frames are shorter than the receptive field; use longer ones"
        )
    chunks: list[Chunk] = []
    done = 0
    while done < total:
        start = min(max(0, TIME_STRIDE * (done - margin.first)), num_frames - length)
        stop = start + length
        last = exact_logits(length, at_start=start == 0, at_end=stop == num_frames).last
        before = start // TIME_STRIDE
        chunks.append(Chunk(start, stop, done - before, last))
        done = before + last
    return tuple(chunks)


def cut_chunks(
    frames: Iterable[NDArray[np.uint8]], chunks: Sequence[Chunk]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of each chunk; at most two chunks are in memory.

    Parameters
    ----------
    frames
        Each (height, width, 3) uint8, all of one size: as many as the chunks were planned for.
    chunks
        From `plan_chunks`.

    Yields
    ------
    ndarray
        (stop - start, height, width, 3) uint8; a new array each time. Do not write to it before
        the next chunk is yielded, which copies frames from it.

    Raises
    ------
    VideoError
        There are fewer frames than planned.

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


def with_logits_as_output(model: Any) -> Any:
    """Change an ``openvino.Model`` to take a varying number of frames and return all logits.

    The mean over time and the softmax are removed. They are found by their type, because their
    names differ between converters. The result is compiled once for videos of every length.

    Parameters
    ----------
    model
        From `i3d_rgb_tf.ir.files.read_ir`; it is changed.

    Returns
    -------
    openvino.Model
        Its input is (1, frames, 224, 224, 3), with `FEWEST_FRAMES` to `MOST_FRAMES` frames; its
        output is (1, 400, logits) or (1, logits, 400).

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
                "the model has no mean over time after its last convolution, so it cannot infer "
                "a whole video; convert it again with: i3d-rgb-tf convert"
            )
        node = node.input_value(0).get_node()
    model.add_outputs(node.input_value(0))
    model.remove_result(result)
    change_layout(model, "NDHWC")
    shape = model.input(0).partial_shape
    shape[1] = openvino.Dimension(FEWEST_FRAMES, MOST_FRAMES)
    model.reshape({model.input(0): shape})
    return model


def average_logits(logits: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the probabilities of a whole video from the logits of its chunks.

    Parameters
    ----------
    logits
        Those to use of each chunk, (logits, 400) float32.

    Returns
    -------
    ndarray
        (400,) float64: the softmax of the mean logits, as in the network.
    """
    mean = np.concatenate(list(logits)).mean(axis=0, dtype=np.float64)
    powers = np.exp(mean - mean.max())
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities
