"""Videos -> action labels: `load_model`, and a `Model` that predicts and classifies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i3d_rgb_tf.choices import Convolution, InferencePrecision, PerformanceHint
from i3d_rgb_tf.errors import ModelError, VideoError
from i3d_rgb_tf.inference.pipeline import VideoInput, VideoOutputs, infer_videos, read_videos
from i3d_rgb_tf.ir.compile import compile_model, inference_errors
from i3d_rgb_tf.ir.convolution import choose_convolution
from i3d_rgb_tf.ir.files import find_model, read_ir
from i3d_rgb_tf.ir.metadata import read_provenance
from i3d_rgb_tf.labels import NUM_LABELS, load_labels
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import center_crop, read_cropped, split_clips
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND, resample_frames

__all__ = [
    "Classification",
    "Model",
    "Prediction",
    "classify_while_loading",
    "load_model",
]

_ClipOrEnd = VideoInput[str | Path, int]


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
    num_clips: int
    """Clips of 79 frames that were averaged."""
    weights: str
    """Weight set of the model: ``rgb_imagenet``, ``rgb_scratch``, or ``unknown``."""
    model: str
    """Path of the IR."""
    convolution: Convolution
    """How the convolutions were computed."""
    predictions: tuple[Prediction, ...]
    """The most probable actions, best first."""
    probabilities: NDArray[np.float32] = field(repr=False, compare=False)
    """(400,) float32: mean over the clips."""


class Model:
    """A compiled network; make one with `load_model`, use it for any number of videos."""

    def __init__(self, path: Path, weights: str, compiled: Any, convolution: Convolution) -> None:
        self.path = path
        self.weights = weights
        self.compiled = compiled
        self.convolution = convolution

    def predict(self, clip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probabilities of the 400 actions for one clip.

        Parameters
        ----------
        clip
            (79, 224, 224, 3) uint8, RGB, 0..255.

        Returns
        -------
        ndarray
            (400,) float32, sums to 1.

        Raises
        ------
        ModelError
            The clip has another shape or type.
        DeviceError
            The device fails.
        """
        _check_clip(clip)
        with inference_errors(self.compiled):
            request = self.compiled.create_infer_request()
            output = request.infer({0: clip[np.newaxis]}, share_inputs=True)
        probabilities: NDArray[np.float32] = output[0][0]
        return probabilities

    def classify(self, video: str | Path, *, top_k: int = 5) -> Classification:
        """Name the actions in a video file.

        The video is resampled to 25 frames per second by its timestamps, scaled to a short side
        of 256 and cropped to the central 224 x 224 (section 3 of arXiv 1705.07750), and cut into
        consecutive clips of 79 frames whose probabilities are averaged. A video shorter than a
        clip is looped. It is decoded while it is inferred, and never held as a whole.

        Parameters
        ----------
        video
            Path of a video file or animated GIF.
        top_k
            How many actions to name, 1..400.

        Raises
        ------
        VideoError
            The video cannot be read.
        DeviceError
            The device fails.
        """
        (result,) = self.classify_all([video], top_k=top_k)
        return _or_raise(result)

    def classify_frames(
        self,
        frames: Iterable[ArrayLike],
        *,
        frames_per_second: float | Fraction,
        top_k: int = 5,
    ) -> Classification:
        """Name the actions in the frames of a video that is decoded already.

        The frames are resampled, scaled, cropped and cut into clips as `classify` does with those
        of a file. They are taken one by one while the device infers, and never held as a whole.

        Parameters
        ----------
        frames
            Each (height, width, 3) uint8, RGB, 0..255, of any size, or what `numpy.asarray` makes
            one of. May be an array with one more axis, or a generator.
        frames_per_second
            Their constant rate, 0.001 or more.
        top_k
            How many actions to name, 1..400.

        Raises
        ------
        ValueError
            The rate is not a finite number of 0.001 or more.
        TypeError
            `frames` is a path.
        VideoError
            A frame has another shape or type, or there are none.
        DeviceError
            The device fails.
        """
        _check_top_k(top_k)
        if isinstance(frames, str | Path):
            raise TypeError(f"frames is {frames!r}, expected arrays; use classify for a file")
        resampled = resample_frames(frames, frames_per_second)
        size = load_spec().frame_size
        clips = _clips(center_crop(frame, size) for frame in resampled)
        (result,) = _classify(self, read_videos([""], lambda _: clips), top_k)
        return _or_raise(result)

    def classify_all(
        self, videos: Iterable[str | Path], *, top_k: int = 5
    ) -> Iterator[Classification | VideoError]:
        """Name the actions in videos one after the other, each as `classify` does.

        While the last clips of a video are inferred, the next video is being decoded: the device
        does not wait between them, and short videos are as quick as long ones.

        Parameters
        ----------
        videos
            Paths of video files or animated GIFs.
        top_k
            How many actions to name of each, 1..400.

        Yields
        ------
        Classification or VideoError
            One for each video, in order; an error, which is not raised, where it cannot be read.

        Raises
        ------
        DeviceError
            The device fails.
        TypeError
            `videos` is a single path.
        """
        _check_top_k(top_k)
        if isinstance(videos, str | Path):
            raise TypeError(f"videos is {videos!r}, expected a list of paths; use classify for one")
        return _classify(self, read_videos(videos, _read), top_k)


def classify_while_loading(
    load: Callable[[], Model], videos: Iterable[str | Path], *, top_k: int = 5
) -> Iterator[Classification | VideoError]:
    """Name the actions in videos as `Model.classify_all` does, for an early first result.

    The first clip is decoded while the model is loaded, in another thread.

    Parameters
    ----------
    load
        Gives the model; what it raises is raised.
    videos, top_k
        As for `Model.classify_all`, which also documents what is yielded and raised.
    """
    _check_top_k(top_k)
    inputs = read_videos(videos, _read)
    with ThreadPoolExecutor(1, "load") as pool:
        loading = pool.submit(load)
        first = list(islice(inputs, 1))
    yield from _classify(loading.result(), chain(first, inputs), top_k)


def load_model(
    path: str | Path | None = None,
    *,
    directory: str | Path = ".",
    device: str = "CPU",
    inference_precision: InferencePrecision | None = None,
    performance_hint: PerformanceHint = "LATENCY",
    winograd: bool = True,
    cache: bool = True,
) -> Model:
    """Compile a converted model.

    Parameters
    ----------
    path
        An IR (.xml); by default the first of FP16, FP32 and FP16-INT8 in `directory`.
    directory
        Root of a model tree, with ``public/i3d-rgb-tf/<precision>`` in it.
    device
        A device of OpenVINO.
    inference_precision
        The arithmetic of the device; by default its fastest (bfloat16 where the processor has
        it).
    performance_hint
        ``LATENCY``: all cores on one clip, for an early first result and for few clips.
        ``THROUGHPUT``: several clips at once, for many; takes more memory.
    winograd
        Whether the convolutions are computed with fewer multiplications where that is faster:
        in float32 on x86-64 processors, not in INT8. `Model.convolution` is what was chosen.
    cache
        Whether to keep the compiled model on disk for the next process.

    Raises
    ------
    ModelError
        There is no IR, or it is not this model's.
    DeviceError
        There is no such device, or it does not support the precision.
    """
    path = Path(path) if path else find_model(Path(directory))
    model = read_ir(path)
    weights = read_provenance(model).weights
    convolution = choose_convolution(
        device, inference_precision, model=model, winograd=winograd
    ).convolution
    compiled = compile_model(
        model,
        device,
        inference_precision,
        performance_hint=performance_hint,
        convolution=convolution,
        cache=cache,
    )
    return Model(path, weights, compiled, convolution)


class _Mean:
    """The mean over the clips of a video, however many there are."""

    def __init__(self) -> None:
        self.total = np.zeros(NUM_LABELS, np.float64)
        self.num_clips = 0
        self.num_frames = 0

    def add(self, stop: int, probabilities: NDArray[np.float32]) -> None:
        self.total += probabilities
        self.num_clips += 1
        self.num_frames = stop


def _classify(
    model: Model, inputs: Iterable[_ClipOrEnd], top_k: int
) -> Iterator[Classification | VideoError]:
    with closing(infer_videos(model.compiled, inputs, _Mean)) as inferred:
        for found in inferred:
            if isinstance(found.error, VideoError):
                yield found.error
            elif found.error:
                raise found.error
            else:
                yield _classification(model, found, top_k)


def _or_raise(result: Classification | VideoError) -> Classification:
    if isinstance(result, VideoError):
        raise result
    return result


def _classification(
    model: Model, found: VideoOutputs[str | Path, _Mean], top_k: int
) -> Classification:
    mean = found.outputs
    probabilities = (mean.total / mean.num_clips).astype(np.float32)
    return Classification(
        video=str(found.video),
        num_frames=mean.num_frames,
        duration_seconds=mean.num_frames / FRAMES_PER_SECOND,
        num_clips=mean.num_clips,
        weights=model.weights,
        model=str(model.path),
        convolution=model.convolution,
        predictions=_best(probabilities, top_k),
        probabilities=probabilities,
    )


def _read(video: str | Path) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    return _clips(read_cropped(Path(video), load_spec().frame_size))


def _clips(frames: Iterable[NDArray[np.uint8]]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the clips of a video, each with how many frames there are up to its end."""
    for clip in split_clips(frames, load_spec().num_frames):
        yield clip.stop, clip.frames


def _best(probabilities: NDArray[np.float32], top_k: int) -> tuple[Prediction, ...]:
    labels = load_labels()
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return tuple(Prediction(labels[i], int(i), float(probabilities[i])) for i in order)


def _check_top_k(top_k: int) -> None:
    if not 1 <= top_k <= NUM_LABELS:
        raise ValueError(f"top_k is {top_k}, expected 1..{NUM_LABELS}")


def _check_clip(clip: NDArray[np.uint8]) -> None:
    shape = load_spec().clip_shape
    if clip.shape != shape or clip.dtype != np.uint8:
        raise ModelError(f"a clip is {clip.shape} {clip.dtype}, expected {shape} uint8, RGB")
