import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf import load_model
from i3d_rgb_tf.classify import find_model
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.clips import center_crop, split_clips
from i3d_rgb_tf.errors import ModelError, VideoError
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.verify import waves_clip
from i3d_rgb_tf.video import read_frames

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def model(model_root, spec):
    return load_model(spec.ir_path(model_root, "FP32"), inference_precision="f32", cache=False)


@pytest.fixture(scope="module")
def cricket(shared_folder):
    return shared_folder / "v_CricketShot_g04_c01_rgb.gif"


@pytest.fixture(scope="module")
def basketball(shared_folder):
    return shared_folder / "clips" / "gluoncv_basketball.gif"


def test_predict_gives_the_golden_probabilities(model):
    expected = np.load(DATA / "waves.npz")["probabilities"]

    found = model.predict(waves_clip())

    assert found.shape == (400,)
    assert np.abs(found - expected).max() <= 1e-5


def test_cricket_is_recognised(model, cricket):
    clip = np.stack(list(read_frames(cricket, frames_per_second=None, short_side=None)))

    found = model.predict(clip)

    assert load_labels()[found.argmax()] == "playing cricket"
    assert found.max() == pytest.approx(0.98856294, abs=1e-5)


def test_a_video_is_the_mean_of_its_clips(model, basketball):
    frames = list(read_frames(basketball))
    clips = list(split_clips(center_crop(frame, 224) for frame in frames))
    expected = np.mean([model.predict(clip) for clip in clips], axis=0)

    found = model.classify(basketball, top_k=3)

    assert (found.num_frames, found.num_clips, found.duration_seconds) == (120, 2, 4.8)
    assert found.weights == "rgb_scratch"
    assert found.predictions[0].label == "shooting basketball"
    assert len(found.predictions) == 3
    assert np.abs(found.probabilities - expected).max() <= 1e-6
    for prediction in found.predictions:
        assert prediction.label == load_labels()[prediction.index]
        assert prediction.probability == found.probabilities[prediction.index]


@pytest.mark.parametrize(
    "clip", [np.zeros((79, 224, 224, 3)), np.zeros((64, 224, 224, 3), np.uint8)]
)
def test_a_clip_of_another_kind_is_refused(model, clip):
    with pytest.raises(ModelError, match=r"expected \(79, 224, 224, 3\) uint8, RGB"):
        model.predict(clip)


@pytest.mark.parametrize("top_k", [0, 401])
def test_top_k_has_a_range(model, top_k):
    with pytest.raises(ValueError, match=f"top_k is {top_k}, expected 1..400"):
        model.classify("any.mp4", top_k=top_k)


def test_the_model_goes_on_after_a_video_it_cannot_read(model, tmp_path, basketball):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")

    with pytest.raises(VideoError, match="cannot read"):
        model.classify(broken)
    assert model.classify(basketball).num_clips == 2


def test_fp16_is_preferred_in_a_tree(model_root, spec, tmp_path):
    assert find_model(model_root) == spec.ir_path(model_root, "FP16")
    with pytest.raises(ModelError, match="no converted model in .*; make one with: i3d-rgb-tf"):
        find_model(tmp_path)


def test_json_has_the_promised_fields_and_a_bad_video_does_not_stop_the_rest(
    model_root, basketball, tmp_path, capsys
):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")

    status = main(
        ["classify", str(broken), str(basketball), "-d", str(model_root), "--format", "json"]
    )

    out, err = capsys.readouterr()
    (result,) = json.loads(out)
    assert status == 1
    assert f"i3d-rgb-tf: error: cannot read {broken}" in err
    assert list(result) == [
        "video",
        "num_frames",
        "duration_seconds",
        "num_clips",
        "weights",
        "model",
        "predictions",
    ]
    assert result["video"] == str(basketball)
    assert list(result["predictions"][0]) == ["label", "index", "probability"]
    assert len(result["predictions"]) == 5


def test_text_is_for_people(model_root, basketball, capsys):
    assert main(["classify", str(basketball), "-d", str(model_root), "--top-k", "1"]) == 0

    head, first = capsys.readouterr().out.splitlines()
    assert head == f"{basketball}: 4.8 s, 120 frames, 2 clips, weights rgb_scratch"
    assert first.endswith("  shooting basketball")


@pytest.mark.parametrize("top_k", ["0", "401", "x"])
def test_a_wrong_top_k_is_wrong_usage(top_k, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["classify", "a.mp4", "--top-k", top_k])
    assert caught.value.code == 2
    assert "is not a number from 1 to 400" in capsys.readouterr().err


def test_classifying_imports_no_tensorflow(model_root, basketball):
    program = (
        "import sys; from i3d_rgb_tf.cli import main; status = main(sys.argv[1:])\n"
        "sys.exit(status or 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", program, "classify", basketball, "-d", model_root]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
