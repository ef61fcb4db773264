"""The timeline of one video: probabilities over time, and segments."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import DeviceError, ModelError
from i3d_rgb_tf.inference.networks import NetworkFacts
from i3d_rgb_tf.labels import NUM_LABELS
from i3d_rgb_tf.timeline.segments import Segment, find_segments
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND

__all__ = ["Timeline", "softmax"]


@dataclass(frozen=True)
class Timeline:
    """What the network sees at each moment of one video, and when each action happens."""

    video: str
    """Path as it was given."""
    num_frames: int
    """Frames after resampling to 25 per second."""
    logits: NDArray[np.float32] = field(repr=False, compare=False)
    """(positions, 400) float32: before the softmax. The mean over the positions, and its softmax,
    is what `Model.classify` returns. Of a video of up to 79 frames they are known up to a constant
    that was subtracted from all."""
    times_seconds: NDArray[np.float64] = field(repr=False, compare=False)
    """(positions,) float64: the middle of the frames that each position depends on."""
    start_seconds: NDArray[np.float64] = field(repr=False, compare=False)
    """(positions,) float64: where the time that a position stands for begins, halfway to the
    middle of the one before; of the first, 0."""
    end_seconds: NDArray[np.float64] = field(repr=False, compare=False)
    """(positions,) float64: where it ends, half-open: where the next begins; of the last, the
    length of the video."""
    segments: tuple[Segment, ...]
    """When each action happens, by their starts; segments of different labels may overlap."""
    settings: SegmentSettings
    """How the segments were found."""
    network: NetworkFacts
    """What it was made with."""

    def __post_init__(self) -> None:
        num_positions = len(self.times_seconds)
        if self.logits.shape != (num_positions, NUM_LABELS) or self.logits.dtype != np.float32:
            raise ModelError(
                f"logits is {self.logits.shape} {self.logits.dtype}, expected "
                f"({num_positions}, {NUM_LABELS}) float32; convert the model again"
            )
        if not np.isfinite(self.logits).all():
            raise DeviceError(
                f"{self.network.device} gave logits that are no numbers, in "
                f"{self.network.inference_precision}; try -D CPU, or --inference-precision f32"
            )

    @property
    def duration_seconds(self) -> float:
        """Length at 25 frames per second."""
        return self.num_frames / FRAMES_PER_SECOND

    @property
    def num_positions(self) -> int:
        """Positions in time; 1 for a video of up to 79 frames, and else one every 8 frames."""
        return len(self.times_seconds)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(positions, 400) float32, 0..1, each row sums to 1: the softmax of the logits."""
        return softmax(self.logits)

    def with_settings(self, settings: SegmentSettings) -> Timeline:
        """Return the timeline with the segments of other settings; nothing is inferred again."""
        times = self.start_seconds, self.end_seconds
        segments = find_segments(*times, self.probabilities, settings)
        return replace(self, segments=segments, settings=settings)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of (positions, 400) logits."""
    # In place: those of a long video are large.
    probabilities: NDArray[np.float32] = logits - logits.max(axis=1, keepdims=True)
    np.exp(probabilities, out=probabilities)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities
