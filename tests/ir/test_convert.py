"""A frozen graph is converted to an IR that has the predictions of the original stack."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import ModelError, StorageError, WeightsError
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.ir.convert import convert, convert_graph
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.metadata import read_provenance
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.verify import TOLERANCES, predict_pixels
from i3d_rgb_tf.video.decode import read_frames
from i3d_rgb_tf.weights.freeze import freeze_tensors
from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from sonnet_graph import write_sonnet_graph

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("precision", ["FP32", "FP16"])
@pytest.mark.parametrize("name", ["waves", pytest.param("cricket", marks=pytest.mark.shared)])
def test_the_ir_predicts_the_golden_probabilities(model_root, spec, precision, name, request):
    if name == "waves":
        clip = waves_clip()
    else:
        gif = request.getfixturevalue("shared_folder") / "v_CricketShot_g04_c01_rgb.gif"
        clip = np.stack(list(read_frames(gif, frames_per_second=None, short_side=None)))
    expected = np.load(DATA / f"{name}.npz")["probabilities"]

    found = predict_pixels(read_ir(spec.ir_path(model_root, precision)), clip)

    assert np.abs(found - expected).max() <= TOLERANCES[precision]
    assert found.argmax() == expected.argmax()


@pytest.mark.parametrize("precision", ["FP32", "FP16"])
def test_names_shapes_and_layout_equal_those_of_the_zoo(model_root, spec, precision):
    model = openvino.Core().read_model(spec.ir_path(model_root, precision))

    assert tuple(model.input("Placeholder").shape) == (1, 79, 3, 224, 224)
    assert tuple(model.input("Placeholder:0").shape) == (1, 79, 3, 224, 224)
    assert model.get_parameters()[0].layout.to_string() == "[N,D,C,H,W]"
    assert tuple(model.output("Softmax").shape) == (1, 400)
    assert tuple(model.output("Softmax:0").shape) == (1, 400)


def test_the_ir_records_its_weights_source_and_labels(model_root, spec, frozen_graph):
    model = read_ir(spec.ir_path(model_root, "FP16"))
    provenance = read_provenance(model)

    assert provenance.weights == "rgb_scratch"
    assert provenance.source_sha384 == file_digest(frozen_graph, "sha384")
    labels = model.get_rt_info(["model_info", "labels"]).astype(str).split()
    assert [label.replace("_", " ") for label in labels] == list(load_labels())


def test_a_second_conversion_in_the_same_process_gives_the_same_bytes(
    frozen_graph, model_root, tmp_path
):
    again = convert(frozen_graph, tmp_path, precisions=("FP16",))[0]

    first = model_root / again.relative_to(tmp_path)
    assert again.read_text().splitlines() == first.read_text().splitlines()
    assert again.with_suffix(".bin").read_bytes() == first.with_suffix(".bin").read_bytes()


def test_a_graph_of_the_original_stack_predicts_the_same(tensors, tmp_path):
    graph = tmp_path / "rgb.frozen.pb"
    write_sonnet_graph(tensors, graph)

    found = predict_pixels(convert_graph(graph), waves_clip())

    expected = np.load(DATA / "waves.npz")["probabilities"]
    assert np.abs(found - expected).max() <= TOLERANCES["FP32"]


def test_unknown_weights_are_converted_only_when_allowed(tensors, tmp_path):
    graph = tmp_path / "graph.pb"
    freeze_tensors({name: tensor * 2 for name, tensor in tensors.items()}, graph)

    with pytest.raises(WeightsError, match="DeepMind did not publish.* --allow-unknown"):
        convert(graph, tmp_path)
    assert not (tmp_path / "public").exists()

    (path,) = convert(graph, tmp_path, precisions=["FP16"], allow_unknown=True)
    assert read_provenance(read_ir(path)).weights == "unknown"


def test_a_failed_conversion_keeps_the_previous_ir(frozen_graph, tmp_path, spec):
    (path,) = convert(frozen_graph, tmp_path, precisions=["FP16"])
    before = path.read_bytes()
    wrong = tmp_path / "wrong.pb"
    wrong.write_bytes(b"no graph")

    with pytest.raises(ModelError, match="is not a TensorFlow graph"):
        convert(wrong, tmp_path)
    assert path.read_bytes() == before


def test_a_graph_that_openvino_cannot_read_is_an_error_of_one_line(frozen_graph, tmp_path):
    definition = require_tensorflow().compat.v1.GraphDef.FromString(frozen_graph.read_bytes())
    (softmax,) = [each for each in definition.node if each.op == "Softmax"]
    softmax.input[0] = "no such node"
    graph = tmp_path / "graph.pb"
    graph.write_bytes(definition.SerializeToString())

    with pytest.raises(ModelError, match=f"OpenVINO cannot convert {graph}: ") as caught:
        convert(graph, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "public").exists()


def test_a_folder_that_cannot_be_written_is_an_error(frozen_graph, tmp_path):
    (tmp_path / "public").write_text("a file where the folder should be")

    with pytest.raises(StorageError, match="cannot write .*; a file stands where a folder"):
        convert(frozen_graph, tmp_path)


def test_a_full_disk_leaves_no_incomplete_ir(frozen_graph, tmp_path):
    def limit_file_size() -> None:
        # A write beyond the limit then fails as on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))

    program = (
        "import sys; from pathlib import Path; from i3d_rgb_tf.ir.convert import convert\n"
        "convert(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, frozen_graph, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit_file_size,
    )

    assert "StorageError: cannot write" in result.stderr
    assert "is the disk full?" in result.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_convert_command_accepts_unknown_weights_only_when_allowed(
    tensors, spec, tmp_path, capsys
):
    path = spec.frozen_graph_path(tmp_path)
    freeze_tensors({name: tensor * 2 for name, tensor in tensors.items()}, path)
    command = ["convert", "-d", str(tmp_path), "--precisions", "FP16"]

    assert main(command) == 1
    assert "DeepMind did not publish" in capsys.readouterr().err
    assert not spec.ir_path(tmp_path, "FP16").exists()
    assert main([*command, "--allow-unknown"]) == 0
    assert read_provenance(read_ir(spec.ir_path(tmp_path, "FP16"))).weights == "unknown"


def test_the_convert_command_refuses_int8_and_suggests_quantize(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["convert", "-d", str(tmp_path), "--precisions", "FP16-INT8"])

    assert "make INT8 with i3d-rgb-tf quantize" in capsys.readouterr().err


@pytest.mark.parametrize("precisions", ["FP16", ["INT8"], ["FP16", "FP16-INT8"]])
def test_other_precisions_are_a_wrong_argument(frozen_graph, tmp_path, precisions):
    with pytest.raises(ValueError, match="expected a list of FP16 and FP32; quantize makes INT8"):
        convert(frozen_graph, tmp_path, precisions=precisions)

    assert not list(tmp_path.iterdir())
