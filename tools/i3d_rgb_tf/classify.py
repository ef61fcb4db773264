"""Videos -> action labels: one pass over the whole video, the mean of its logits, softmax."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i3d_rgb_tf.choices import Convolution
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.inference.dense import MeanLogits
from i3d_rgb_tf.inference.networks import Networks
from i3d_rgb_tf.inference.pipeline import VideoOutputs
from i3d_rgb_tf.inference.receptive_field import count_logits
from i3d_rgb_tf.labels import NUM_LABELS, load_labels
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import center_crop
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND, resample_frames
from i3d_rgb_tf.whole_videos import OpenedVideo, begin_video, hold_frames, infer_whole

__all__ = [
    "Classification",
    "Prediction",
    "classify_frames",
    "classify_videos",
    "classify_while_loading",
]


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
    return _classify(networks, map(begin_video, videos), top_k)


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
    # As `begin_video`, but what the frames raise is raised.
    (result,) = _classify(networks, [hold_frames("", cropped, lambda: None)], top_k)
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
    opened = map(begin_video, videos)
    with ThreadPoolExecutor(1, "load") as pool:
        loading = pool.submit(load)
        first = list(islice(opened, 1))
    yield from _classify(loading.result(), chain(first, opened), top_k)


def _classify(
    networks: Networks, videos: Iterable[OpenedVideo], top_k: int
) -> Iterator[Classification | VideoError]:
    with closing(infer_whole(networks, videos, MeanLogits)) as inferred:
        for each in inferred:
            if isinstance(each.error, VideoError):
                yield each.error
            elif each.error:
                raise each.error
            else:
                yield _classification(networks, each, top_k)


def _classification(
    networks: Networks, found: VideoOutputs[OpenedVideo, MeanLogits], top_k: int
) -> Classification:
    opened, probabilities = found.video, found.outputs.probabilities()
    num_frames = opened.num_frames
    return Classification(
        video=str(opened.video),
        num_frames=num_frames,
        duration_seconds=num_frames / FRAMES_PER_SECOND,
        num_positions=count_logits(max(num_frames, load_spec().num_frames)),
        weights=networks.weights,
        model=str(networks.path),
        convolution=networks.convolution,
        predictions=_best(probabilities, top_k),
        probabilities=probabilities,
    )


def _best(probabilities: NDArray[np.float32], top_k: int) -> tuple[Prediction, ...]:
    labels = load_labels()
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return tuple(Prediction(labels[i], int(i), float(probabilities[i])) for i in order)


def _check_top_k(top_k: int) -> None:
    if not 1 <= top_k <= NUM_LABELS:
        raise ValueError(f"top_k is {top_k}, expected 1..{NUM_LABELS}")
