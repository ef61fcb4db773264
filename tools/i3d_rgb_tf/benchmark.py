"""How fast each converted model of a tree is on this machine, and which one to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from i3d_rgb_tf.choices import (
    PRECISIONS,
    Convolution,
    InferencePrecision,
    PerformanceHint,
    Precision,
)
from i3d_rgb_tf.ir.files import ConvertedModel, find_model, list_models
from i3d_rgb_tf.measure import Measurement, Run, measure
from i3d_rgb_tf.video.decode import read_frames

__all__ = ["Benchmark", "benchmark", "recommend"]

_NOTICEABLE = 1.05
"""Ratio of two latencies below which they count as equal."""


@dataclass(frozen=True)
class Benchmark:
    """All models of a tree on one device."""

    device: str
    """As OpenVINO names it."""
    device_name: str
    """Its full name."""
    openvino: str
    """Version of OpenVINO."""
    measurements: tuple[Measurement, ...]
    """One for each precision that is there and way to compute its convolutions, that which is
    used by default first."""
    recommended: Precision
    """Which precision to use here."""
    recommended_convolution: Convolution
    """How its convolutions are to be computed; ``direct`` may need ``--no-winograd``."""
    reason: str
    """Why."""


def benchmark(
    directory: Path,
    *,
    device: str = "CPU",
    inference_precision: InferencePrecision | None = None,
    performance_hint: PerformanceHint = "LATENCY",
    winograd: bool = True,
    num_threads: int | None = None,
    video: Path | None = None,
    rounds: int = 10,
) -> Benchmark:
    """Measure the IR of every precision in a model tree, each in processes of its own.

    One whose convolutions are computed with fewer multiplications is also measured without.

    Parameters
    ----------
    directory
        Root of the tree.
    device
        A device of OpenVINO.
    inference_precision
        The arithmetic of the device, by default its fastest.
    performance_hint
        How the video is inferred; without a video, both are measured and it changes nothing.
    winograd
        As for `i3d_rgb_tf.model.load_model`; False to measure direct convolution only.
    num_threads
        As for `i3d_rgb_tf.model.load_model`.
    video
        A video to measure from the file to its labels.
    rounds
        Clips to infer for each figure, at least 1.

    Raises
    ------
    ModelError
        There is no IR, or one is not this model's.
    DeviceError
        The device is not available, or a process ended early.
    VideoError
        The video cannot be read.
    """
    find_model(directory)
    if video is not None:
        # Fails before the measuring, not after it.
        next(iter(read_frames(video)))
    models: dict[Precision, ConvertedModel] = {}
    for each in list_models(directory):
        models.setdefault(each.precision, each)
    measurements: list[Measurement] = []
    for each in models.values():
        run = Run(each.path, device, inference_precision, performance_hint, winograd, num_threads)
        default = measure(each, run, video, rounds)
        measurements.append(default)
        if default.convolution == "winograd":
            measurements.append(measure(each, replace(run, winograd=False), video, rounds))
    recommended, reason = recommend(measurements)
    return Benchmark(
        device=device,
        device_name=_device_name(device),
        openvino=_openvino_version(),
        measurements=tuple(measurements),
        recommended=recommended.precision,
        recommended_convolution=recommended.convolution,
        reason=reason,
    )


def recommend(measurements: Sequence[Measurement]) -> tuple[Measurement, str]:
    """Return the fastest model that is known to keep the predictions, and the reason.

    Of those that are equally fast, one that computes convolutions in its default way is chosen, and
    the first of `choices.PRECISIONS`.
    """
    kept = [each for each in measurements if each.precision != "FP16-INT8" or _is_accepted(each)]
    left_out = len(kept) < len(measurements)
    if not kept:
        return measurements[0], "it is the only one, and its predictions are not verified"
    fastest = min(each.latency_seconds for each in kept)
    equal = [each for each in kept if each.latency_seconds <= _NOTICEABLE * fastest]
    defaults = {each.precision: each for each in reversed(kept)}
    best = min(
        equal,
        key=lambda each: (each is not defaults[each.precision], PRECISIONS.index(each.precision)),
    )
    reason = "the fastest that keeps the predictions"
    if best is not defaults[best.precision]:
        reason += "; winograd is slower here, so use --no-winograd"
    if left_out:
        reason += (
            "; FP16-INT8 has no accepted quantization record, make it with: i3d-rgb-tf quantize"
        )
    return best, reason


def _is_accepted(measurement: Measurement) -> bool:
    return measurement.quantization is not None and measurement.quantization.is_accepted


def _device_name(device: str) -> str:
    import openvino

    try:
        return str(openvino.Core().get_property(device, "FULL_DEVICE_NAME"))
    except RuntimeError:
        # AUTO and HETERO stand for several devices and have no name.
        return device


def _openvino_version() -> str:
    import openvino

    return str(openvino.__version__).split("-", maxsplit=1)[0]
