"""Videos in, action labels out: `load_model`, `Model.predict`, `Model.classify`, `classify_all`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import ModelError, VideoError
from i3d_rgb_tf.ir import read_ir, read_provenance
from i3d_rgb_tf.labels import NUM_LABELS, load_labels
from i3d_rgb_tf.reading import Reading, read_clips
from i3d_rgb_tf.runtime import (
    InferencePrecision,
    PerformanceHint,
    compile_for_clips,
    device_errors,
    infer_in_turn,
)
from i3d_rgb_tf.spec import PRECISIONS, load_spec
from i3d_rgb_tf.video import FRAMES_PER_SECOND

__all__ = [
    "Classification",
    "Model",
    "Prediction",
    "classify_while_loading",
    "find_model",
    "load_model",
]


@dataclass(frozen=True)
class Prediction:
    """An action and how sure the network is of it."""

    label: str
    """Name of the action, one of the 400 of Kinetics-400."""
    index: int
    """Its place among the network's outputs, 0..399."""
    probability: float
    """0..1."""


@dataclass(frozen=True)
class Classification:
    """What the network says of one video."""

    video: str
    """Path as it was given."""
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
    predictions: tuple[Prediction, ...]
    """The most probable actions, best first."""
    probabilities: NDArray[np.float32] = field(repr=False, compare=False)
    """(400,) float32: mean over the clips."""


class Model:
    """A compiled network; make one with `load_model`, use it for any number of videos."""

    def __init__(self, path: Path, weights: str, compiled: Any) -> None:
        self.path = path
        self.weights = weights
        self.compiled = compiled

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
        request = self.compiled.create_infer_request()
        with device_errors("the device failed"):
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
        if isinstance(result, VideoError):
            raise result
        return result

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
        """
        _check_top_k(top_k)
        return self.classify_clips(read_clips(videos), top_k)

    def classify_clips(
        self, clips: Iterable[tuple[Reading, NDArray[np.uint8] | None]], top_k: int
    ) -> Iterator[Classification | VideoError]:
        """Do `classify_all` on what `reading.read_clips` gives."""
        with closing(infer_in_turn(self.compiled, clips)) as outputs:
            for reading, output in outputs:
                if output is not None:
                    reading.add(output)
                elif reading.error:
                    yield reading.error
                else:
                    yield self._classification(reading, top_k)

    def _classification(self, reading: Reading, top_k: int) -> Classification:
        probabilities = (reading.total / reading.num_clips).astype(np.float32)
        return Classification(
            video=str(reading.video),
            num_frames=reading.num_frames,
            duration_seconds=reading.num_frames / FRAMES_PER_SECOND,
            num_clips=reading.num_clips,
            weights=self.weights,
            model=str(self.path),
            predictions=_best(probabilities, top_k),
            probabilities=probabilities,
        )


def classify_while_loading(
    load: Callable[[], Model], videos: Iterable[str | Path], *, top_k: int = 5
) -> Iterator[Classification | VideoError]:
    """Name the actions in videos as `Model.classify_all` does, for the first answer soon.

    The first clip is decoded while the model is loaded, in another thread.

    Parameters
    ----------
    load
        Gives the model; what it raises is raised.
    videos, top_k
        As `Model.classify_all` takes them, which says what is yielded and raised.
    """
    _check_top_k(top_k)
    clips = read_clips(videos)
    with ThreadPoolExecutor(1, "load") as pool:
        loading = pool.submit(load)
        first = list(islice(clips, 1))
    yield from loading.result().classify_clips(chain(first, clips), top_k)


def load_model(
    path: str | Path | None = None,
    *,
    directory: str | Path = ".",
    device: str = "CPU",
    inference_precision: InferencePrecision | None = None,
    performance_hint: PerformanceHint = "LATENCY",
    cache: bool = True,
) -> Model:
    """Compile a converted model.

    Parameters
    ----------
    path
        An IR (.xml); by default the first of FP16, FP32 and FP16-INT8 in `directory`.
    directory
        Root of a tree of the zoo, with ``public/i3d-rgb-tf/<precision>`` in it.
    device
        A device of OpenVINO.
    inference_precision
        What the device calculates in; by default what it does fastest (bfloat16 where the
        processor has it).
    performance_hint
        ``LATENCY``: all cores on one clip, for the first answer soon and for few clips.
        ``THROUGHPUT``: several clips at once, for many; takes more memory.
    cache
        Whether to keep the compiled model on disk for the next process.

    Raises
    ------
    ModelError
        There is no IR, or it is not this model's.
    DeviceError
        There is no such device, or it cannot calculate in the precision.
    """
    path = Path(path) if path else find_model(Path(directory))
    model = read_ir(path)
    weights = read_provenance(model).weights
    compiled = compile_for_clips(
        model, device, inference_precision, performance_hint=performance_hint, cache=cache
    )
    return Model(path, weights, compiled)


def find_model(directory: Path) -> Path:
    """Return the IR to use in a tree of the zoo: FP16, else FP32, else FP16-INT8.

    Raises
    ------
    ModelError
        There is none.
    """
    spec = load_spec()
    order = sorted(PRECISIONS, key=("FP16", "FP32", "FP16-INT8").index)
    for precision in order:
        path = spec.ir_path(directory, precision)
        if path.is_file():
            return path
    raise ModelError(
        f"no converted model in {spec.folder(directory)}; make one with: "
        "i3d-rgb-tf download && i3d-rgb-tf convert, or name the root of its tree with -d"
    )


def _best(probabilities: NDArray[np.float32], top_k: int) -> tuple[Prediction, ...]:
    labels = load_labels()
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return tuple(Prediction(labels[i], int(i), float(probabilities[i])) for i in order)


def _check_top_k(top_k: int) -> None:
    if not 1 <= top_k <= NUM_LABELS:
        raise ValueError(f"top_k is {top_k}, expected 1..{NUM_LABELS}")


def _check_clip(clip: NDArray[np.uint8]) -> None:
    spec = load_spec()
    shape = (spec.num_frames, spec.frame_size, spec.frame_size, 3)
    if clip.shape != shape or clip.dtype != np.uint8:
        raise ModelError(f"a clip is {clip.shape} {clip.dtype}, expected {shape} uint8, RGB")
