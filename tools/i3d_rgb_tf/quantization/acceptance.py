"""The acceptance criteria of an INT8 model, and the quantization record inside the model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.ir.metadata import SECTION, read_section, write_section

__all__ = [
    "HIGHEST_MEAN_KL",
    "LOWEST_TOP1_AGREEMENT",
    "Agreement",
    "QuantizationRecord",
    "compare",
    "read_record",
    "write_record",
]

LOWEST_TOP1_AGREEMENT = 0.98
"""Lowest share of clips on which the INT8 and the FP32 model have the same best action."""
HIGHEST_MEAN_KL = 0.05
"""Highest mean Kullback-Leibler divergence of the INT8 from the FP32 model, in nats."""

_SUBSECTION = "quantization"
_Probabilities = NDArray[np.float32]
_TINY = 1e-12
"""Replaces a probability of 0, which has no logarithm."""


@dataclass(frozen=True)
class Agreement:
    """How close the predictions of a model are to those of a reference, on the same clips."""

    num_clips: int
    """Number of clips that were compared."""
    top1_agreement: float
    """Share of the clips with the same most probable action, 0..1."""
    mean_kl: float
    """Mean Kullback-Leibler divergence from the reference, in nats."""
    worst_difference: float
    """Largest difference between two probabilities, 0..1."""

    @property
    def is_accepted(self) -> bool:
        """Whether both acceptance criteria are met."""
        return self.top1_agreement >= LOWEST_TOP1_AGREEMENT and self.mean_kl <= HIGHEST_MEAN_KL


def compare(expected: _Probabilities, found: _Probabilities) -> Agreement:
    """Compare probabilities with those of a reference.

    Parameters
    ----------
    expected, found
        (clips, actions) float32, each row sums to 1.

    Examples
    --------
    >>> agreement = compare(np.float32([[0.75, 0.25]]), np.float32([[0.5, 0.5]]))
    >>> agreement.top1_agreement, round(agreement.mean_kl, 4), agreement.worst_difference
    (1.0, 0.1308, 0.25)
    """
    reference, other = (np.maximum(each, _TINY, dtype=np.float64) for each in (expected, found))
    divergences = (reference * np.log(reference / other)).sum(axis=1)
    return Agreement(
        num_clips=len(expected),
        top1_agreement=float((expected.argmax(axis=1) == found.argmax(axis=1)).mean()),
        mean_kl=float(divergences.mean()),
        worst_difference=float(np.abs(expected - found).max()),
    )


@dataclass(frozen=True)
class QuantizationRecord:
    """How an INT8 model was calibrated, and how close its predictions are to those of FP32."""

    num_videos: int
    """Number of calibration videos."""
    num_calibration_clips: int
    """Number of clips used to calibrate."""
    agreement: Agreement
    """Agreement with the FP32 model on the held-out clips."""
    speed_ratio: float
    """Inference time of the FP32 model in float32, with direct convolution, divided by that of the
    INT8 model."""
    warning: str = ""
    """A warning about the model; usually empty."""

    @property
    def is_accepted(self) -> bool:
        """Whether the agreement is accepted and there is no warning."""
        return self.agreement.is_accepted and not self.warning


def write_record(model: Any, record: QuantizationRecord) -> None:
    """Write a record to the runtime information of an ``openvino.Model``."""
    figures = asdict(record)
    figures |= figures.pop("agreement")
    write_section(model, figures, SECTION, _SUBSECTION)


def read_record(model: Any) -> QuantizationRecord | None:
    """Return the record of an ``openvino.Model``, or None if it has none.

    Raises
    ------
    ModelError
        The record is damaged.
    """
    keys = [each.name for kind in (QuantizationRecord, Agreement) for each in fields(kind)]
    found = read_section(model, tuple(keys), SECTION, _SUBSECTION)
    if "num_clips" not in found:
        return None
    try:
        return QuantizationRecord(
            num_videos=int(found["num_videos"]),
            num_calibration_clips=int(found["num_calibration_clips"]),
            agreement=Agreement(
                num_clips=int(found["num_clips"]),
                top1_agreement=float(found["top1_agreement"]),
                mean_kl=float(found["mean_kl"]),
                worst_difference=float(found["worst_difference"]),
            ),
            speed_ratio=float(found["speed_ratio"]),
            warning=found.get("warning", ""),
        )
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"the quantization record of the model is damaged: {error}; make it again with: "
            "i3d-rgb-tf quantize"
        ) from error
