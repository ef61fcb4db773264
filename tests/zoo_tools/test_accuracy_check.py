"""accuracy_check 2023.3 and omz_quantizer on real clips, against TensorFlow on the same pixels."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from i3d_rgb_tf import load_model
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.video.decode import read_frames

WHEEL_CLIPS = {"bigbuckbunny": 1, "bikes": 3, "carphone_pristine": 4}
"""The videos of the wheel, and the number of clips each is cut into."""
SHARED_CLIPS = [
    "clips/activitynet_v_GGSY1Qvo990.mp4",
    "clips/activitynet_v_ZNVhz7ctTq0.mp4",
    "clips/gluoncv_basketball.gif",
    "clips/nasa_13013.mp4",
    "clips/ntu_S001C001P001R001A001.avi",
    "clips/omz_action_recognition.gif",
    "v_CricketShot_g04_c01_rgb.gif",
]
"""Other actions, where the shared data is; then one clip of each video of the wheel is enough."""
MOST_FRAMES = 120


def read_clips(wheel: Path, shared: Path):
    """Yield the name and the frames of each of 8 to 10 different real clips."""
    paths = [path for path in (shared / name for name in SHARED_CLIPS) if path.is_file()]
    for path in paths:
        yield path.stem, islice(read_frames(path, short_side=None), MOST_FRAMES)
    for name, parts in WHEEL_CLIPS.items():
        frames = list(read_frames(wheel / f"{name}.mp4", short_side=None))
        size = min(len(frames) // parts, MOST_FRAMES)
        for part in range(1 if paths else parts):
            yield f"{name}_{part}", frames[part * size : (part + 1) * size]


def write_annotation(data: Path, labels: dict[str, str]) -> None:
    database = {
        video: {"subset": "validation", "annotations": {"label": label}}
        for video, label in labels.items()
    }
    document = {"labels": list(load_labels()), "database": database}
    (data / "kinetics" / "kinetics_400.json").write_text(json.dumps(document))


@pytest.fixture(scope="module")
def scored(accuracy_check, config, wheel, optional_shared_folder, frozen_graph, tmp_path_factory):
    """A folder like Kinetics, labelled with TensorFlow's predictions, and their probabilities."""
    data = tmp_path_factory.mktemp("data")
    frames_folder = data / "kinetics" / "frames_val"
    first = load_labels()[0]
    names = []
    for name, frames in read_clips(wheel, optional_shared_folder):
        names.append(name)
        folder = frames_folder / first / name
        folder.mkdir(parents=True)
        for number, frame in enumerate(frames, 1):
            Image.fromarray(frame).save(folder / f"image_{number:05d}.jpg", quality=95)
    write_annotation(data, dict.fromkeys(names, first))

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


def test_accuracy_equals_that_of_tensorflow_on_the_same_pixels(
    accuracy_check, config, scored, converted, spec, tmp_path, capsys
):
    data, labels, scores = scored
    model = spec.ir_path(converted, "FP32")

    found = accuracy_check.check_accuracy(config, model, data, tmp_path / "run")

    assert len(labels) >= 8
    assert found.keys() == scores.keys()
    for dataset, clips in scores.items():
        assert len(clips) == 3 * len(labels)
        for metric, expected in expected_accuracies(labels, clips).items():
            accuracies = f"accuracy_check {found[dataset][metric]:.6f}, TensorFlow {expected:.6f}"
            with capsys.disabled():
                print(f"\n{dataset}, {len(clips)} clips, {metric}: {accuracies}")
            assert found[dataset][metric] == pytest.approx(expected, abs=1e-6), (dataset, metric)


@pytest.mark.parametrize("layout", ["NDHWC", "NDCWH"])
def test_a_wrong_layout_would_be_caught(
    accuracy_check, config, scored, converted, spec, tmp_path, layout
):
    data, labels, scores = scored
    document = yaml.safe_load(config.read_text())
    (model,) = document["models"]
    model["launchers"][0]["inputs"][0]["layout"] = layout
    model["datasets"] = model["datasets"][:1]
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(yaml.safe_dump(document))
    name = model["datasets"][0]["name"]

    path = spec.ir_path(converted, "FP32")
    found = accuracy_check.check_accuracy(wrong, path, data, tmp_path / "run")

    expected = expected_accuracies(labels, scores[name])
    assert found[name]["accuracy@top1"] < expected["accuracy@top1"] - 0.1


def test_the_quantizer_makes_an_int8_model_that_classifies(
    accuracy_check, registered, scored, converted, wheel, spec, tmp_path
):
    data, labels, _ = scored
    # Three videos are enough to calibrate with here; all of them would take minutes.
    chosen = dict(sorted(labels.items(), key=lambda item: item[0] != "bigbuckbunny_0")[:3])
    few = tmp_path / "few"
    for video, label in chosen.items():
        frames = Path("kinetics", "frames_val", label, video)
        shutil.copytree(data / frames, few / frames)
    write_annotation(few, chosen)
    command = ["--name", "i3d-rgb-tf", "--precisions", "FP16-INT8", "--dataset_dir", few]
    command += ["--model_dir", converted, "--output_dir", tmp_path]

    accuracy_check.run("omz_quantizer", *command, cwd=tmp_path)

    path = spec.ir_path(tmp_path, "FP16-INT8")
    assert "FakeQuantize" in path.read_text()
    video = wheel / "bigbuckbunny.mp4"
    assert load_model(path, cache=False).classify(video).predictions[0].label == "feeding birds"
    # OpenVINO 2023.3 classifies with it too.
    said = accuracy_check.run("i3d-rgb-tf", "classify", video, "-m", path).stdout
    assert "feeding birds" in said
