"""A tree is verified by its tensors and by what its models predict."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from i3d_rgb_tf import verify as verify_module
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.ir.convert import convert
from i3d_rgb_tf.ir.files import read_ir, save_ir
from i3d_rgb_tf.ir.metadata import Provenance, write_provenance
from i3d_rgb_tf.ir.winograd.rewrite import rewrite
from i3d_rgb_tf.quantization.acceptance import Agreement, QuantizationRecord, write_record
from i3d_rgb_tf.reference import waves_clip, waves_probabilities
from i3d_rgb_tf.verify import verify
from i3d_rgb_tf.weights.freeze import freeze_tensors
from networks import save_convolution_network, save_small_network

RECORD = QuantizationRecord(
    num_videos=4,
    num_calibration_clips=24,
    agreement=Agreement(num_clips=12, top1_agreement=1.0, mean_kl=0.01, worst_difference=0.1),
    speed_ratio=3.0,
)


@pytest.fixture(scope="module")
def tuned_root(tensors, spec, tmp_path_factory):
    """Return a tree of weights that were not published: one bit of the bias differs."""
    root = tmp_path_factory.mktemp("tuned")
    name = "RGB/inception_i3d/Logits/Conv3d_0c_1x1/conv_3d/b"
    bias = tensors[name].copy()
    bias.view(np.uint32)[0] ^= 1
    path = spec.frozen_graph_path(root)
    freeze_tensors({**tensors, name: bias}, path)
    convert(path, root, precisions=["FP32"], allow_unknown=True)
    return root


def statuses(checks):
    return {check.name: check.status for check in checks}


def test_a_tree_of_published_weights_passes(model_root):
    assert statuses(verify(model_root)) == {
        "tensors": "passed",
        "FP32 waves": "passed",
        "FP16 waves": "passed",
    }


def test_deepminds_sample_clip_is_recognised(model_root, shared_folder):
    checks = verify(model_root, sample=shared_folder / "v_CricketShot_g04_c01_rgb.gif")

    assert statuses(checks)["FP32 sample"] == "passed"
    (detail,) = [check.detail for check in checks if check.name == "FP32 sample"]
    assert detail.startswith("playing cricket 0.9886, published playing cricket; 9 of the 20")


def test_the_sample_may_be_the_array_that_deepmind_published(model_root, tmp_path):
    sample = tmp_path / "sample.npy"
    np.save(sample, (waves_clip()[np.newaxis].astype(np.float32) - 127.5) / 127.5)

    checks = verify(model_root, sample=sample)

    # It is read, and the action in it is not cricket.
    (detail,) = [check.detail for check in checks if check.name == "FP32 sample"]
    assert detail.startswith("applauding 0.9497, published playing cricket")
    assert statuses(checks)["FP32 sample"] == "failed"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((1, 10, 224, 224, 3), np.float32), r"shape \(10, 224, 224, 3\), expected"),
        (np.zeros(3, np.float32), r"shape \(3,\), expected"),
    ],
)
def test_a_sample_of_another_shape_fails(model_root, tmp_path, array, message):
    sample = tmp_path / "sample.npy"
    np.save(sample, array)

    (check,) = [each for each in verify(model_root, sample=sample) if each.name == "FP32 sample"]

    assert check.status == "failed"
    assert re.search(message, check.detail)


def test_unpublished_weights_fail_although_the_ir_matches_its_graph(tuned_root):
    assert statuses(verify(tuned_root)) == {"tensors": "failed", "FP32 waves": "passed"}


def test_the_command_fails_when_one_check_fails(tuned_root, capsys):
    assert main(["verify", "-d", str(tuned_root)]) == 1

    printed = capsys.readouterr().out
    assert "failed  tensors" in printed
    assert "passed  FP32 waves" in printed


def test_an_ir_with_other_predictions_fails(model_root, spec, tmp_path):
    shutil.copytree(model_root, tmp_path / "tree", symlinks=True)
    weights = spec.ir_path(tmp_path / "tree", "FP32").with_suffix(".bin")
    content = bytearray(weights.read_bytes())
    content[1000:200_000] = bytes(199_000)
    weights.write_bytes(content)

    assert statuses(verify(tmp_path / "tree")) == {
        "tensors": "passed",
        "FP32 waves": "failed",
        "FP16 waves": "passed",
    }


def test_fp16_weights_in_the_folder_of_fp32_fail(model_root, spec, tmp_path):
    # FP16 under the name of FP32 gives the same label, 0.0003 off.
    path = spec.ir_path(tmp_path, "FP32")
    shutil.copytree(spec.ir_path(model_root, "FP16").parent, path.parent)

    _, waves = verify(tmp_path)

    assert (waves.name, waves.status) == ("FP32 waves", "failed")
    assert "at most 1e-05 expected" in waves.detail


@pytest.mark.parametrize("named", ["rgb_imagenet", "unknown"])
def test_an_ir_that_names_other_weights_than_its_graph_holds_fails(
    model_root, spec, tmp_path, named
):
    shutil.copytree(model_root, tmp_path / "tree", symlinks=True)
    ir = spec.ir_path(tmp_path / "tree", "FP16")
    ir.write_text(ir.read_text().replace("rgb_scratch", named))

    checks = {check.name: check for check in verify(tmp_path / "tree")}

    assert {name: check.status for name, check in checks.items()} == {
        "tensors": "passed",
        "FP32 waves": "passed",
        "FP16 waves": "failed",
    }
    waves = checks["FP16 waves"]
    assert f"names the weights {named}, but the graph" in waves.detail
    assert "holds rgb_scratch; convert again" in waves.detail


def test_an_ir_of_the_zoos_own_tools_passes_without_naming_its_weights(model_root, spec, tmp_path):
    shutil.copytree(model_root, tmp_path / "tree", symlinks=True)
    ir = spec.ir_path(tmp_path / "tree", "FP32")
    anonymous = re.sub(r"<i3d_rgb_tf>.*?</i3d_rgb_tf>", "", ir.read_text(), flags=re.DOTALL)
    assert anonymous != ir.read_text()
    ir.write_text(anonymous)

    checks = verify(tmp_path / "tree")

    assert [check.status for check in checks] == ["passed"] * 3


@pytest.mark.parametrize("layout", ["NDHWC", "NSTHWC"])
def test_an_ir_in_another_layout_is_verified(frozen_graph, tmp_path, layout):
    convert(frozen_graph, tmp_path, precisions=["FP16"], layout=layout)

    _, waves = verify(tmp_path)

    assert (waves.name, waves.status) == (f"FP16 {layout} waves", "passed")


def test_an_ir_in_another_layout_than_its_name_says_fails(frozen_graph, spec, tmp_path):
    # The zoo's stock entry makes it so.
    (path,) = convert(frozen_graph, tmp_path, precisions=["FP16"], layout="NDHWC")
    for suffix in (".xml", ".bin"):
        path.with_suffix(suffix).rename(spec.ir_path(tmp_path, "FP16").with_suffix(suffix))

    _, waves = verify(tmp_path)

    assert (waves.name, waves.status) == ("FP16 waves", "failed")
    assert "takes NDHWC, expected NDCHW by its name" in waves.detail


def test_an_int8_ir_in_another_layout_than_its_name_says_has_the_remedy(spec, tmp_path):
    small = save_small_network(spec.ir_path(tmp_path, "FP16-INT8"))
    shutil.copy(small, small.with_name("i3d-rgb-tf-ndhwc.xml"))
    shutil.copy(small.with_suffix(".bin"), small.with_name("i3d-rgb-tf-ndhwc.bin"))

    _, _, waves = verify(tmp_path)

    assert waves.status == "failed"
    assert "convert --layout NDHWC --precisions FP16-INT8" in waves.detail


def test_an_ir_in_another_layout_that_is_older_than_the_zoos_fails(spec, tmp_path):
    path = save_small_network(spec.ir_path(tmp_path, "FP16-INT8"))
    model = read_ir(path)
    write_provenance(model, Provenance("rgb_scratch", "abc"))
    write_record(model, RECORD)
    save_ir(model, path)
    convert("none", tmp_path, precisions=["FP16-INT8"], layout="NDHWC")
    write_record(model, replace(RECORD, num_videos=5))
    save_ir(model, path)

    _, _, waves = verify(tmp_path)

    assert (waves.name, waves.status) == ("FP16-INT8 NDHWC waves", "failed")
    assert "ndhwc.xml is not of the same model as i3d-rgb-tf.xml; make it again" in waves.detail


def test_damaged_files_fail_with_their_reason(spec, tmp_path):
    graph = spec.frozen_graph_path(tmp_path)
    graph.parent.mkdir(parents=True)
    graph.write_bytes(b"x")
    ir = spec.ir_path(tmp_path, "FP16")
    ir.parent.mkdir()
    ir.write_text('<net version="11"/>')

    tensors, waves = verify(tmp_path)

    assert (tensors.status, waves.status) == ("failed", "failed")
    assert "is not a TensorFlow graph" in tensors.detail
    assert "has no i3d-rgb-tf.bin beside it" in waves.detail


def test_an_ir_of_unknown_weights_without_its_graph_fails(tuned_root, tmp_path):
    shutil.copytree(tuned_root, tmp_path / "tree")
    next(tmp_path.rglob("*.pb")).unlink()

    _, waves = verify(tmp_path / "tree")

    assert waves.status == "failed"
    assert "no reference for unknown" in waves.detail


@pytest.mark.slow
@pytest.mark.parametrize(("options", "expected"), [([], "winograd"), (["--no-winograd"], "direct")])
def test_what_is_verified_is_how_convolutions_are_computed(
    spec, tmp_path, monkeypatch, capsys, options, expected
):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(verify_module, "_reference", lambda *_: (waves_probabilities(), "nothing"))
    save_convolution_network(spec.ir_path(tmp_path, "FP32"))
    used = []

    def spy(model):
        used.append("winograd")
        return rewrite(model)

    monkeypatch.setattr("i3d_rgb_tf.ir.compile.rewrite", spy)

    assert main(["verify", "-d", str(tmp_path), "--format", "json", *options]) == 1

    assert used == (["winograd"] if expected == "winograd" else [])
    checks = {each["name"]: each["convolution"] for each in json.loads(capsys.readouterr().out)}
    assert checks == {"tensors": None, "FP32 waves": expected}


def test_an_empty_tree_is_not_verified(tmp_path, capsys):
    assert main(["verify", "-d", str(tmp_path)]) == 1
    assert "skipped tensors: no frozen graph at" in capsys.readouterr().out


def test_json_lists_the_checks(model_root, capsys):
    assert main(["verify", "-d", str(model_root), "--format", "json"]) == 0

    checks = json.loads(capsys.readouterr().out)
    assert {check["status"] for check in checks} == {"passed"}
    assert list(checks[0]) == ["name", "status", "detail", "convolution"]
    assert checks[0]["convolution"] is None


@pytest.mark.parametrize("content", [b"", np.array(["text"]), {"not": "an array"}])
def test_a_sample_that_is_no_array_of_numbers_fails(model_root, tmp_path, content):
    sample = tmp_path / "sample.npy"
    if isinstance(content, bytes):
        sample.write_bytes(content)
    elif isinstance(content, dict):
        with sample.open("wb") as file:
            np.savez(file, **content)
    else:
        np.save(sample, content)

    found = statuses(verify(model_root, sample=sample))

    assert found["FP16 sample"] == "failed"
