"""The dense pass: frames of videos as they come, and the outputs for each as soon as it is known.

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.inference.pipeline import ReadError, VideoInput
from i3d_rgb_tf.inference.receptive_field import TIME_STRIDE, count_logits, missing_before
from i3d_rgb_tf.inference.requests import end_requests, is_done, wait_for
from i3d_rgb_tf.ir.compile import inference_errors

__all__ = ["DensePass", "End", "Output", "Position"]

_Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Position:
    """A position in time of a video."""

    video: Any
    """The video."""
    number: int
    """Its number in the video, from 0."""


@dataclass(frozen=True)
class End:
    """The end of a video."""

    video: Any
    """The video."""
    error: ReadError | None = None
    """Why it could not be read to its end."""


Output = tuple[Position | End, NDArray[np.float32]]
"""What an output is for, and its 1024 features and 400 logits, (crops, 1424) float32; those of an
end mean nothing."""


class DensePass:
    """Infers videos that follow each other, whose frames are given as they come.

    Close it to end what runs.

    Parameters
    ----------
    compiled
        An ``openvino.CompiledModel`` of what `i3d_rgb_tf.ir.streaming.make_streaming` returns.
    num_crops
        Crops in each frame.

    Raises
    ------
    DeviceError
        The device fails.
    """

    def __init__(self, compiled: Any, *, num_crops: int = 1) -> None:
        self._stream = _Stream(compiled, num_crops)
        self._slots = _Slots(self._stream.num_slots)
        self._uses: deque[tuple[_Use, ...]] = deque([()] * self._stream.lag)
        self._waiting: list[_Slot] = []

    def add(self, given: VideoInput[Any, int]) -> Iterator[Output]:
        """Take the next frames of a video, or its end; yield the outputs that are there.

        While the device infers a chunk, the frames of the next one can be given; then this waits.

        Parameters
        ----------
        given
            Frames of any number, each (224, 224, 3) uint8, or (crops, 224, 224, 3), that are not
            changed afterwards. The tag of the first is the number of frames in the video; 0, if
            that is unknown, is taken as a multiple of 8.
        """
        for slot in self._slots.add(given):
            yield from self._add_slot(slot)

    def ready(self) -> Iterator[Output]:
        """Yield the outputs that have come since, without waiting."""
        if self._stream.is_done():
            yield from self._finish()

    def flush(self) -> Iterator[Output]:
        """Yield all outputs for the frames that were given; then, another video can begin.

        An output lags by 7 slots, so otherwise the last ones come with the frames of other videos.
        """
        for slot in self._slots.flush():
            yield from self._add_slot(slot)
        yield from self._finish()
        while any(self._uses):
            missing = [_Slot()] * (self._stream.num_slots - len(self._waiting))
            self._uses.extend(slot.uses for slot in missing)
            self._stream.start([*self._waiting, *missing])
            self._waiting.clear()
            yield from self._finish()

    def close(self) -> None:
        """Stop."""
        self._stream.close()

    def _add_slot(self, slot: _Slot) -> Iterator[Output]:
        self._uses.append(slot.uses)
        self._waiting.append(slot)
        if len(self._waiting) == self._stream.num_slots:
            outputs = list(self._finish())
            self._stream.start(self._waiting)
            self._waiting.clear()
            yield from outputs
        else:
            yield from self.ready()

    def _finish(self) -> Iterator[Output]:
        for rows in self._stream.finish():
            for use in self._uses.popleft():
                if use.is_known():
                    yield use.what, rows


@dataclass
class _Length:
    """The length of a video, as far as it is known."""

    num_frames: int = 0
    """Frames that were given so far."""


@dataclass(frozen=True)
class _Use:
    """What the output for a slot may be for."""

    what: Position | End
    """A position, or the end of a video."""
    length: _Length
    """Of its video."""

    def is_known(self) -> bool:
        """Whether it is for that: the last slot of a video has no position.

        When the output is there, so are the next slots, or the end of the video. One slot too many,
        if the number of frames that was stated is wrong, has no position either.
        """
        if isinstance(self.what, End):
            return True
        return self.what.number < count_logits(self.length.num_frames)


@dataclass(frozen=True)
class _Slot:
    """Eight frames in a row."""

    frames: Sequence[_Frames | None] = (None,) * TIME_STRIDE
    """Each (224, 224, 3) or (crops, 224, 224, 3); None is missing."""
    uses: tuple[_Use, ...] = ()
    """What its output is for."""


class _Slots:
    """Divides videos that follow each other into slots, each from the beginning of a chunk on.

    So its results, to the last bit, do not depend on the videos before it.
    """

    def __init__(self, per_chunk: int) -> None:
        self._per_chunk = per_chunk
        self._frames: list[_Frames | None] = []
        self._length = _Length()
        self._num_slots = 0
        self._ends: tuple[_Use, ...] = ()

    def add(self, given: VideoInput[Any, int]) -> Iterator[_Slot]:
        """Take the next frames of a video, or its end, and yield the slots that are complete."""
        if given.frames is not None:
            if not self._length.num_frames:
                self._frames = [None] * missing_before(given.tag or 0)
            self._frames.extend(given.frames)
            self._length.num_frames += len(given.frames)
        elif self._frames:
            self._frames += [None] * (-len(self._frames) % TIME_STRIDE)
        while len(self._frames) >= TIME_STRIDE:
            use = _Use(Position(given.video, self._num_slots), self._length)
            slot = _Slot(self._frames[:TIME_STRIDE], (*self._ends, use))
            self._frames, self._ends = self._frames[TIME_STRIDE:], ()
            self._num_slots += 1
            yield slot
        if given.frames is None:
            yield from self._end(End(given.video, given.error))

    def flush(self) -> Iterator[_Slot]:
        """Yield a slot for the ends of videos that had no frames."""
        if self._ends:
            yield _Slot(uses=self._ends)
        self._ends = ()

    def _end(self, end: End) -> Iterator[_Slot]:
        self._ends = (*self._ends, _Use(end, self._length))
        if self._num_slots:
            yield from self.flush()
            yield from repeat(_Slot(), -(self._num_slots + 1) % self._per_chunk)
        self._length, self._num_slots = _Length(), 0


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
