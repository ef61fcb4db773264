"""Infer videos of any length, each as in one dense pass over all of it, in bounded memory.

The network takes a chunk of frames at a time, and carries over what its layers need for the next
(`i3d_rgb_tf.ir.streaming`). Eight frames are a slot, and give one position; after each video, at
least one slot without frames keeps it from the next, which begins with a chunk. Here a chunk has
32 frames, and the videos have 18 and 11::

    chunks      |                                   |
    frames      ..012345 67890123 4567.... ........ .0123456 7890.... ........ ........
    positions   A 0      A 1                        B 0

A position reads its slot and the next, so the last slot of a video has none. TensorFlow's padding
depends on the length: up to three missing frames (dots) before a video make up for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, cycle, islice, repeat
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.inference.pipeline import Collector, ReadError, VideoInput, VideoOutputs
from i3d_rgb_tf.inference.receptive_field import (
    FEWEST_FRAMES,
    TIME_STRIDE,
    count_logits,
    missing_before,
)
from i3d_rgb_tf.inference.requests import end_requests, is_done, wait_for
from i3d_rgb_tf.ir.compile import inference_errors
from i3d_rgb_tf.ir.positions import NUM_FEATURES
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
    with closing(_infer_slots(compiled, inputs, num_crops)) as inferred:
        for use, rows in inferred:
            if isinstance(use, _End):
                yield VideoOutputs(use.video, outputs, use.error)
                outputs = collector()
            else:
                outputs.add(use, rows)


class MeanLogits:
    """A collector of the mean over time of a video's logits."""

    def __init__(self) -> None:
        self.num_positions = 0
        self._total = np.zeros(NUM_LABELS, np.float64)

    def add(self, _: int, row: NDArray[np.float32]) -> None:
        """Take the features and logits of a position, (1, 1424) float32."""
        self._total += row[0, NUM_FEATURES:]
        self.num_positions += 1

    def probabilities(self) -> NDArray[np.float32]:
        """Return the probabilities of the actions, (400,): the softmax, as in the network."""
        mean = self._total / max(1, self.num_positions)
        powers = np.exp(mean - mean.max())
        probabilities: NDArray[np.float32] = (powers / powers.sum()).astype(np.float32)
        return probabilities


@dataclass(frozen=True)
class _End:
    """The end of a video."""

    video: Any
    """The video."""
    error: ReadError | None = None
    """Why it could not be read to its end."""


_Use = int | _End
"""What the output for a slot is: the number of a position, or where a video ends."""


@dataclass(frozen=True)
class _Slot:
    """Eight frames in a row."""

    frames: Sequence[_Frames | None] = (None,) * TIME_STRIDE
    """Each (224, 224, 3) or (crops, 224, 224, 3); None is missing."""
    uses: tuple[_Use, ...] = ()
    """What its output is for."""


def _slots(inputs: Iterable[VideoInput[_Video, int]], per_chunk: int) -> Iterator[_Slot]:
    """Yield the slots of videos that follow each other, each from the beginning of a chunk on.

    So its results, to the last bit, do not depend on the videos before it.
    """
    frames: list[_Frames | None] = []
    # The last slot of a video has no position; which one it is shows only at the end.
    held: list[_Frames | None] = []
    unread: tuple[_Use, ...] = ()
    position = num_frames = 0
    for each in inputs:
        if each.frames is not None:
            if not frames and not held:
                frames = [None] * missing_before(each.tag or 0)
            frames.extend(each.frames)
            num_frames += len(each.frames)
        elif frames:
            frames += [None] * (-len(frames) % TIME_STRIDE)
        while len(frames) >= TIME_STRIDE:
            if held:
                # One too many, if the number that was stated is wrong, has no position.
                uses = (position,) if position < count_logits(num_frames) else ()
                yield _Slot(held, (*unread, *uses))
                unread = ()
                position += 1
            held, frames = frames[:TIME_STRIDE], frames[TIME_STRIDE:]
        if each.frames is None:
            unread = (*unread, _End(each.video, each.error))
            if held:
                yield _Slot(held)
                yield _Slot(uses=unread)
                yield from repeat(_Slot(), -(position + 2) % per_chunk)
                unread = ()
            held, position, num_frames = [], 0, 0
    if unread:
        yield _Slot(uses=unread)


def _infer_slots(
    compiled: Any, inputs: Iterable[VideoInput[_Video, int]], num_crops: int
) -> Generator[tuple[_Use, NDArray[np.float32]], None, None]:
    """Yield what each output is for, and the output."""
    stream = _Stream(compiled, num_crops)
    uses: deque[tuple[_Use, ...]] = deque([()] * stream.lag)
    waiting: list[_Slot] = []

    def finish() -> Iterator[tuple[_Use, NDArray[np.float32]]]:
        for rows in stream.finish():
            for use in uses.popleft():
                yield use, rows

    with closing(stream):
        for slot in _slots(inputs, stream.num_slots):
            uses.append(slot.uses)
            waiting.append(slot)
            if len(waiting) == stream.num_slots:
                outputs = list(finish())
                stream.start(waiting)
                waiting.clear()
                yield from outputs
            elif stream.is_done():
                yield from finish()
        yield from finish()
        while any(uses):
            missing = [_Slot()] * (stream.num_slots - len(waiting))
            uses.extend(slot.uses for slot in missing)
            stream.start([*waiting, *missing])
            waiting.clear()
            yield from finish()


class _Stream:
    """Infer requests that carry over from chunk to chunk: two for each crop, in turns.

    What a request carries over is in its output tensors, which are the input tensors of the other.
    """

    def __init__(self, compiled: Any, num_crops: int) -> None:
        self._compiled = compiled
        self.num_slots = int(compiled.output(0).shape[1])
        self._exists = np.zeros(compiled.input(1).shape, np.float32)
        self.lag = len(self._exists) // TIME_STRIDE - self.num_slots
        with inference_errors(compiled):
            self._idle = [_request_pair(compiled) for _ in range(num_crops)]
        self._running: list[Any] = []
        self._chunks = np.zeros((num_crops, *compiled.input(0).shape), np.uint8)

    def start(self, slots: Sequence[_Slot]) -> None:
        """Begin to infer the next slots."""
        frames = [frame for slot in slots for frame in slot.frames]
        exist = np.array([frame is not None for frame in frames], np.float32)
        self._exists = np.concatenate([self._exists[len(exist) :], exist])
        chunks = np.empty_like(self._chunks)
        repeated = chunks.shape[2] - len(frames)
        chunks[:, :, :repeated] = self._chunks[:, :, len(frames) :]
        for place, frame in enumerate(frames, repeated):
            target = chunks[:, 0, place]
            target[...] = 0 if frame is None else _with_crops(frame, target.shape)
        with inference_errors(self._compiled):
            for pair, chunk in zip(self._idle, chunks, strict=True):
                request = pair[0]
                pair.rotate()
                request.start_async({0: chunk, 1: self._exists}, share_inputs=True)
                self._running.append(request)
        # The requests read them in place.
        self._chunks = chunks

    def is_done(self) -> bool:
        """Whether the slots that were started are inferred."""
        return all(is_done(request, self._compiled) for request in self._running)

    def finish(self) -> list[NDArray[np.float32]]:
        """Wait for the slots that were started, and return the output for each, if any."""
        if not self._running:
            return []
        for request in self._running:
            wait_for(request, self._compiled)
        rows = np.stack([each.get_output_tensor(0).data[0] for each in self._running], axis=1)
        self._running = []
        return list(rows)

    def close(self) -> None:
        """Stop."""
        end_requests(self._running)
        self._running = []


def _with_crops(frame: _Frames, shape: tuple[int, ...]) -> _Frames:
    """Return a frame with an axis of crops; refuse one of another shape or type."""
    crops = frame if frame.ndim == len(shape) else frame[np.newaxis]
    if crops.shape != shape or crops.dtype != np.uint8:
        raise ValueError(
            f"a frame is {frame.shape} {frame.dtype}, expected {shape} uint8: crops, height, "
            "width, RGB; one crop needs no axis of its own"
        )
    return crops


def _request_pair(compiled: Any) -> deque[Any]:
    """Return two infer requests that take what the other carries over, which is zeros at first."""
    pair = compiled.create_infer_request(), compiled.create_infer_request()
    for one, other in (pair, pair[::-1]):
        for index in range(1, len(compiled.outputs)):
            carried = one.get_output_tensor(index)
            carried.data[:] = 0
            other.set_input_tensor(index + 1, carried)
    return deque(pair)
