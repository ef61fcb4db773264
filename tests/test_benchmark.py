import json
import os
import re
from dataclasses import replace

import pytest

from i3d_rgb_tf import benchmark as benchmark_module
from i3d_rgb_tf.benchmark import Measurement, benchmark, recommend
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.compare import Agreement
from i3d_rgb_tf.errors import DeviceError, ModelError, VideoError
from i3d_rgb_tf.proof import Proof
from videos import gray, write_video

NEAR = Agreement(num_clips=12, top1_agreement=1.0, mean_kl=0.01, worst_difference=0.1)
FAR = Agreement(num_clips=12, top1_agreement=0.9, mean_kl=0.2, worst_difference=0.9)
KEPT = Proof(num_videos=4, num_calibration_clips=24, agreement=NEAR, speed_ratio=3.0)
LOST = replace(KEPT, agreement=FAR)
DOUBTED = replace(KEPT, warning="the calibration videos do not look like actions")


def measured(precision, latency_seconds, proof=None):
    return Measurement(
        precision=precision,
        model=f"{precision}/i3d-rgb-tf.xml",
        first_result_seconds=2.0,
        uncached_first_result_seconds=3.0,
        latency_seconds=latency_seconds,
        fastest_seconds=latency_seconds,
        slowest_seconds=latency_seconds,
        clips_per_second=1 / latency_seconds,
        peak_megabytes=500.0,
        video=None,
        proof=proof,
    )


@pytest.mark.parametrize(
    ("measurements", "recommended", "reason"),
    [
        ([measured("FP32", 1.0)], "FP32", "the one that there is"),
        ([measured("FP32", 1.0), measured("FP16", 1.02)], "FP16", "the fastest that keeps"),
        ([measured("FP32", 1.0), measured("FP16", 1.2)], "FP32", "the fastest that keeps"),
        ([measured("FP16", 1.0), measured("FP16-INT8", 0.3, KEPT)], "FP16-INT8", "the fastest"),
        ([measured("FP16", 1.0), measured("FP16-INT8", 0.99, KEPT)], "FP16", "the fastest"),
        ([measured("FP16", 1.0), measured("FP16-INT8", 0.3, LOST)], "FP16", "has no proof in it"),
        (
            [measured("FP16", 1.0), measured("FP16-INT8", 0.3, DOUBTED)],
            "FP16",
            "has no proof in it",
        ),
        ([measured("FP16", 1.0), measured("FP16-INT8", 0.3)], "FP16", "i3d-rgb-tf quantize"),
        ([measured("FP16-INT8", 0.3)], "FP16-INT8", "its answers are not proven"),
    ],
)
def test_the_fastest_that_keeps_the_answers_is_recommended(measurements, recommended, reason):
    precision, why = recommend(tuple(measurements))

    assert precision == recommended
    assert reason in why


@pytest.fixture
def tree(model_root, spec, tmp_path):
    """A tree with the FP16 IR only."""
    spec.folder(tmp_path).mkdir(parents=True)
    (spec.folder(tmp_path) / "FP16").symlink_to(spec.folder(model_root) / "FP16")
    return tmp_path


def test_every_figure_is_measured(tree, spec, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    video = write_video(tmp_path / "gray.mp4", [gray(127)] * 30)
    arguments = ["benchmark", "-d", str(tree), "--rounds", "2", "--video", str(video)]

    assert main([*arguments, "--format", "json"]) == 0

    result = json.loads(capfd.readouterr().out)
    (figures,) = result["measurements"]
    assert figures["model"] == str(spec.ir_path(tree, "FP16"))
    assert figures["fastest_seconds"] <= figures["latency_seconds"] <= figures["slowest_seconds"]
    # A process takes longer to its first answer than a warm one to the next.
    assert figures["first_result_seconds"] > figures["fastest_seconds"]
    assert 0.1 < figures["clips_per_second"] * figures["latency_seconds"] < os.cpu_count()
    assert 200 < figures["peak_megabytes"] < 3000
    assert figures["video"]["num_clips"] == 1
    ratio = figures["video"]["seconds"] / figures["latency_seconds"]
    assert figures["video"]["times_inference"] == pytest.approx(ratio)
    assert (result["device"], result["recommended"]) == ("CPU", "FP16")
    assert list((tmp_path / "cache").rglob("*.blob"))


def test_the_table_is_for_people(tree, monkeypatch, capsys):
    asked = []

    def in_this_process(precision, path, *options):
        asked.extend(options)
        return measured(precision, 0.5, KEPT)

    monkeypatch.setattr(benchmark_module, "_measure", in_this_process)

    assert main(["benchmark", "-d", str(tree), "--performance-hint", "throughput"]) == 0

    assert asked == ["CPU", None, "THROUGHPUT", None, 10]
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"CPU: .+, OpenVINO \d{4}\.\d", lines[0])
    assert " ".join(lines[1].split()) == "first result a clip clips/s memory video KL to FP32"
    assert lines[2].startswith("FP16  2.00 s        0.500 s (0.500..0.500)  2.00     500 MB  -")
    assert lines[3] == "recommended: FP16, the one that there is"


def test_an_error_of_a_measuring_process_is_told(tree):
    with pytest.raises(DeviceError, match="there is no device NPU99"):
        benchmark(tree, device="NPU99", rounds=1)


def test_a_video_that_is_missing_is_told_before_minutes_of_measuring(tree, tmp_path):
    with pytest.raises(VideoError, match="there is no video"):
        benchmark(tree, video=tmp_path / "none.mp4", rounds=1)


def test_a_tree_without_models_is_told(tmp_path):
    with pytest.raises(ModelError, match="no converted model in"):
        benchmark(tmp_path)


def test_no_rounds_is_wrong_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["benchmark", "--rounds", "0"])

    assert "'0' is not a number from 1" in capsys.readouterr().err
