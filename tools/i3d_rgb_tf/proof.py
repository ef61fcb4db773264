"""What was measured of an INT8 model before it was written, kept inside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from i3d_rgb_tf.compare import Agreement

__all__ = ["Proof", "read_proof", "write_proof"]

_SECTION = ("i3d_rgb_tf", "quantization")


@dataclass(frozen=True)
class Proof:
    """How an INT8 model was calibrated, and how near its answers are to those of FP32."""

    num_videos: int
    """Calibration videos."""
    num_calibration_clips: int
    """Clips it was calibrated with."""
    agreement: Agreement
    """With the FP32 model, on clips that were set aside."""
    speed_ratio: float
    """How many times faster than the FP32 model in float32 a clip was inferred."""
    warning: str = ""
    """What to know before trusting the model, a sentence; mostly empty."""

    @property
    def holds(self) -> bool:
        """Whether the answers count as those of FP32, on clips that can tell."""
        return self.agreement.is_kept and not self.warning


def write_proof(model: Any, proof: Proof) -> None:
    """Record a proof in the runtime information of an ``openvino.Model``."""
    figures = asdict(proof)
    figures |= figures.pop("agreement")
    for name, value in figures.items():
        model.set_rt_info(str(value), [*_SECTION, name])


def read_proof(model: Any) -> Proof | None:
    """Return what `write_proof` recorded in an ``openvino.Model``, if it did."""

    def value(name: str) -> str:
        path = [*_SECTION, name]
        return str(model.get_rt_info(path).astype(str)) if model.has_rt_info(path) else ""

    if not value("num_clips"):
        return None
    return Proof(
        num_videos=int(value("num_videos")),
        num_calibration_clips=int(value("num_calibration_clips")),
        agreement=Agreement(
            num_clips=int(value("num_clips")),
            top1_agreement=float(value("top1_agreement")),
            mean_kl=float(value("mean_kl")),
            worst_difference=float(value("worst_difference")),
        ),
        speed_ratio=float(value("speed_ratio")),
        warning=value("warning"),
    )
