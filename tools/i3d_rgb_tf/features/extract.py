"""Videos -> features: each video is decoded once, for all crops, while the device infers."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.features.result import Features
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.features.times import (
    Times,
    dense_times,
    divide_rows,
    group_times,
    window_times,
)
from i3d_rgb_tf.features.windows import WindowPlan, cut_windows, plan_windows
from i3d_rgb_tf.inference.dense import frame_blocks, infer_dense
from i3d_rgb_tf.inference.networks import Network, NetworkFacts, Networks
from i3d_rgb_tf.inference.pipeline import VideoOutputs, infer_videos, read_videos
from i3d_rgb_tf.inference.receptive_field import FEWEST_FRAMES
from i3d_rgb_tf.ir.positions import NUM_FEATURES
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.crops import crop_frame
from i3d_rgb_tf.video.decode import read_frames
from i3d_rgb_tf.video.files import VideoFile, video_file
from i3d_rgb_tf.video.length import count_frames
from i3d_rgb_tf.video.rates import FrameTimes, read_frame_times

__all__ = ["extract_features", "network_facts"]

_Inputs = Iterator[tuple[int, NDArray[np.uint8]]]


def extract_features(
    networks: Networks,
    videos: Iterable[str | Path],
    settings: FeatureSettings | None = None,
) -> Generator[Features | VideoError, None, None]:
    """Yield the features of each video, in order; the next video is decoded meanwhile.

    Parameters
    ----------
    networks
        The network, compiled as the settings need it.
    videos
        Paths or URLs of video files or animated GIFs.
    settings
        How the features are made; by default in one dense pass at 25 frames per second.

    Yields
    ------
    Features or VideoError
        One for each video; an error, which is not raised, where it cannot be read.

    Raises
    ------
    DeviceError
        The device fails.
    ModelError
        The model cannot give features.
    TypeError
        `videos` is a single path.
    """
    if isinstance(videos, str | Path):
        raise TypeError(f"videos is {videos!r}, expected a list of paths")
    return _extract(networks, videos, settings or FeatureSettings())


def network_facts(networks: Networks, settings: FeatureSettings) -> NetworkFacts:
    """Return what features with these settings depend on besides the video; compile the network."""
    return networks.facts(_network(networks, settings))


@dataclass
class _Video:
    """A video, and what is found out while it is read."""

    path: str | Path
    """As it was given."""
    rate: float | None
    """Rate that it is resampled to; None for each frame of the file once."""
    own_times: FrameTimes | None = None
    """When the frames of the file are on screen, if each is used once."""
    num_frames: int = 0
    """Frames that were read so far."""
    padded_as: int = 0
    """Number of frames that the padding of a dense pass is for."""

    @cached_property
    def file(self) -> VideoFile:
        """Where it is read."""
        return video_file(self.path)

    @property
    def frames_per_second(self) -> float:
        """The rate of the frames."""
        return self.own_times.frames_per_second if self.own_times else self.rate or 0

    def open(self) -> None:
        """Find out when the frames are on screen, unless they are resampled."""
        if self.rate is None:
            self.own_times = read_frame_times(self.file)

    def count_frames(self) -> int:
        """Return how many frames there will be, without decoding them."""
        if self.own_times:
            return len(self.own_times.starts) - 1
        return count_frames(self.file, frames_per_second=self.rate)

    def read_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames, and count them."""
        for frame in read_frames(self.file, frames_per_second=self.rate):
            self.num_frames += 1
            yield frame

    def clock(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the seconds of numbers of frames, which may have fractions."""
        if self.own_times is None:
            return frames / self.frames_per_second
        starts = self.own_times.starts
        return np.interp(frames, np.arange(len(starts)), starts)


class _Rows:
    """Collects the features and logits of a video, (crops, 1424) for each row."""

    def __init__(self, settings: FeatureSettings) -> None:
        self._settings = settings
        # It grows in place: a list of arrays, and then their join, would take twice the memory.
        self._values = array("f")
        self._length = NUM_FEATURES

    def add(self, _: int, output: NDArray[np.float32]) -> None:
        """Take (positions, 1424) for a window of one crop, or (crops, 1424) if dense."""
        rows = output if self._settings.is_dense else output.mean(axis=0)
        kept = rows if self._settings.logits else rows[..., :NUM_FEATURES]
        self._length = kept.shape[-1]
        self._values.frombytes(kept.tobytes())

    def stack(self) -> NDArray[np.float32]:
        """Return (rows, crops, 1024 or 1424) float32."""
        values = np.frombuffer(self._values, np.float32)
        return values.reshape(-1, self._settings.crops, self._length)


def _extract(
    networks: Networks, paths: Iterable[str | Path], settings: FeatureSettings
) -> Generator[Features | VideoError, None, None]:
    facts = network_facts(networks, settings)
    infer = _infer_dense if settings.is_dense else _infer_windows
    compiled = _network(networks, settings).compiled
    videos = (_Video(path, settings.frames_per_second) for path in paths)
    with closing(infer(compiled, videos, settings)) as inferred:
        for found in inferred:
            if isinstance(found.error, VideoError):
                yield found.error
            elif found.error:
                raise found.error
            else:
                yield _features(found.video, found.outputs.stack(), settings, facts)


def _network(networks: Networks, settings: FeatureSettings) -> Network:
    return networks.dense if settings.window is None else networks.window(settings.window)


def _infer_dense(
    compiled: Any, videos: Iterable[_Video], settings: FeatureSettings
) -> Generator[VideoOutputs[_Video, _Rows], None, None]:
    inputs = read_videos(videos, partial(_read_blocks, settings=settings))
    collector = partial(_Rows, settings)
    return infer_dense(compiled, inputs, collector, num_crops=settings.crops)


def _infer_windows(
    compiled: Any, videos: Iterable[_Video], settings: FeatureSettings
) -> Generator[VideoOutputs[_Video, _Rows], None, None]:
    inputs = read_videos(videos, partial(_read_windows, settings=settings))
    return infer_videos(compiled, inputs, partial(_Rows, settings))


def _read_blocks(video: _Video, settings: FeatureSettings) -> _Inputs:
    """Yield the frames of a video for the dense pass, each with all its crops."""
    video.open()
    crop = _cropper(settings)
    frames = (np.stack(crop(frame)) for frame in video.read_frames())
    for length, block in frame_blocks(frames, video.count_frames()):
        video.padded_as = length
        yield length, block


def _read_windows(video: _Video, settings: FeatureSettings) -> _Inputs:
    """Yield the frames of each window of a video: one crop after the other, with its number."""
    video.open()
    frames, window = video.read_frames(), settings.window or 0
    crop = _cropper(settings)
    for held in cut_windows(frames, window, settings.step, settings.last_window or "drop"):
        crops = zip(*map(crop, held), strict=True)
        yield from enumerate(map(np.stack, crops))


def _cropper(
    settings: FeatureSettings,
) -> Callable[[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    return partial(crop_frame, num_crops=settings.crops, size=load_spec().frame_size)


def _features(
    video: _Video, rows: NDArray[np.float32], settings: FeatureSettings, facts: NetworkFacts
) -> Features:
    times, plan = _times(video, len(rows), settings)
    parts = _parts(len(rows), settings)
    if parts:
        times = group_times(times, parts)
        rows = np.stack([rows[first:stop].mean(axis=0) for first, stop in parts])
    if settings.crops == 1:
        rows = rows[:, 0]
    return Features(
        video=str(video.path),
        features=np.ascontiguousarray(rows[..., :NUM_FEATURES]),
        logits=np.ascontiguousarray(rows[..., NUM_FEATURES:]) if settings.logits else None,
        times_seconds=times.center,
        start_seconds=times.start,
        end_seconds=times.end,
        frames_per_second=video.frames_per_second,
        num_frames=video.num_frames,
        is_repeated=plan.is_repeated if plan else video.num_frames < FEWEST_FRAMES,
        last_window=plan.last if plan else None,
        settings=settings,
        network=facts,
    )


def _times(
    video: _Video, num_rows: int, settings: FeatureSettings
) -> tuple[Times, WindowPlan | None]:
    """Return the times of the rows before they are averaged; the plan if they are windows."""
    if settings.window is None:
        times = dense_times(num_rows, video.num_frames, padded_as=video.padded_as)
        return times.convert(video.clock), None
    plan = plan_windows(
        video.num_frames, settings.window, settings.step, settings.last_window or "drop"
    )
    return window_times(plan.spans).convert(video.clock), plan


def _parts(num_rows: int, settings: FeatureSettings) -> Sequence[tuple[int, int]]:
    """Return which rows are averaged; nothing if none are."""
    if settings.pooling == "mean":
        return [(0, num_rows)]
    return divide_rows(num_rows, settings.segments) if settings.segments else []
