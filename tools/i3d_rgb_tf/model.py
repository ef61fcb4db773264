"""What users import: `load_model`, and a `Model`, the facade of what a network can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i3d_rgb_tf.choices import Convolution, InferencePrecision, PerformanceHint
from i3d_rgb_tf.errors import ModelError, VideoError
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.ir.compile import inference_errors
from i3d_rgb_tf.ir.files import find_model
from i3d_rgb_tf.spec import load_spec

if TYPE_CHECKING:
    from i3d_rgb_tf.classify import Classification
    from i3d_rgb_tf.features.result import Features
    from i3d_rgb_tf.features.settings import FeatureSettings
    from i3d_rgb_tf.timeline.result import Timeline
    from i3d_rgb_tf.timeline.settings import SegmentSettings

__all__ = ["Model", "load_model"]

_Result = TypeVar("_Result")


class Model:
    """A network; make one with `load_model`, use it for any number of videos."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks

    @property
    def path(self) -> Path:
        """The IR."""
        return self.networks.path

    @property
    def weights(self) -> str:
        """Weight set: ``rgb_imagenet``, ``rgb_scratch``, or ``unknown``."""
        return self.networks.weights

    @property
    def convolution(self) -> Convolution:
        """How the convolutions are computed."""
        return self.networks.convolution

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
            The device fails, or does not support the precision.
        """
        _check_clip(clip)
        compiled = self.networks.clip.compiled
        with inference_errors(compiled):
            request = compiled.create_infer_request()
            output = request.infer({0: clip[np.newaxis]}, share_inputs=True)
        probabilities: NDArray[np.float32] = output[0][0]
        return probabilities

    def classify(self, video: str | Path, *, top_k: int = 5) -> Classification:
        """Name the actions in a video file.

        The video is resampled to 25 frames per second by its timestamps, scaled to a short side
        of 256 and cropped to the central 224 x 224. All of it is inferred in one pass, with a
        prediction every 8 frames, whose logits are averaged before the softmax: the protocol of
        arXiv 1705.07750, section 3. A video of fewer than 79 frames is looped. It is decoded once,
        while it is inferred, and never held as a whole.

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
            The device fails, or does not support the precision.
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

        The frames are resampled, scaled and cropped as `classify` does with those of a file. They
        are taken one by one while the device infers, and never held as a whole. The padding of the
        network depends on their number, which is known up to 384 frames at 25 per second; the
        probabilities of more may differ slightly from those of a file.

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
            The device fails, or does not support the precision.
        """
        from i3d_rgb_tf.classify import classify_frames

        return _or_raise(classify_frames(self.networks, frames, frames_per_second, top_k=top_k))

    def classify_all(
        self, videos: Iterable[str | Path], *, top_k: int = 5
    ) -> Iterator[Classification | VideoError]:
        """Name the actions in videos one after the other, each as `classify` does.

        While the end of a video is inferred, the next video is being decoded.

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
            The device fails, or does not support the precision.
        TypeError
            `videos` is a single path.
        """
        from i3d_rgb_tf.classify import classify_videos

        if isinstance(videos, str | Path):
            raise TypeError(f"videos is {videos!r}, expected a list of paths; use classify for one")
        return classify_videos(self.networks, videos, top_k=top_k)

    def features(self, video: str | Path, settings: FeatureSettings | None = None) -> Features:
        """Return the features of a video file: 1024 numbers for each position in time.

        Parameters
        ----------
        video
            Path of a video file or animated GIF.
        settings
            How they are made; by default in one pass over the whole video, with a position every 8
            frames at 25 frames per second.

        Raises
        ------
        VideoError
            The video cannot be read.
        ModelError
            The model has no features.
        DeviceError
            The device fails, or does not support the precision.
        """
        (result,) = self.features_all([video], settings)
        return _or_raise(result)

    def features_all(
        self, videos: Iterable[str | Path], settings: FeatureSettings | None = None
    ) -> Iterator[Features | VideoError]:
        """Return the features of videos one after the other, each as `features` does.

        Parameters
        ----------
        videos
            Paths of video files or animated GIFs.
        settings
            As for `features`.

        Yields
        ------
        Features or VideoError
            One for each video, in order; an error, which is not raised, where it cannot be read.

        Raises
        ------
        ModelError
            The model has no features.
        DeviceError
            The device fails, or does not support the precision.
        TypeError
            `videos` is a single path.
        """
        from i3d_rgb_tf.features.extract import extract_features

        if isinstance(videos, str | Path):
            raise TypeError(f"videos is {videos!r}, expected a list of paths; use features for one")
        return extract_features(self.networks, videos, settings)

    def timeline(self, video: str | Path, settings: SegmentSettings | None = None) -> Timeline:
        """Return when each action happens in a video file of any length.

        Parameters
        ----------
        video
            Path of a video file or animated GIF. One of up to 79 frames, at 25 per second, has one
            position, which stands for all of it.
        settings
            When a segment begins and ends.

        Raises
        ------
        VideoError
            The video cannot be read.
        DeviceError
            The device fails, or does not support the precision.
        """
        (result,) = self.timeline_all([video], settings)
        return _or_raise(result)

    def timeline_all(
        self, videos: Iterable[str | Path], settings: SegmentSettings | None = None
    ) -> Iterator[Timeline | VideoError]:
        """Return the timelines of videos one after the other, each as `timeline` does.

        Parameters
        ----------
        videos
            Paths of video files or animated GIFs.
        settings
            As for `timeline`.

        Yields
        ------
        Timeline or VideoError
            One for each video, in order; an error, which is not raised, where it cannot be read.

        Raises
        ------
        DeviceError
            The device fails, or does not support the precision.
        TypeError
            `videos` is a single path.
        """
        from i3d_rgb_tf.timeline.infer import infer_timelines

        if isinstance(videos, str | Path):
            raise TypeError(f"videos is {videos!r}, expected a list of paths; use timeline for one")
        return infer_timelines(self.networks, videos, settings)


def load_model(
    path: str | Path | None = None,
    *,
    directory: str | Path = ".",
    device: str = "CPU",
    inference_precision: InferencePrecision | None = None,
    performance_hint: PerformanceHint = "LATENCY",
    winograd: bool = True,
    num_threads: int | None = None,
    cache: bool = True,
) -> Model:
    """Open a converted model. It is compiled when it is first used, for what it is used for.

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
        ``LATENCY``: all cores on one clip, for an early first result and for few.
        ``THROUGHPUT``: several clips at once, for many; takes more memory. The parts of one video
        are always inferred in turn, and several windows at once.
    winograd
        Whether the convolutions are computed with fewer multiplications where that is faster:
        in float32 on x86-64 processors, not in INT8. `Model.convolution` is what was chosen.
    num_threads
        Threads that the device ``CPU`` infers with, 1 or more, and from now on the most that decode
        a video in this process; by default all cores it may use. docs/performance.md says how to
        divide cores among processes.
    cache
        Whether to keep the compiled model on disk for the next process.

    Raises
    ------
    ModelError
        There is no IR, or it is not this model's.
    DeviceError
        There is no such device.
    ValueError
        `num_threads` is less than 1.
    """
    if num_threads is not None and num_threads < 1:
        raise ValueError(f"num_threads is {num_threads}, expected 1 or more, or None for all cores")
    path = Path(path) if path else find_model(Path(directory))
    options = NetworkOptions(
        device, inference_precision, performance_hint, winograd, num_threads, cache
    )
    return Model(Networks(path, options))


def _or_raise(result: _Result | VideoError) -> _Result:
    if isinstance(result, VideoError):
        raise result
    return result


def _check_clip(clip: NDArray[np.uint8]) -> None:
    shape = load_spec().clip_shape
    if clip.shape != shape or clip.dtype != np.uint8:
        raise ModelError(f"a clip is {clip.shape} {clip.dtype}, expected {shape} uint8, RGB")
