"""Every model is measured, and the fastest that keeps the predictions is recommended."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import cycle
from types import SimpleNamespace

import pytest

from i3d_rgb_tf import benchmark as benchmark_module
from i3d_rgb_tf import measure as measure_module
from i3d_rgb_tf.benchmark import benchmark, recommend
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import DeviceError, ModelError, VideoError
from i3d_rgb_tf.measure import Measurement
from i3d_rgb_tf.quantization.acceptance import Agreement, QuantizationRecord
from networks import save_small_network
from videos import gray, write_video

NEAR = Agreement(num_clips=12, top1_agreement=1.0, mean_kl=0.01, worst_difference=0.1)
FAR = Agreement(num_clips=12, top1_agreement=0.9, mean_kl=0.2, worst_difference=0.9)
KEPT = QuantizationRecord(num_videos=4, num_calibration_clips=24, agreement=NEAR, speed_ratio=3.0)
LOST = replace(KEPT, agreement=FAR)
DOUBTED = replace(KEPT, warning="the calibration videos show few actions")
NO_RECORD = "FP16-INT8 has no accepted quantization record"


def measured(precision, latency_seconds, record=None, convolution="direct"):
    return Measurement(
        precision=precision,
        convolution=convolution,
        layout="NDCHW",
        model=f"{precision}/i3d-rgb-tf.xml",
        first_result_seconds=2.0,
        uncached_first_result_seconds=3.0,
        latency_seconds=latency_seconds,
        fastest_seconds=latency_seconds,
        slowest_seconds=latency_seconds,
        clips_per_second=1 / latency_seconds,
        peak_megabytes=500.0,
        video=None,
        quantization=record,
    )


FASTEST = "the fastest that keeps the predictions"


@pytest.mark.parametrize(
    ("measurements", "recommended", "reason"),
    [
        ([measured("FP32", 1.0)], "FP32", FASTEST),
        ([measured("FP32", 1.0), measured("FP16", 1.02)], "FP16", "the fastest that keeps"),
        ([measured("FP32", 1.0), measured("FP16", 1.2)], "FP32", "the fastest that keeps"),
        ([measured("FP16", 1.0), measured("FP16-INT8", 0.3, KEPT)], "FP16-INT8", "the fastest"),
        ([measured("FP16", 1.0), measured("FP16-INT8", 0.99, KEPT)], "FP16", "the fastest"),
        ([measured("FP16", 1.0), measured("FP16-INT8", 0.3, LOST)], "FP16", NO_RECORD),
        ([measured("FP16", 1.0), measured("FP16-INT8", 0.3, DOUBTED)], "FP16", NO_RECORD),
        ([measured("FP16", 1.0), measured("FP16-INT8", 0.3)], "FP16", "i3d-rgb-tf quantize"),
        ([measured("FP16-INT8", 0.3)], "FP16-INT8", "its predictions are not verified"),
        (
            [measured("FP16-INT8", 0.3), measured("FP16", 0.1)],
            "FP16",
            FASTEST,
        ),
    ],
)
def test_the_fastest_model_that_keeps_the_predictions_is_recommended(
    measurements, recommended, reason
):
    found, why = recommend(measurements)

    assert found.precision == recommended
    assert reason in why
    assert "--no-winograd" not in why


def both(precision, winograd_seconds, direct_seconds):
    """Return the figures of a model that is measured in both ways."""
    rewritten = measured(precision, winograd_seconds, convolution="winograd")
    return [rewritten, measured(precision, direct_seconds)]


INT8 = measured("FP16-INT8", 0.5, KEPT)
SLOWER = "; winograd is slower here, so use --no-winograd"


@pytest.mark.parametrize(
    ("measurements", "recommended", "reason"),
    [
        (both("FP32", 0.6, 1.0), ("FP32", "winograd"), FASTEST),
        (both("FP32", 1.02, 1.0), ("FP32", "winograd"), FASTEST),
        (
            both("FP32", 1.2, 1.0),
            ("FP32", "direct"),
            f"{FASTEST}{SLOWER}",
        ),
        (
            [*both("FP32", 0.6, 1.0), *both("FP16", 0.61, 1.0)],
            ("FP16", "winograd"),
            FASTEST,
        ),
        (
            [*both("FP16", 1.2, 1.0), *both("FP32", 1.3, 1.2)],
            ("FP16", "direct"),
            f"{FASTEST}{SLOWER}",
        ),
        (
            [*both("FP16", 0.6, 1.0), INT8],
            ("FP16-INT8", "direct"),
            FASTEST,
        ),
    ],
)
def test_the_recommendation_says_when_direct_convolution_is_faster(
    measurements, recommended, reason
):
    found, why = recommend(measurements)

    assert (found.precision, found.convolution) == recommended
    assert why == reason


@pytest.fixture
def tree(model_root, spec, tmp_path):
    """Return a tree with the FP16 IR only."""
    spec.folder(tmp_path).mkdir(parents=True)
    (spec.folder(tmp_path) / "FP16").symlink_to(spec.folder(model_root) / "FP16")
    return tmp_path


def test_every_figure_is_measured(tree, spec, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    video = write_video(tmp_path / "gray.mp4", [gray(127)] * 30)
    arguments = ["benchmark", "-d", str(tree), "--rounds", "2", "--video", str(video)]

    assert main([*arguments, "--no-winograd", "--format", "json"]) == 0

    result = json.loads(capfd.readouterr().out)
    (figures,) = result["measurements"]
    assert (figures["precision"], figures["layout"]) == ("FP16", "NDCHW")
    assert figures["convolution"] == result["recommended_convolution"] == "direct"
    assert figures["model"] == str(spec.ir_path(tree, "FP16"))
    assert figures["fastest_seconds"] <= figures["latency_seconds"] <= figures["slowest_seconds"]
    # Broad, for other load on the machine comes and goes; a wrong unit would be 1000 times off.
    assert figures["first_result_seconds"] > 0.2 * figures["fastest_seconds"]
    assert figures["uncached_first_result_seconds"] > 0.2 * figures["fastest_seconds"]
    assert 0.02 < figures["clips_per_second"] * figures["latency_seconds"] < 50
    assert 200 < figures["peak_megabytes"] < 3000
    assert figures["video"]["num_frames"] == 30
    ratio = figures["video"]["seconds"] / figures["latency_seconds"]
    assert figures["video"]["times_inference"] == pytest.approx(ratio)
    assert (result["device"], result["recommended"]) == ("CPU", "FP16")
    assert list((tmp_path / "cache").rglob("*.blob"))


@pytest.fixture
def convolution():
    """Return how the fake measuring processes compute convolutions, unless told not to."""
    return "direct"


@pytest.fixture
def fake_processes(monkeypatch, convolution):
    """Replace the measuring processes and the clock; return the names of what was run."""
    # The first process fills the cache, the second uses it.
    seconds = cycle([9.0, 2.0])
    clock = [0.0]
    ran = []

    def run(function, run, *arguments):
        ran.append(function.__name__.strip("_"))
        if ran[-1] == "predict_once":
            clock[0] += next(seconds)
        return {
            "predict_once": None,
            "time_latency": (
                [0.5, 0.7, 0.6] if run.winograd else [1.5, 1.7, 1.6],
                500.0,
                convolution if run.winograd else "direct",
            ),
            "time_video": (6.0, 395),
            "time_throughput": 3.0,
        }[ran[-1]]

    monkeypatch.setattr(measure_module, "_in_new_process", run)
    monkeypatch.setattr(benchmark_module, "read_frames", lambda video: iter([None]))
    fake_time = SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr(measure_module, "time", fake_time)
    return ran


def test_each_precision_is_measured_once_and_its_layout_named(
    spec, tmp_path, fake_processes, capsys
):
    for layout in ("NSTHWC", "NDHWC"):
        save_small_network(spec.ir_path(tmp_path, "FP16", layout))

    assert main(["benchmark", "-d", str(tmp_path)]) == 0

    assert fake_processes.count("time_latency") == 1
    printed = capsys.readouterr().out
    assert "\nFP16 NDHWC  direct       2.00 s" in printed
    assert f"recommended: FP16, direct convolution, {FASTEST}" in printed


@pytest.fixture
def small_tree(spec, tmp_path):
    save_small_network(spec.ir_path(tmp_path, "FP16"))
    return tmp_path


def test_the_figures_are_those_of_the_measuring_processes(small_tree, fake_processes):
    (result,) = benchmark(small_tree, video=small_tree / "any.mp4").measurements

    processes = "predict_once predict_once time_latency time_video time_throughput"
    assert " ".join(fake_processes) == processes
    assert result.uncached_first_result_seconds == 9.0
    assert result.first_result_seconds == 2.0
    found = (result.fastest_seconds, result.latency_seconds, result.slowest_seconds)
    assert found == (0.5, 0.6, 0.7)
    assert (result.clips_per_second, result.peak_megabytes) == (3.0, 500.0)
    assert (result.video.seconds, result.video.num_frames) == (6.0, 395)
    assert result.video.times_inference == pytest.approx(6.0 / (5 * 0.6))


@pytest.mark.parametrize("convolution", ["winograd"])
def test_a_rewritten_model_is_also_measured_with_direct_convolution(
    small_tree, fake_processes, capsys
):
    assert main(["benchmark", "-d", str(small_tree), "--format", "json"]) == 0

    result = json.loads(capsys.readouterr().out)
    assert [
        (each["precision"], each["convolution"], each["latency_seconds"], each["model"])
        for each in result["measurements"]
    ] == [
        ("FP16", "winograd", 0.6, result["measurements"][1]["model"]),
        ("FP16", "direct", 1.6, result["measurements"][0]["model"]),
    ]
    assert (result["recommended"], result["recommended_convolution"]) == ("FP16", "winograd")
    assert result["reason"] == FASTEST


@pytest.mark.parametrize("convolution", ["winograd"])
def test_without_winograd_a_model_is_measured_once(small_tree, fake_processes, capsys):
    assert main(["benchmark", "-d", str(small_tree), "--no-winograd"]) == 0

    assert fake_processes.count("time_latency") == 1
    assert capsys.readouterr().out.splitlines()[2].startswith("FP16  direct ")


def test_without_a_video_there_is_no_figure_for_it(small_tree, fake_processes):
    result = benchmark(small_tree)

    assert "time_video" not in fake_processes
    assert result.measurements[0].video is None
    assert (result.device, result.recommended) == ("CPU", "FP16")
    assert result.device_name != "CPU"


def test_a_group_of_devices_has_no_other_name(small_tree, fake_processes):
    result = benchmark(small_tree, device="HETERO:CPU")

    assert (result.device, result.device_name) == ("HETERO:CPU", "HETERO:CPU")


def test_text_is_a_table_with_the_recommendation(tree, monkeypatch, capsys):
    asked = []

    def in_this_process(model, run, *options):
        asked.extend([run.device, run.inference_precision, run.performance_hint, run.winograd])
        asked.extend(options)
        return measured(model.precision, 0.5, KEPT)

    monkeypatch.setattr(benchmark_module, "measure", in_this_process)

    assert main(["benchmark", "-d", str(tree), "--performance-hint", "throughput"]) == 0

    assert asked == ["CPU", None, "THROUGHPUT", True, None, 10]
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"CPU: .+, OpenVINO \d{4}\.\d", lines[0])
    names = "convolution first result a clip clips/s memory video KL to FP32"
    assert " ".join(lines[1].split()) == names
    figures = "FP16  direct       2.00 s        0.500 s (0.500..0.500)  2.00     500 MB  -"
    assert lines[2].startswith(figures)
    assert lines[3] == f"recommended: FP16, direct convolution, {FASTEST}"


def test_an_error_of_a_measuring_process_is_raised(tree):
    with pytest.raises(DeviceError, match="there is no device NPU99"):
        benchmark(tree, device="NPU99", rounds=1)


def test_a_missing_video_is_an_error_before_anything_is_measured(tree, tmp_path):
    with pytest.raises(VideoError, match="there is no video"):
        benchmark(tree, video=tmp_path / "none.mp4", rounds=1)


def test_a_tree_without_models_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="no converted model in"):
        benchmark(tmp_path)


def test_zero_rounds_are_wrong_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["benchmark", "--rounds", "0"])

    assert "got '0', expected a whole number, at least 1" in capsys.readouterr().err
