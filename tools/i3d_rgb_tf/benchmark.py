"""How fast each converted model of a tree is on this machine, and which one to use."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from i3d_rgb_tf.choices import PRECISIONS, InferencePrecision, Layout, PerformanceHint, Precision
from i3d_rgb_tf.classify import load_model
from i3d_rgb_tf.errors import DeviceError
from i3d_rgb_tf.inference.pipeline import infer_in_order
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import ConvertedModel, find_model, list_models, read_ir
from i3d_rgb_tf.quantization.acceptance import QuantizationRecord, read_record
from i3d_rgb_tf.reference import waves_clip
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
    num_clips: int
    """Clips in it."""
    times_inference: float
    """Time over the latency of its clips; under 1 where several are inferred at once."""


@dataclass(frozen=True)
class Measurement:
    """What one converted model does on this machine."""

    precision: Precision
    """Folder of the IR."""
    layout: Layout
    """Layout of the IR, which makes no difference here: it is compiled for channels-last frames."""
    model: str
    """Its path."""
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
    """One for each precision that is there."""
    recommended: Precision
    """Which one to use here."""
    reason: str
    """Why."""


def benchmark(
    directory: Path,
    *,
    device: str = "CPU",
    inference_precision: InferencePrecision | None = None,
    performance_hint: PerformanceHint = "LATENCY",
    video: Path | None = None,
    rounds: int = 10,
) -> Benchmark:
    """Measure the IR of every precision in a model tree, each in processes of its own.

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
    measurements = tuple(
        _measure(each, device, inference_precision, performance_hint, video, rounds)
        for each in models.values()
    )
    recommended, reason = recommend(measurements)
    return Benchmark(
        device, _device_name(device), _openvino_version(), measurements, recommended, reason
    )


def recommend(measurements: tuple[Measurement, ...]) -> tuple[Precision, str]:
    """Return the fastest precision that is known to keep the predictions, and the reason.

    Of those that are equally fast, the first of `choices.PRECISIONS` is chosen.
    """
    kept = [each for each in measurements if each.precision != "FP16-INT8" or _is_accepted(each)]
    left_out = len(kept) < len(measurements)
    if not kept:
        return measurements[0].precision, "it is the only one, and its predictions are not verified"
    fastest = min(each.latency_seconds for each in kept)
    equal = [each for each in kept if each.latency_seconds <= _NOTICEABLE * fastest]
    best = min(equal, key=lambda each: PRECISIONS.index(each.precision))
    reason = "the fastest that keeps the predictions" if len(kept) > 1 else "the only one"
    if left_out:
        reason += (
            "; FP16-INT8 has no accepted quantization record, make it with: i3d-rgb-tf quantize"
        )
    return best.precision, reason


def _is_accepted(measurement: Measurement) -> bool:
    return measurement.quantization is not None and measurement.quantization.is_accepted


def _measure(
    model: ConvertedModel,
    device: str,
    inference_precision: InferencePrecision | None,
    performance_hint: PerformanceHint,
    video: Path | None,
    rounds: int,
) -> Measurement:
    path = model.path

    def first_result() -> float:
        arguments = (path, device, inference_precision)
        return _seconds(lambda: _in_new_process(_predict_once, *arguments))

    uncached, cached = first_result(), first_result()
    seconds, peak = _in_new_process(_time_latency, path, device, inference_precision, rounds)
    latency = statistics.median(seconds)
    measured_video = None
    if video is not None:
        video_seconds, num_clips = _in_new_process(
            _time_video, path, device, inference_precision, performance_hint, video
        )
        measured_video = VideoMeasurement(
            video_seconds, num_clips, video_seconds / (num_clips * latency)
        )
    throughput = _in_new_process(_time_throughput, path, device, inference_precision, rounds)
    return Measurement(
        precision=model.precision,
        layout=model.layout,
        model=str(path),
        first_result_seconds=cached,
        uncached_first_result_seconds=uncached,
        latency_seconds=latency,
        fastest_seconds=min(seconds),
        slowest_seconds=max(seconds),
        clips_per_second=throughput,
        peak_megabytes=peak,
        video=measured_video,
        quantization=read_record(read_ir(path)),
    )


def _in_new_process(function: Callable[..., _Result], *arguments: Any) -> _Result:
    """Run a function of this module in a new process, where nothing is loaded yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        try:
            return executor.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise DeviceError("a measuring process ended early; is there enough memory?") from error


def _predict_once(path: Path, device: str, precision: InferencePrecision | None) -> None:
    load_model(path, device=device, inference_precision=precision).predict(waves_clip())


def _time_latency(
    path: Path, device: str, precision: InferencePrecision | None, rounds: int
) -> tuple[list[float], float | None]:
    """Return the seconds of each round and the peak memory."""
    model = load_model(path, device=device, inference_precision=precision)
    clip = waves_clip()
    model.predict(clip)
    seconds = [_seconds(lambda: model.predict(clip)) for _ in range(rounds)]
    return seconds, _peak_megabytes()


def _time_video(
    path: Path,
    device: str,
    precision: InferencePrecision | None,
    hint: PerformanceHint,
    video: Path,
) -> tuple[float, int]:
    """Return the median seconds from the file to its labels, and its clips."""
    model = load_model(path, device=device, inference_precision=precision, performance_hint=hint)
    num_clips = model.classify(video).num_clips
    return statistics.median(_seconds(lambda: model.classify(video)) for _ in range(3)), num_clips


def _time_throughput(
    path: Path, device: str, precision: InferencePrecision | None, rounds: int
) -> float:
    """Return clips per second with as many at once as the device wants."""
    compiled = compile_model(
        read_ir(path), device, precision, performance_hint="THROUGHPUT", cache=False
    )
    at_once = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    clip = waves_clip()

    def run(count: int) -> None:
        for _ in infer_in_order(compiled, ((None, clip) for _ in range(count))):
            pass

    run(at_once)
    # Several batches, so that the last, partly filled one has little weight.
    count = at_once * max(2, -(-rounds // at_once))
    return count / _seconds(lambda: run(count))


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
