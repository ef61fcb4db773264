"""Infer videos of any length, each as in one dense pass over all of it, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain, cycle, islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.inference.dense_pass import DensePass, End, Output
from i3d_rgb_tf.inference.pipeline import Collector, VideoInput, VideoOutputs
from i3d_rgb_tf.inference.receptive_field import FEWEST_FRAMES, TIME_STRIDE
from i3d_rgb_tf.labels import NUM_LABELS

__all__ = ["CHUNK_FRAMES", "MeanLogits", "frame_blocks", "infer_dense"]

CHUNK_FRAMES = 80
"""Frames in a chunk: it takes about the time of a clip; bench/README.md has other lengths."""

_HELD_FRAMES = 384
"""Frames that are held to count those of a video of unknown length; 15 seconds."""

_Video = TypeVar("_Video")
_Collector = TypeVar("_Collector", bound=Collector)
_Frames = NDArray[np.uint8]


def frame_blocks(
    frames: Iterable[_Frames], num_frames: int | None = None
) -> Iterator[tuple[int, _Frames]]:
    """Yield the frames of a video in blocks, each with the number of frames in the video.

    A video of fewer than `FEWEST_FRAMES` frames is repeated until it has as many.

    Parameters
    ----------
    frames
        Each (224, 224, 3) uint8, or (crops, 224, 224, 3); they are copied.
    num_frames
        How many there are; None if that is unknown. Up to 384 are held to count them. If there are
        more, 0 is yielded instead: the padding before the video is that of a multiple of 8 frames,
        which differs from the right one by 3 frames at most.
    """
    source: Iterator[_Frames] = (frame.copy() for frame in frames)
    if num_frames is None:
        held = list(islice(source, _HELD_FRAMES + 1))
        num_frames = len(held) if len(held) <= _HELD_FRAMES else 0
        source = chain(held, source)
    first = list(islice(source, FEWEST_FRAMES))
    if 0 < len(first) < FEWEST_FRAMES:
        first = list(islice(cycle(first), FEWEST_FRAMES))
        num_frames = FEWEST_FRAMES
    source = chain(first, source)
    while block := list(islice(source, TIME_STRIDE)):
        yield num_frames, np.stack(block)


def infer_dense(
    compiled: Any,
    inputs: Iterable[VideoInput[_Video, int]],
    collector: Callable[[], _Collector],
    *,
    num_crops: int = 1,
) -> Generator[VideoOutputs[_Video, _Collector], None, None]:
    """Yield the outputs for each video, in order.

    Parameters
    ----------
    compiled
        An ``openvino.CompiledModel`` of what `i3d_rgb_tf.ir.streaming.make_streaming` returns.
    inputs
        Of each video the blocks that `frame_blocks` yields, tagged with the number of frames, as
        `i3d_rgb_tf.inference.pipeline.read_videos` gives them.
    collector
        Makes what takes the outputs for a video: the number of each position, from 0, and its 1024
        features and 400 logits, (crops, 1424) float32.
    num_crops
        Crops in each frame.

    Raises
    ------
    DeviceError
        The device fails.
    """
    outputs = collector()
    with closing(DensePass(compiled, num_crops=num_crops)) as dense:
        for use, rows in _infer_all(dense, inputs):
            if isinstance(use, End):
                yield VideoOutputs(use.video, outputs, use.error)
                outputs = collector()
            else:
                outputs.add(use.number, rows)


def _infer_all(dense: DensePass, inputs: Iterable[VideoInput[Any, int]]) -> Iterator[Output]:
    for each in inputs:
        yield from dense.add(each)
    yield from dense.flush()


class MeanLogits:
    """A collector of the mean over time of a video's logits."""

    def __init__(self) -> None:
        self.num_positions = 0
        self._total = np.zeros(NUM_LABELS, np.float64)

    def add(self, _: int, row: NDArray[np.float32]) -> None:
        """Take a row, (1, n) float32, whose last 400 numbers are the logits of a position."""
        self._total += row[0, -NUM_LABELS:]
        self.num_positions += 1

    def probabilities(self) -> NDArray[np.float32]:
        """Return the probabilities of the actions, (400,): the softmax, as in the network."""
        mean = self._total / max(1, self.num_positions)
        powers = np.exp(mean - mean.max())
        probabilities: NDArray[np.float32] = (powers / powers.sum()).astype(np.float32)
        return probabilities
