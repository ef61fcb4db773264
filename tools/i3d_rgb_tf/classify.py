"""Videos in, action labels out: `load_model`, `Model.predict`, `Model.classify`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.clips import center_crop, split_clips
from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.ir import read_ir, read_provenance
from i3d_rgb_tf.labels import NUM_LABELS, load_labels
from i3d_rgb_tf.runtime import InferencePrecision, compile_for_clips
from i3d_rgb_tf.spec import PRECISIONS, load_spec
from i3d_rgb_tf.video import FRAMES_PER_SECOND, read_frames

__all__ = ["Classification", "Model", "Prediction", "find_model", "load_model"]

_REQUESTS = 2
"""One clip is inferred while the next is decoded; more only cost memory (12 MB each)."""


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
        """
        return self._predict_all([clip])[0]

    def classify(self, video: str | Path, *, top_k: int = 5) -> Classification:
        """Name the actions in a video file.

        The video is resampled to 25 frames per second by its timestamps, scaled to a short side
        of 256 and cropped to the central 224 x 224 (section 3 of arXiv 1705.07750), and cut into
        consecutive clips of 79 frames whose probabilities are averaged. A video shorter than a
        clip is looped.

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
        """
        if not 1 <= top_k <= NUM_LABELS:
            raise ValueError(f"top_k is {top_k}, expected 1..{NUM_LABELS}")
        spec = load_spec()
        num_frames = 0

        def cropped() -> Iterable[NDArray[np.uint8]]:
            nonlocal num_frames
            for frame in read_frames(Path(video)):
                num_frames += 1
                yield center_crop(frame, spec.frame_size)

        clips = self._predict_all(split_clips(cropped(), spec.num_frames))
        probabilities = np.stack(clips).mean(axis=0, dtype=np.float64).astype(np.float32)
        return Classification(
            video=str(video),
            num_frames=num_frames,
            duration_seconds=num_frames / FRAMES_PER_SECOND,
            num_clips=len(clips),
            weights=self.weights,
            model=str(self.path),
            predictions=_best(probabilities, top_k),
            probabilities=probabilities,
        )

    def _predict_all(self, clips: Iterable[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Infer clips in order while `clips` makes the next ones; at most three are in memory."""
        # OpenVINO's AsyncInferQueue would do, but its callbacks take the interpreter's lock on
        # OpenVINO's threads, and a model that is freed meanwhile waits for them for ever.
        idle = [self.compiled.create_infer_request() for _ in range(_REQUESTS)]
        running: deque[tuple[Any, NDArray[np.uint8]]] = deque()
        results: list[NDArray[np.float32]] = []

        def finish_first() -> None:
            request, _ = running.popleft()
            request.wait()
            results.append(request.get_output_tensor(0).data[0].copy())
            idle.append(request)

        try:
            for clip in clips:
                _check_clip(clip)
                if not idle:
                    finish_first()
                request = idle.pop()
                batch = clip[np.newaxis]
                request.start_async({0: batch}, share_inputs=True)
                # The request reads the clip in place, so somebody has to hold on to it.
                running.append((request, batch))
        finally:
            while running:
                finish_first()
        return results


def load_model(
    path: str | Path | None = None,
    *,
    directory: str | Path = ".",
    device: str = "CPU",
    inference_precision: InferencePrecision | None = None,
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
    compiled = compile_for_clips(model, device, inference_precision, cache=cache)
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
        "i3d-rgb-tf download && i3d-rgb-tf convert, or name one with -m or its root with -d"
    )


def _best(probabilities: NDArray[np.float32], top_k: int) -> tuple[Prediction, ...]:
    labels = load_labels()
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return tuple(Prediction(labels[i], int(i), float(probabilities[i])) for i in order)


def _check_clip(clip: NDArray[np.uint8]) -> None:
    spec = load_spec()
    shape = (spec.num_frames, spec.frame_size, spec.frame_size, 3)
    if clip.shape != shape or clip.dtype != np.uint8:
        raise ModelError(f"a clip is {clip.shape} {clip.dtype}, expected {shape} uint8, RGB")
