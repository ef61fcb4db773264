"""How fast each converted model of a tree is on this machine, and which one to use."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from i3d_rgb_tf.choices import (
    PRECISIONS,
    Convolution,
    InferencePrecision,
    Layout,
    PerformanceHint,
    Precision,
)
from i3d_rgb_tf.errors import DeviceError
from i3d_rgb_tf.inference.pipeline import infer_in_order
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import ConvertedModel, find_model, list_models, read_ir
from i3d_rgb_tf.model import Model, load_model
from i3d_rgb_tf.quantization.acceptance import QuantizationRecord, read_record
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.decode import read_frames

__all__ = ["Benchmark", "Measurement", "VideoMeasurement", "benchmark", "recommend"]

_NOTICEABLE = 1.05
"""Ratio of two latencies below which they count as equal."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class VideoMeasurement:
    """One video from the file to its labels, in a process that is warm."""

    seconds: float
    """Median time."""
    num_frames: int
    """Frames at 25 per second."""
    times_inference: float
    """Time over that of as many frames in clips."""


@dataclass(frozen=True)
class Measurement:
    """What one converted model does on this machine."""

    precision: Precision
    """Folder of the IR."""
    layout: Layout
    """Layout of the IR, which makes no difference here: it is compiled for channels-last frames."""
    model: str
    """Its path."""
    convolution: Convolution
    """How its convolutions were computed."""
    first_result_seconds: float
    """From the start of a new process to its first prediction, with a filled cache."""
    uncached_first_result_seconds: float
    """The same when the cache may be empty."""
    latency_seconds: float
    """Median time of a clip, one at a time."""
    fastest_seconds: float
    """Shortest of these times."""
    slowest_seconds: float
    """Longest of these times."""
    clips_per_second: float
    """Throughput with as many clips at once as the device wants."""
    peak_megabytes: float | None
    """Resident memory at its peak, one clip at a time; None where the system does not report it."""
    video: VideoMeasurement | None
    """End to end, if a video was given."""
    quantization: QuantizationRecord | None
    """Of INT8 with FP32, as `i3d_rgb_tf.quantization.quantize` recorded it."""


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
        run = _Run(each.path, device, inference_precision, performance_hint, winograd)
        default = _measure(each, run, video, rounds)
        measurements.append(default)
        if default.convolution == "winograd":
            measurements.append(_measure(each, replace(run, winograd=False), video, rounds))
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


@dataclass(frozen=True)
class _Run:
    """An IR, and how it is run."""

    path: Path
    device: str
    inference_precision: InferencePrecision | None
    performance_hint: PerformanceHint
    winograd: bool

    def load(self) -> Model:
        return load_model(
            self.path,
            device=self.device,
            inference_precision=self.inference_precision,
            performance_hint=self.performance_hint,
            winograd=self.winograd,
        )


def _measure(model: ConvertedModel, run: _Run, video: Path | None, rounds: int) -> Measurement:
    one_at_a_time = replace(run, performance_hint="LATENCY")

    def first_result() -> float:
        return _seconds(lambda: _in_new_process(_predict_once, one_at_a_time))

    uncached, cached = first_result(), first_result()
    seconds, peak, convolution = _in_new_process(_time_latency, one_at_a_time, rounds)
    latency = statistics.median(seconds)
    measured_video = None
    if video is not None:
        video_seconds, num_frames = _in_new_process(_time_video, run, video)
        clips = max(1, num_frames / load_spec().num_frames)
        measured_video = VideoMeasurement(
            video_seconds, num_frames, video_seconds / (clips * latency)
        )
    throughput = _in_new_process(_time_throughput, run, rounds)
    return Measurement(
        precision=model.precision,
        layout=model.layout,
        model=str(run.path),
        convolution=convolution,
        first_result_seconds=cached,
        uncached_first_result_seconds=uncached,
        latency_seconds=latency,
        fastest_seconds=min(seconds),
        slowest_seconds=max(seconds),
        clips_per_second=throughput,
        peak_megabytes=peak,
        video=measured_video,
        quantization=read_record(read_ir(run.path)),
    )


def _in_new_process(function: Callable[..., _Result], *arguments: Any) -> _Result:
    """Run a function of this module in a new process, where nothing is loaded yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        try:
            return executor.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise DeviceError("a measuring process ended early; is there enough memory?") from error


def _predict_once(run: _Run) -> None:
    run.load().predict(waves_clip())


def _time_latency(run: _Run, rounds: int) -> tuple[list[float], float | None, Convolution]:
    """Return the seconds of each round, the peak memory, and how convolutions were computed."""
    model = run.load()
    clip = waves_clip()
    model.predict(clip)
    seconds = [_seconds(lambda: model.predict(clip)) for _ in range(rounds)]
    return seconds, _peak_megabytes(), model.convolution


def _time_video(run: _Run, video: Path) -> tuple[float, int]:
    """Return the median seconds from the file to its labels, and its frames."""
    model = run.load()
    num_frames = model.classify(video).num_frames
    return statistics.median(_seconds(lambda: model.classify(video)) for _ in range(3)), num_frames


def _time_throughput(run: _Run, rounds: int) -> float:
    """Return clips per second with as many at once as the device wants."""
    compiled = compile_model(
        read_ir(run.path),
        run.device,
        run.inference_precision,
        performance_hint="THROUGHPUT",
        convolution=None if run.winograd else "direct",
        cache=False,
    )
    at_once = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    clip = waves_clip()

    def infer(count: int) -> None:
        for _ in infer_in_order(compiled, ((None, clip) for _ in range(count))):
            pass

    infer(at_once)
    # Several batches, so that the last, partly filled one has little weight.
    count = at_once * max(2, -(-rounds // at_once))
    return count / _seconds(lambda: infer(count))


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _peak_megabytes() -> float | None:
    """Return the peak resident memory of this process alone, which getrusage mixes with others."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    for line in status.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


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
