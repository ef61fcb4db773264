"""The features of one video, with the times of each and all that they depend on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.features.windows import LastFrames
from i3d_rgb_tf.inference.networks import NetworkFacts
from i3d_rgb_tf.ir.positions import NUM_FEATURES
from i3d_rgb_tf.labels import NUM_LABELS

__all__ = ["Features"]


@dataclass(frozen=True)
class Features:
    """The features of one video: a row for each window, position or segment, in order of time."""

    video: str
    """Path as it was given."""
    features: NDArray[np.float32] = field(repr=False, compare=False)
    """(rows, 1024) float32, or (rows, crops, 1024) if there are several crops: after the average
    pool over 2x7x7, before the classifier; 0 or more."""
    logits: NDArray[np.float32] | None = field(repr=False, compare=False)
    """(rows, 400) float32, or (rows, crops, 400): before the softmax; None if not asked for."""
    times_seconds: NDArray[np.float64] = field(repr=False, compare=False)
    """(rows,) float64: the middle of each row, from the first frame on."""
    start_seconds: NDArray[np.float64] = field(repr=False, compare=False)
    """(rows,) float64: where the frames that a row depends on begin."""
    end_seconds: NDArray[np.float64] = field(repr=False, compare=False)
    """(rows,) float64: where they end; half-open, and within the video."""
    frames_per_second: float
    """Rate of the frames that the network saw; for each frame of the file once, their average."""
    num_frames: int
    """Frames of the video at this rate."""
    is_repeated: bool
    """Whether the video is shorter than a window, or than the 9 frames that the network takes, and
    was repeated to fill it."""
    last_window: LastFrames | None
    """What became of frames at the end that do not fill a window; None for the dense pass."""
    settings: FeatureSettings
    """How they were made."""
    network: NetworkFacts
    """What they were made with."""

    def __post_init__(self) -> None:
        num_rows, num_crops = len(self.times_seconds), self.settings.crops
        rows = (num_rows,) if num_crops == 1 else (num_rows, num_crops)
        _check("features", self.features, (*rows, NUM_FEATURES), np.float32)
        if self.logits is not None:
            _check("logits", self.logits, (*rows, NUM_LABELS), np.float32)
        for name in ("times_seconds", "start_seconds", "end_seconds"):
            _check(name, getattr(self, name), (num_rows,), np.float64)

    @property
    def duration_seconds(self) -> float:
        """Length of the video."""
        return self.num_frames / self.frames_per_second


def _check(name: str, array: NDArray[np.generic], shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ModelError(
            f"{name} is {array.shape} {array.dtype}, expected {shape} {np.dtype(dtype)}; convert "
            "the model again"
        )
