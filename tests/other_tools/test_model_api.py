"""OpenVINO's Model API opens the NSTHWC IR by its file alone, and classifies as this package."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from i3d_rgb_tf import load_model
from i3d_rgb_tf.ir.convert import convert
from i3d_rgb_tf.ir.files import read_ir, save_ir
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.quantization.quantize import quantize_model
from i3d_rgb_tf.video.clips import read_clips
from i3d_rgb_tf.video.decode import read_frames

CRICKET = "v_CricketShot_g04_c01_rgb.gif"
"""79 frames of 224x224 pixels; the original network gives its label 0.98856."""
SHARED_CLIPS = {
    "clips/activitynet_v_GGSY1Qvo990.mp4": "clean_and_jerk",
    "clips/activitynet_v_ZNVhz7ctTq0.mp4": "walking_the_dog",
}
TOLERANCE = 1e-4


def first_clip(video: Path, spec) -> np.ndarray:
    clips = read_clips(video, num_frames=spec.num_frames, size=spec.frame_size)
    return next(clips).frames


@pytest.fixture(scope="module")
def classify(environment, tmp_path_factory):
    """Return what opens an IR with Model API and classifies clips."""
    folder = tmp_path_factory.mktemp("clips")
    program = Path(__file__).with_name("classify_with_model_api.py")

    def run(path, clips=()):
        files = [folder / f"{number}.npy" for number in range(len(clips))]
        for file, clip in zip(files, clips, strict=True):
            np.save(file, clip)
        printed = environment.run("python", program, path, *files, timeout=300).stdout
        return json.loads(printed.splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def root(model_root, tmp_path_factory, spec):
    """A tree with the FP16 and FP32 IRs for Model API."""
    root = tmp_path_factory.mktemp("model_api")
    convert(spec.frozen_graph_path(model_root), root, layout="NSTHWC")
    return root


@pytest.fixture(scope="module")
def path(root, spec):
    return spec.ir_path(root, "FP32", "NSTHWC")


@pytest.fixture(scope="module")
def feeding_birds(wheel, spec):
    return first_clip(wheel / "bigbuckbunny.mp4", spec)


def test_every_key_in_the_file_is_read(classify, path):
    section = ElementTree.parse(path).find("rt_info/model_info")
    written = {key.tag: key.get("value") for key in section}

    found = classify(path)

    assert found["wrapper"] == "ActionClassificationModel"
    assert written.pop("model_type") == "Action Classification"
    assert found["parameters"].keys() >= written.keys()
    assert {key: found["parameters"][key] for key in written} == {
        "labels": [label.replace(" ", "_") for label in load_labels()],
        "resize_type": "standard",
        "mean_values": [0, 0, 0],
        "scale_values": [1, 1, 1],
        "reverse_input_channels": False,
    }


def test_other_values_in_the_file_are_read_too(classify, path, tmp_path):
    # Those that the file has are also defaults of Model API.
    changed = {"resize_type": "fit_to_window_letterbox", "reverse_input_channels": "True"}
    tree = ElementTree.parse(path)
    for key, value in changed.items():
        tree.find(f"rt_info/model_info/{key}").set("value", value)
    tree.write(tmp_path / "model.xml")
    shutil.copy(path.with_suffix(".bin"), tmp_path / "model.bin")

    found = classify(tmp_path / "model.xml")["parameters"]

    assert found["resize_type"] == "fit_to_window_letterbox"
    assert found["reverse_input_channels"] is True


@pytest.mark.parametrize("layout", ["NDCHW", "NDHWC"])
def test_another_layout_is_refused(environment, frozen_graph, tmp_path, layout):
    (path,) = convert(frozen_graph, tmp_path, precisions=["FP16"], layout=layout)
    program = f"from model_api.models import Model; Model.create_model({str(path)!r})"

    result = environment.run("python", "-c", program, check=False, timeout=300)

    assert result.returncode != 0
    assert "There is no model with name uknown in list" in result.stdout


def assert_same_predictions(found, model, clips, labels):
    indices = {label.replace(" ", "_"): index for index, label in enumerate(load_labels())}
    for (label, score, preferred), clip, expected in zip(found, clips, labels, strict=True):
        probabilities = model.predict(clip)
        assert label == preferred == expected
        assert probabilities.argmax() == indices[label]
        assert score == pytest.approx(probabilities.max(), abs=TOLERANCE)


def test_real_clips_have_our_label_and_score(
    classify, path, model_root, spec, shared_folder, feeding_birds
):
    cricket = np.stack(list(read_frames(shared_folder / CRICKET, short_side=None)))
    clips = [first_clip(shared_folder / name, spec) for name in SHARED_CLIPS]
    clips += [feeding_birds, cricket]
    labels = [*SHARED_CLIPS.values(), "feeding_birds", "playing_cricket"]

    found = classify(path, clips)["predictions"]

    model = load_model(spec.ir_path(model_root, "FP32"), inference_precision="f32", cache=False)
    assert_same_predictions(found, model, clips, labels)
    assert found[-1][1] == pytest.approx(0.98856, abs=TOLERANCE)


def test_the_int8_model_has_our_label_and_score(
    classify, model_root, spec, feeding_birds, tmp_path
):
    quantized = quantize_model(read_ir(spec.ir_path(model_root, "FP32")), [feeding_birds])
    ours = spec.ir_path(tmp_path, "FP16-INT8")
    save_ir(quantized, ours, compress_to_fp16=True)
    graph = spec.frozen_graph_path(model_root)
    (path,) = convert(graph, tmp_path, precisions=["FP16-INT8"], layout="NSTHWC")

    found = classify(path, [feeding_birds])["predictions"]

    model = load_model(ours, inference_precision="f32", cache=False)
    assert_same_predictions(found, model, [feeding_birds], ["feeding_birds"])


def test_the_snippet_of_the_page_runs(environment, root, wheel, repository):
    page = (repository / "docs" / "interoperability.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    shutil.copy(wheel / "bigbuckbunny.mp4", root)

    printed = environment.run("python", "-c", snippet, cwd=root, timeout=300).stdout

    assert printed.splitlines()[-1:] == re.findall(r"print\(.*\)  # (.+)", snippet)
