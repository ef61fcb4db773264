"""Videos through a compiled model: the next inputs are read while the device infers.

::

    read_videos    video -> read -> (frames, tag), (frames, tag), end of video     decoding
    infer_videos   -> infer_in_order -> VideoOutputs                               device

Both are generators: nothing is kept but the inputs that are being inferred, and what the collector
of one video keeps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import DatasetError, VideoError
from i3d_rgb_tf.inference.prefetch import prefetch
from i3d_rgb_tf.inference.requests import end_requests, is_done, wait_for
from i3d_rgb_tf.ir.compile import inference_errors

__all__ = [
    "Collector",
    "OutputList",
    "ReadError",
    "VideoInput",
    "VideoOutputs",
    "infer_in_order",
    "infer_videos",
    "read_videos",
]

ReadError = DatasetError | VideoError
"""Why one video of many cannot be read; the others go on."""

_Video = TypeVar("_Video")
_Tag = TypeVar("_Tag")
_Collector = TypeVar("_Collector", bound="Collector")


class Collector(Protocol):
    """Takes the outputs for a video, one by one."""

    def add(self, tag: Any, output: NDArray[np.float32], /) -> None:
        """Take the output for an input, without its batch axis, and the tag of the input."""


class OutputList(list[tuple[Any, NDArray[np.float32]]]):
    """A collector that keeps every tag with its output."""

    def add(self, tag: Any, output: NDArray[np.float32]) -> None:
        """Append a tag and its output."""
        self.append((tag, output))


@dataclass(frozen=True)
class VideoInput(Generic[_Video, _Tag]):
    """One input of a video, or the end of the video."""

    video: _Video
    """The video it is of."""
    frames: NDArray[Any] | None = None
    """(frames, height, width, 3), RGB, 0..255; None at the end of the video."""
    tag: _Tag | None = None
    """What the reader attached to this input; None at the end of the video."""
    error: ReadError | None = None
    """At the end: why the video cannot be read, or not to its end."""


@dataclass(frozen=True)
class VideoOutputs(Generic[_Video, _Collector]):
    """What the network gave for one video."""

    video: _Video
    """The video."""
    outputs: _Collector
    """What took the outputs, in order."""
    error: ReadError | None
    """Why the video could not be read to its end; None when it was."""


def read_videos(
    videos: Iterable[_Video],
    read: Callable[[_Video], Iterator[tuple[_Tag, NDArray[Any]]]],
    *,
    workers: int = 1,
) -> Generator[VideoInput[_Video, _Tag], None, None]:
    """Yield the inputs of each video and, after its last, its end.

    Parameters
    ----------
    videos
        Whatever `read` takes.
    read
        Yields a tag and the frames of each input of a video.
    workers
        How many videos are read at once; 1 reads in the thread of the caller.
    """
    return prefetch((partial(_inputs, video, read) for video in videos), workers)


def infer_videos(
    compiled: Any,
    inputs: Iterable[VideoInput[_Video, _Tag]],
    collector: Callable[[], _Collector],
) -> Generator[VideoOutputs[_Video, _Collector], None, None]:
    """Yield the outputs of each video, in order, as soon as its last one is there.

    Parameters
    ----------
    compiled
        An ``openvino.CompiledModel``.
    inputs
        As `read_videos` gives them.
    collector
        Makes what takes the outputs for a video: a sum, for example, or a list.

    Raises
    ------
    DeviceError
        The device fails.
    """
    outputs = collector()
    tagged = ((_without_frames(each), each.frames) for each in inputs)
    # Requests are cancelled as soon as the caller stops early.
    with closing(infer_in_order(compiled, tagged)) as inferred:
        for each, output in inferred:
            if output is not None:
                outputs.add(each.tag, output)
                continue
            yield VideoOutputs(each.video, outputs, each.error)
            outputs = collector()


def infer_in_order(
    compiled: Any, inputs: Iterable[tuple[_Tag, NDArray[Any] | None]]
) -> Generator[tuple[_Tag, NDArray[np.float32] | None], None, None]:
    """Infer in order while `inputs` makes the next ones.

    The device always has one input more than it works on at once, so it does not wait while
    `inputs` works, in the thread of the caller; nothing else is kept.

    Parameters
    ----------
    compiled
        An ``openvino.CompiledModel``.
    inputs
        Pairs of a tag and an input without its batch axis; an input of None has no output.

    Yields
    ------
    tuple
        The tag of an input, and its output without its batch axis.

    Raises
    ------
    DeviceError
        The device fails.
    """
    # OpenVINO's AsyncInferQueue is not used: its callbacks need the GIL and can deadlock when a
    # model is freed.
    count = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1
    with inference_errors(compiled):
        idle = [compiled.create_infer_request() for _ in range(count)]
    # A request reads its input in place, so a reference to it is kept.
    running: deque[tuple[_Tag, Any, NDArray[Any] | None]] = deque()

    def finish_first() -> tuple[_Tag, NDArray[np.float32] | None]:
        tag, request, _ = running.popleft()
        if request is None:
            return tag, None
        wait_for(request, compiled)
        output: NDArray[np.float32] = request.get_output_tensor(0).data[0].copy()
        idle.append(request)
        return tag, output

    try:
        for tag, array in inputs:
            request = None
            if array is not None:
                while not idle:
                    yield finish_first()
                request = idle.pop()
                array = array[np.newaxis]  # noqa: PLW2901
                with inference_errors(compiled):
                    request.start_async({0: array}, share_inputs=True)
            running.append((tag, request, array))
            # What is done is given before the next input is made.
            while running and (running[0][1] is None or is_done(running[0][1], compiled)):
                yield finish_first()
        while running:
            yield finish_first()
    finally:
        end_requests(request for _, request, _ in running if request is not None)


def _inputs(
    video: _Video, read: Callable[[_Video], Iterator[tuple[_Tag, NDArray[Any]]]]
) -> Iterator[VideoInput[_Video, _Tag]]:
    error: ReadError | None = None
    try:
        for tag, frames in read(video):
            yield VideoInput(video, frames, tag)
    except (DatasetError, VideoError) as found:
        error = found
    yield VideoInput(video, error=error)


def _without_frames(each: VideoInput[_Video, _Tag]) -> VideoInput[_Video, _Tag]:
    return replace(each, frames=None)
