"""Videos of any length through the network: a short one as a clip, a longer one in one dense pass.

Either way a collector takes rows whose last 400 numbers are logits: one for a short video, and one
for each position in time of a longer one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.inference.dense import frame_blocks, infer_dense
from i3d_rgb_tf.inference.networks import Networks
from i3d_rgb_tf.inference.pipeline import (
    Collector,
    OutputList,
    VideoOutputs,
    infer_videos,
    read_videos,
)
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import loop_frames, read_cropped
from i3d_rgb_tf.video.files import video_file
from i3d_rgb_tf.video.length import count_frames

__all__ = ["OpenedVideo", "begin_video", "hold_frames", "infer_whole"]

_Frame = NDArray[np.uint8]
_Collector = TypeVar("_Collector", bound=Collector)


@dataclass
class OpenedVideo:
    """A video of which the beginning is decoded, which shows how it is inferred."""

    video: str | Path
    """As it was given; empty for frames."""
    held: list[_Frame]
    """Its first frames: those of a clip and one more, or all."""
    rest: Iterator[_Frame]
    """Its other frames."""
    count: Callable[[], int | None]
    """Gives how many frames it has in all; None if that is unknown."""
    error: VideoError | None = None
    """Why its beginning cannot be read."""
    num_frames: int = 0
    """Frames that were read so far."""
    padded_as: int = 0
    """Number of frames that the padding of the dense pass is for."""

    @property
    def is_long(self) -> bool:
        """Whether it is longer than a clip."""
        return len(self.held) > load_spec().num_frames

    def frames(self) -> Iterator[_Frame]:
        """Yield all frames, once, and count them."""
        if self.error:
            raise self.error
        held, self.held = self.held, []
        for frame in chain(held, self.rest):
            self.num_frames += 1
            yield frame


def begin_video(video: str | Path) -> OpenedVideo:
    """Decode the beginning of a video file; an error is kept, not raised."""
    try:
        path = video_file(video)
        frames = read_cropped(path, load_spec().frame_size)
        return hold_frames(video, frames, partial(count_frames, path))
    except VideoError as error:
        return OpenedVideo(video, [], iter(()), lambda: None, error)


def hold_frames(
    video: str | Path, frames: Iterator[_Frame], count: Callable[[], int | None]
) -> OpenedVideo:
    """Take the beginning of frames.

    Parameters
    ----------
    video
        A name, or nothing.
    frames
        Each (224, 224, 3) uint8, RGB, 0..255, at 25 per second.
    count
        Gives how many there are; None if that is unknown.
    """
    # A view would keep the whole frame in memory.
    held = [frame.copy() for frame in islice(frames, load_spec().num_frames + 1)]
    return OpenedVideo(video, held, frames, count)


def infer_whole(
    networks: Networks,
    videos: Iterable[OpenedVideo],
    collector: Callable[[], _Collector],
) -> Generator[VideoOutputs[OpenedVideo, _Collector], None, None]:
    """Yield the outputs for each video, in order; the next one is read meanwhile.

    Parameters
    ----------
    networks
        The network, compiled as the videos need it.
    videos
        A video of fewer than 79 frames is looped until it is a clip.
    collector
        Makes what takes the outputs for a video: the number of each row, from 0, and the row,
        (1, n) float32, whose last 400 numbers are logits. A short video has one row of 400, from
        which any number may have been subtracted.

    Raises
    ------
    DeviceError
        The device fails.
    """
    # A group is read while it is inferred.
    for infer, group in groupby(videos, key=_chooser()):
        with closing(infer(networks, group, collector)) as inferred:
            yield from inferred


_Infer = Callable[
    [Networks, Iterable[OpenedVideo], Callable[[], Any]],
    Generator[VideoOutputs[OpenedVideo, Any], None, None],
]


def _chooser() -> Callable[[OpenedVideo], _Infer]:
    """Return what chooses how a video is inferred; one that cannot be read does not end a group."""
    chosen: _Infer = _report

    def choose(opened: OpenedVideo) -> _Infer:
        nonlocal chosen
        if not opened.error:
            chosen = _infer_long if opened.is_long else _infer_short
        return chosen

    return choose


def _report(
    _: Networks, videos: Iterable[OpenedVideo], collector: Callable[[], _Collector]
) -> Generator[VideoOutputs[OpenedVideo, _Collector], None, None]:
    """Yield the videos before the first that can be read, without a network."""
    for opened in videos:
        yield VideoOutputs(opened, collector(), opened.error)


def _infer_short(
    networks: Networks, videos: Iterable[OpenedVideo], collector: Callable[[], _Collector]
) -> Generator[VideoOutputs[OpenedVideo, _Collector], None, None]:
    """Infer each video as one clip, whose probabilities are the softmax of its mean logits."""
    inputs = read_videos(videos, _read_clip)
    with closing(infer_videos(networks.clip.compiled, inputs, OutputList)) as inferred:
        for each in inferred:
            outputs = collector()
            for _, probabilities in each.outputs:
                outputs.add(0, np.log(np.maximum(probabilities, _SMALLEST))[np.newaxis])
            yield VideoOutputs(each.video, outputs, each.error)


_SMALLEST = np.finfo(np.float32).tiny
"""Stands for a probability of 0, which has no logarithm."""


def _read_clip(opened: OpenedVideo) -> Iterator[tuple[None, _Frame]]:
    frames = list(opened.frames())
    length = load_spec().num_frames
    yield None, loop_frames(np.stack(frames) if frames else np.empty(0, np.uint8), length)


def _infer_long(
    networks: Networks, videos: Iterable[OpenedVideo], collector: Callable[[], _Collector]
) -> Generator[VideoOutputs[OpenedVideo, _Collector], None, None]:
    """Infer each video in one dense pass."""
    return infer_dense(networks.dense.compiled, read_videos(videos, _read_blocks), collector)


def _read_blocks(opened: OpenedVideo) -> Iterator[tuple[int, _Frame]]:
    for length, block in frame_blocks(opened.frames(), opened.count()):
        opened.padded_as = length
        yield length, block
