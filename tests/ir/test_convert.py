"""A frozen graph is converted to an IR that has the predictions of the original stack."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import openvino
import pytest

from i3d_rgb_tf.choices import LAYOUTS
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import MEMORY_REMEDY, ModelError, StorageError, WeightsError
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.inference.dense import MeanLogits
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.convert import convert, convert_graph
from i3d_rgb_tf.ir.files import read_ir, save_ir
from i3d_rgb_tf.ir.forms import window_form
from i3d_rgb_tf.ir.metadata import (
    Provenance,
    read_provenance,
    write_model_api_section,
    write_provenance,
    write_section,
)
from i3d_rgb_tf.model import load_model
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.verify import TOLERANCES, predict_pixels
from i3d_rgb_tf.weights.freeze import freeze_tensors
from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from networks import infer_with_openvino, save_small_network
from sonnet_graph import write_sonnet_graph

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("precision", ["FP32", "FP16"])
def test_the_ir_predicts_the_golden_probabilities(model_root, spec, precision, golden_clip):
    expected = golden_clip.outputs["probabilities"]

    found = predict_pixels(read_ir(spec.ir_path(model_root, precision)), golden_clip.pixels)

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


def test_the_ir_records_its_weights_and_source(model_root, spec, frozen_graph):
    model = read_ir(spec.ir_path(model_root, "FP16"))
    provenance = read_provenance(model)

    assert provenance.weights == "rgb_scratch"
    assert provenance.source_sha384 == file_digest(frozen_graph, "sha384")


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


def test_the_lines_of_openvinos_parsers_are_not_printed(frozen_graph, spec, tmp_path, capfd):
    """Each of them complains when the name of an input is not UTF-8."""
    definition = require_tensorflow().compat.v1.GraphDef.FromString(frozen_graph.read_bytes())
    (softmax,) = [each for each in definition.node if each.op == "Softmax"]
    name = softmax.input[0].encode()
    field = b"\x1a" + bytes([len(name)])  # In a NodeDef, inputs are field 3.
    content = frozen_graph.read_bytes()
    assert content.count(field + name) == 1
    graph = spec.frozen_graph_path(tmp_path)
    graph.parent.mkdir(parents=True)
    graph.write_bytes(content.replace(field + name, field + b"\xe9" * len(name)))
    capfd.readouterr()

    assert main(["convert", "-d", str(tmp_path)]) == 1

    printed = capfd.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"i3d-rgb-tf: error: OpenVINO cannot convert {graph}: ")
    assert line.endswith("; it may be damaged; download it again")


def test_a_conversion_without_enough_memory_says_what_helps(frozen_graph, tmp_path, monkeypatch):
    def fail(core, path):
        raise RuntimeError("std::bad_alloc")

    monkeypatch.setattr(openvino.Core, "read_model", fail)

    expected = f"OpenVINO cannot convert {frozen_graph}: out of memory; {MEMORY_REMEDY}"
    with pytest.raises(ModelError, match=f"^{expected}$"):
        convert(frozen_graph, tmp_path)


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


@pytest.mark.parametrize("precisions", ["FP16", ["INT8"], ["FP16", "fp32"], []])
def test_other_precisions_are_a_wrong_argument(frozen_graph, tmp_path, precisions):
    with pytest.raises(ValueError, match="expected a list of FP16, FP32, FP16-INT8"):
        convert(frozen_graph, tmp_path, precisions=precisions)

    assert not list(tmp_path.iterdir())


def test_the_convert_command_names_the_precisions_it_knows(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["convert", "-d", str(tmp_path), "--precisions", "FP16,FP8"])

    assert "got precision 'FP8', expected FP16, FP32, FP16-INT8" in capsys.readouterr().err


# Layouts.


@pytest.fixture(scope="module")
def layouts_root(frozen_graph, tmp_path_factory):
    """Return a tree with the FP32 IR in every layout."""
    root = tmp_path_factory.mktemp("layouts")
    for layout in LAYOUTS:
        convert(frozen_graph, root, precisions=["FP32"], layout=layout)
    return root


def test_every_layout_gives_the_same_probabilities_in_openvino(layouts_root, spec, golden_clip):
    found = {
        layout: infer_with_openvino(
            spec.ir_path(layouts_root, "FP32", layout), layout, golden_clip.pixels
        )
        for layout in LAYOUTS
    }

    golden = golden_clip.outputs["probabilities"]
    for probabilities in found.values():
        assert np.abs(probabilities - found["NDCHW"]).max() <= 1e-6
        assert np.abs(probabilities - golden).max() <= TOLERANCES["FP32"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_stated_in_the_ir(layouts_root, spec, layout):
    model = openvino.Core().read_model(spec.ir_path(layouts_root, "FP32", layout))

    assert model.get_parameters()[0].layout == openvino.Layout(layout)
    assert model.get_parameters()[0].friendly_name == "Placeholder"
    assert {"Placeholder", "Placeholder:0"} <= model.input(0).names
    assert {"Softmax", "Softmax:0"} <= model.output(0).names


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_ir_for_model_api_has_what_model_api_reads(layouts_root, spec, layout):
    # tests/other_tools reads the keys of model_info back through Model API itself.
    model = read_ir(spec.ir_path(layouts_root, "FP32", layout))

    sections = set(model.rt_info.keys()) - {"OpenVINO Runtime", "version"}
    assert sections == {"i3d_rgb_tf"} | ({"model_info"} if layout == "NSTHWC" else set())
    own = model.get_rt_info("i3d_rgb_tf").value
    assert own == asdict(read_provenance(model))


def test_the_layout_of_the_zoo_has_the_bytes_of_a_conversion_without_a_layout(
    layouts_root, model_root, spec
):
    for suffix in (".xml", ".bin"):
        paths = [spec.ir_path(root, "FP32") for root in (layouts_root, model_root)]
        contents = {path.with_suffix(suffix).read_bytes() for path in paths}
        assert len(contents) == 1


@pytest.mark.parametrize("layout", ["NDHWC", "NSTHWC"])
def test_a_layout_has_the_same_bytes_in_every_conversion(
    frozen_graph, layouts_root, tmp_path, layout
):
    (again,) = convert(frozen_graph, tmp_path, precisions=["FP32"], layout=layout)

    first = layouts_root / again.relative_to(tmp_path)
    for suffix in (".xml", ".bin"):
        assert again.with_suffix(suffix).read_bytes() == first.with_suffix(suffix).read_bytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_library_opens_every_layout(layouts_root, spec, layout):
    path = spec.ir_path(layouts_root, "FP32", layout)

    model = load_model(path, inference_precision="f32", cache=False)

    expected = np.load(DATA / "waves.npz")["probabilities"]
    assert np.abs(model.predict(waves_clip()) - expected).max() <= TOLERANCES["FP32"]


@pytest.mark.parametrize("layout", ["NDHWC", "NSTHWC"])
def test_every_layout_infers_whole_videos(layouts_root, spec, layout):
    model = read_ir(spec.ir_path(layouts_root, "FP32", layout))
    compiled = compile_model(model, "CPU", "f32", form=window_form(79), cache=False)

    (rows,) = compiled(waves_clip()[np.newaxis])[0]

    mean = MeanLogits()
    for number, row in enumerate(rows):
        mean.add(number, row[np.newaxis])
    expected = np.load(DATA / "waves.npz")["probabilities"]
    assert np.abs(mean.probabilities() - expected).max() <= TOLERANCES["FP32"]


def test_the_convert_command_writes_a_layout_beside_the_zoos(frozen_graph, spec, tmp_path, capsys):
    graph = spec.frozen_graph_path(tmp_path)
    graph.parent.mkdir(parents=True)
    graph.symlink_to(frozen_graph)

    assert main(["convert", "-d", str(tmp_path), "--layout", "ndhwc", "--precisions", "fp16"]) == 0

    path = spec.folder(tmp_path) / "FP16" / "i3d-rgb-tf-ndhwc.xml"
    assert capsys.readouterr().out == f"{path}\n"
    assert {each.name for each in path.parent.iterdir()} == {path.name, "i3d-rgb-tf-ndhwc.bin"}


def test_another_layout_is_a_wrong_argument(frozen_graph, tmp_path, capsys):
    with pytest.raises(ValueError, match="layout 'NCDHW', expected NDCHW, NDHWC, NSTHWC"):
        convert(frozen_graph, tmp_path, layout="NCDHW")
    with pytest.raises(SystemExit, match="2"):
        main(["convert", "-d", str(tmp_path), "--layout", "NCDHW"])

    assert "invalid choice: 'NCDHW'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_int8_in_another_layout_has_nothing_of_other_tools(spec, tmp_path):
    path = save_small_network(spec.ir_path(tmp_path, "FP16-INT8"))
    model = read_ir(path)
    write_provenance(model, Provenance("rgb_scratch", "abc"))
    write_model_api_section(model)
    write_section(model, {"version": "3.4.0"}, "nncf")
    save_ir(model, path)

    (path,) = convert("none", tmp_path, precisions=["FP16-INT8"], layout="NDHWC")

    model = read_ir(path)
    assert set(model.rt_info.keys()) - {"OpenVINO Runtime", "version"} == {"i3d_rgb_tf"}
    assert read_provenance(model) == Provenance("rgb_scratch", "abc")


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("NDCHW", "convert does not make FP16-INT8 in NDCHW; make it with: i3d-rgb-tf quantize"),
        ("NDHWC", "no INT8 model at .*/FP16-INT8/i3d-rgb-tf.xml, .* i3d-rgb-tf quantize"),
    ],
)
def test_int8_is_only_made_from_int8(frozen_graph, tmp_path, layout, message):
    with pytest.raises(ModelError, match=message):
        convert(frozen_graph, tmp_path, precisions=["FP32", "FP16-INT8"], layout=layout)

    assert not list(tmp_path.iterdir())
