"""Videos -> action labels: one pass over the whole video, the mean of its logits, softmax."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i3d_rgb_tf.choices import Convolution
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.inference.dense import MeanLogits, frame_blocks, infer_dense
from i3d_rgb_tf.inference.networks import Networks
from i3d_rgb_tf.inference.pipeline import (
    OutputList,
    ReadError,
    infer_videos,
    read_videos,
)
from i3d_rgb_tf.inference.receptive_field import count_logits
from i3d_rgb_tf.labels import NUM_LABELS, load_labels
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import center_crop, loop_frames, read_cropped
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND, resample_frames
from i3d_rgb_tf.video.length import count_frames

__all__ = [
    "Classification",
    "Prediction",
    "classify_frames",
    "classify_videos",
    "classify_while_loading",
]

_Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """An action and its probability."""

    label: str
    """Name of the action, one of the 400 of Kinetics-400."""
    index: int
    """Its place among the network's outputs, 0..399."""
    probability: float
    """0..1."""


@dataclass(frozen=True)
class Classification:
    """What the network predicts for one video."""

    video: str
    """Path as it was given; empty for frames."""
    num_frames: int
    """Frames after resampling to 25 per second."""
    duration_seconds: float
    """Length at 25 frames per second."""
    num_positions: int
    """Positions in time, one every 8 frames, whose logits were averaged."""
    weights: str
    """Weight set of the model: ``rgb_imagenet``, ``rgb_scratch``, or ``unknown``."""
    model: str
    """Path of the IR."""
    convolution: Convolution
    """How the convolutions were computed."""
    predictions: tuple[Prediction, ...]
    """The most probable actions, best first."""
    probabilities: NDArray[np.float32] = field(repr=False, compare=False)
    """(400,) float32: those of the whole video."""


def classify_videos(
    networks: Networks, videos: Iterable[str | Path], *, top_k: int = 5
) -> Iterator[Classification | VideoError]:
    """Name the actions in videos one after the other; see `i3d_rgb_tf.model.Model.classify_all`."""
    _check_top_k(top_k)
    return _classify(networks, map(_open, videos), top_k)


def classify_frames(
    networks: Networks,
    frames: Iterable[ArrayLike],
    frames_per_second: float | Fraction,
    *,
    top_k: int = 5,
) -> Classification | VideoError:
    """Name the actions in decoded frames; see `i3d_rgb_tf.model.Model.classify_frames`."""
    _check_top_k(top_k)
    if isinstance(frames, str | Path):
        raise TypeError(f"frames is {frames!r}, expected arrays; use classify for a file")
    resampled = resample_frames(frames, frames_per_second)
    cropped = (center_crop(frame, load_spec().frame_size) for frame in resampled)
    # As `_open`, but what the frames raise is raised.
    (result,) = _classify(networks, [_hold("", cropped, lambda: None)], top_k)
    return result


def classify_while_loading(
    load: Callable[[], Networks], videos: Iterable[str | Path], *, top_k: int = 5
) -> Iterator[Classification | VideoError]:
    """Name the actions in videos as `classify_videos` does, for an early first result.

    The beginning of the first video is decoded while the model is read, in another thread.

    Parameters
    ----------
    load
        Gives the networks; what it raises is raised.
    videos, top_k
        As for `classify_videos`.
    """
    _check_top_k(top_k)
    opened = map(_open, videos)
    with ThreadPoolExecutor(1, "load") as pool:
        loading = pool.submit(load)
        first = list(islice(opened, 1))
    yield from _classify(loading.result(), chain(first, opened), top_k)


@dataclass
class _Opened:
    """A video of which the beginning is decoded, which shows how it is inferred."""

    video: str | Path
    """As it was given."""
    held: list[_Frame]
    """Its first frames: those of a clip and one more, or all."""
    rest: Iterator[_Frame]
    """Its other frames."""
    count: Callable[[], int | None]
    """Gives how many frames it has in all; None if that is unknown."""
    error: VideoError | None = None
    """Why its beginning cannot be read."""
    num_frames: int = 0
    """Frames that were read."""

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


def _open(video: str | Path) -> _Opened:
    path = Path(video)
    try:
        return _hold(video, read_cropped(path, load_spec().frame_size), partial(count_frames, path))
    except VideoError as error:
        return _Opened(video, [], iter(()), lambda: None, error)


def _hold(video: str | Path, frames: Iterator[_Frame], count: Callable[[], int | None]) -> _Opened:
    # A view would keep the whole frame in memory.
    held = [frame.copy() for frame in islice(frames, load_spec().num_frames + 1)]
    return _Opened(video, held, frames, count)


@dataclass(frozen=True)
class _Found:
    """What the network gave for one video."""

    opened: _Opened
    """The video."""
    error: ReadError | None
    """Why it could not be read to its end."""
    probabilities: NDArray[np.float32]
    """(400,) float32."""
    num_positions: int
    """Positions in time that they are of."""


_Infer = Callable[[Networks, Iterable[_Opened]], Generator[_Found, None, None]]


def _classify(
    networks: Networks, videos: Iterable[_Opened], top_k: int
) -> Iterator[Classification | VideoError]:
    # A group is read while it is inferred.
    for infer, group in groupby(videos, key=_chooser()):
        with closing(infer(networks, group)) as found:
            for each in found:
                if isinstance(each.error, VideoError):
                    yield each.error
                elif each.error:
                    raise each.error
                else:
                    yield _classification(networks, each, top_k)


def _chooser() -> Callable[[_Opened], _Infer]:
    """Return what chooses how a video is inferred; one that cannot be read does not end a group."""
    chosen: _Infer = _report

    def choose(opened: _Opened) -> _Infer:
        nonlocal chosen
        if not opened.error:
            chosen = _infer_long if opened.is_long else _infer_short
        return chosen

    return choose


def _report(_: Networks, videos: Iterable[_Opened]) -> Generator[_Found, None, None]:
    """Yield the videos before the first that can be read, without a network."""
    for opened in videos:
        yield _Found(opened, opened.error, np.empty(0, np.float32), 0)


def _infer_short(networks: Networks, videos: Iterable[_Opened]) -> Generator[_Found, None, None]:
    """Infer each video as one clip."""
    length = load_spec().num_frames
    inputs = read_videos(videos, partial(_read_clip, length=length))
    with closing(infer_videos(networks.clip.compiled, inputs, OutputList)) as inferred:
        for each in inferred:
            probabilities = each.outputs[0][1] if each.outputs else np.empty(0, np.float32)
            yield _Found(each.video, each.error, probabilities, count_logits(length))


def _read_clip(opened: _Opened, length: int) -> Iterator[tuple[None, _Frame]]:
    frames = list(opened.frames())
    yield None, loop_frames(np.stack(frames) if frames else np.empty(0, np.uint8), length)


def _infer_long(networks: Networks, videos: Iterable[_Opened]) -> Generator[_Found, None, None]:
    """Infer each video in one dense pass."""
    inputs = read_videos(videos, _read_blocks)
    with closing(infer_dense(networks.dense.compiled, inputs, MeanLogits)) as inferred:
        for each in inferred:
            mean = each.outputs
            yield _Found(each.video, each.error, mean.probabilities(), mean.num_positions)


def _read_blocks(opened: _Opened) -> Iterator[tuple[int, _Frame]]:
    return frame_blocks(opened.frames(), opened.count())


def _classification(networks: Networks, found: _Found, top_k: int) -> Classification:
    num_frames = found.opened.num_frames
    return Classification(
        video=str(found.opened.video),
        num_frames=num_frames,
        duration_seconds=num_frames / FRAMES_PER_SECOND,
        num_positions=found.num_positions,
        weights=networks.weights,
        model=str(networks.path),
        convolution=networks.convolution,
        predictions=_best(found.probabilities, top_k),
        probabilities=found.probabilities,
    )


def _best(probabilities: NDArray[np.float32], top_k: int) -> tuple[Prediction, ...]:
    labels = load_labels()
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return tuple(Prediction(labels[i], int(i), float(probabilities[i])) for i in order)


def _check_top_k(top_k: int) -> None:
    if not 1 <= top_k <= NUM_LABELS:
        raise ValueError(f"top_k is {top_k}, expected 1..{NUM_LABELS}")
