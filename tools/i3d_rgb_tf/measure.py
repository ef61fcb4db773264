"""Measure one converted model on this machine, each figure in a process of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from i3d_rgb_tf.choices import (
    Convolution,
    InferencePrecision,
    Layout,
    PerformanceHint,
    Precision,
)
from i3d_rgb_tf.errors import DeviceError
from i3d_rgb_tf.inference.pipeline import infer_in_order
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import ConvertedModel, read_ir
from i3d_rgb_tf.model import Model, load_model
from i3d_rgb_tf.quantization.acceptance import QuantizationRecord, read_record
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.spec import load_spec

__all__ = ["Measurement", "Run", "VideoMeasurement", "measure"]

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
class Run:
    """An IR, and how it is run."""

    path: Path
    """The IR."""
    device: str
    """Device of OpenVINO."""
    inference_precision: InferencePrecision | None
    """The arithmetic of the device; None for its fastest."""
    performance_hint: PerformanceHint
    """How the video is inferred."""
    winograd: bool
    """Whether convolutions may be computed with fewer multiplications."""
    num_threads: int | None = None
    """As for `i3d_rgb_tf.model.load_model`."""

    def load(self) -> Model:
        """Open the model."""
        return load_model(
            self.path,
            device=self.device,
            inference_precision=self.inference_precision,
            performance_hint=self.performance_hint,
            winograd=self.winograd,
            num_threads=self.num_threads,
        )


def measure(model: ConvertedModel, run: Run, video: Path | None, rounds: int) -> Measurement:
    """Measure an IR.

    Parameters
    ----------
    model
        Which one of a tree it is.
    run
        How it is run; the figures of clips are one at a time, and as many as the device wants.
    video
        A video to measure from the file to its labels, or None.
    rounds
        Clips to infer for each figure, at least 1.

    Raises
    ------
    ModelError
        It is not this model's.
    DeviceError
        The device is not available, or a process ended early.
    VideoError
        The video cannot be read.
    """
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


def _predict_once(run: Run) -> None:
    run.load().predict(waves_clip())


def _time_latency(run: Run, rounds: int) -> tuple[list[float], float | None, Convolution]:
    """Return the seconds of each round, the peak memory, and how convolutions were computed."""
    model = run.load()
    clip = waves_clip()
    model.predict(clip)
    seconds = [_seconds(lambda: model.predict(clip)) for _ in range(rounds)]
    return seconds, _peak_megabytes(), model.convolution


def _time_video(run: Run, video: Path) -> tuple[float, int]:
    """Return the median seconds from the file to its labels, and its frames."""
    model = run.load()
    num_frames = model.classify(video).num_frames
    return statistics.median(_seconds(lambda: model.classify(video)) for _ in range(3)), num_frames


def _time_throughput(run: Run, rounds: int) -> float:
    """Return clips per second with as many at once as the device wants."""
    compiled = compile_model(
        read_ir(run.path),
        run.device,
        run.inference_precision,
        performance_hint="THROUGHPUT",
        convolution=None if run.winograd else "direct",
        num_threads=run.num_threads,
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
