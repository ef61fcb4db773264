"""IR files are checked when they are read, and the .xml and .bin are written together."""

from __future__ import annotations

import logging
import re

import numpy as np
import openvino
import pytest
from openvino import opset13 as operations

from i3d_rgb_tf.choices import LAYOUTS
from i3d_rgb_tf.errors import MEMORY_REMEDY, ModelError, StorageError
from i3d_rgb_tf.ir.files import find_model, list_models, read_ir, save_ir
from i3d_rgb_tf.ir.layouts import find_layout, input_shape
from networks import save_small_network


def save_other_model(path, shape, outputs=400):
    source = operations.parameter(shape, np.float32)
    axes = np.array(range(1, len(shape)))
    mean = operations.reduce_mean(source, axes, keep_dims=False)
    weights = operations.constant(np.ones((1, outputs), np.float32))
    column = operations.unsqueeze(mean, np.array(1))
    net = operations.matmul(column, weights, False, False)
    openvino.save_model(openvino.Model([net], [source]), path)


# Finding.


def test_models_are_found_in_the_order_fp16_fp32_int8(spec, tmp_path):
    for precision in ("FP16-INT8", "FP32", "FP16"):
        path = save_small_network(spec.ir_path(tmp_path, precision))

        assert find_model(tmp_path) == path


def test_a_tree_without_models_says_how_to_make_one(tmp_path):
    with pytest.raises(ModelError, match="no converted model in .*; make one with: i3d-rgb-tf"):
        find_model(tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_only_model_of_a_tree_is_found_in_any_layout(spec, tmp_path, layout):
    path = save_small_network(spec.ir_path(tmp_path, "FP32", layout))

    assert find_model(tmp_path) == path


def test_the_models_of_a_tree_are_listed_by_precision_and_layout(spec, tmp_path):
    places = [("FP16-INT8", "NDHWC"), ("FP16", "NSTHWC"), ("FP16", "NDCHW"), ("FP16", "NDHWC")]
    for place in places:
        save_small_network(spec.ir_path(tmp_path, *place))

    found = [(each.precision, each.layout, each.path.name) for each in list_models(tmp_path)]

    assert found == [
        ("FP16", "NDCHW", "i3d-rgb-tf.xml"),
        ("FP16", "NDHWC", "i3d-rgb-tf-ndhwc.xml"),
        ("FP16", "NSTHWC", "i3d-rgb-tf-nsthwc.xml"),
        ("FP16-INT8", "NDHWC", "i3d-rgb-tf-ndhwc.xml"),
    ]


# Reading.


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_can_be_read_and_is_reported(tmp_path, layout, caplog):
    path = tmp_path / "model.xml"
    save_other_model(path, input_shape(layout))

    with caplog.at_level(logging.INFO, logger="i3d_rgb_tf"):
        assert find_layout(read_ir(path)) == layout
    assert caplog.messages == [f"{path}: layout {layout}"]


@pytest.mark.parametrize(
    ("shape", "outputs", "message"),
    [
        (
            (1, 3, 224, 224),
            400,
            r"inputs 1x3x224x224 and outputs 1x400, expected 1x79x3x224x224 \(NDCHW\) or .* 1x400",
        ),
        ((1, 64, 3, 224, 224), 400, "inputs 1x64x3x224x224 and"),
        ((-1, 79, 3, 224, 224), 400, r"inputs \?x79x3x224x224 and"),
        ((1, 79, 3, 224, 224), 600, "outputs 1x600"),
    ],
)
def test_the_ir_of_another_model_is_an_error(tmp_path, shape, outputs, message):
    path = tmp_path / "other.xml"
    save_other_model(path, shape, outputs)

    with pytest.raises(ModelError, match=message):
        read_ir(path)


def test_an_ir_without_an_output_for_the_clip_is_an_error(tmp_path):
    pixels = operations.parameter([1, 79, 3, 224, 224], np.float32)
    output = operations.constant(np.zeros((0, 400), np.float32))
    openvino.save_model(openvino.Model([output], [pixels]), tmp_path / "none.xml")

    with pytest.raises(ModelError, match="and outputs 0x400, expected"):
        read_ir(tmp_path / "none.xml")


def test_an_ir_with_two_inputs_is_an_error(tmp_path):
    inputs = [operations.parameter([1, 79, 3, 224, 224], np.float32) for _ in range(2)]
    output = operations.constant(np.zeros((1, 400), np.float32))
    openvino.save_model(openvino.Model([output], inputs), tmp_path / "two.xml")

    with pytest.raises(ModelError, match="inputs 1x79x3x224x224 and 1x79x3x224x224 and outputs"):
        read_ir(tmp_path / "two.xml")


def test_a_missing_ir_says_how_to_make_one(tmp_path):
    with pytest.raises(ModelError, match="no model at .*; make it with: i3d-rgb-tf download"):
        read_ir(tmp_path / "model.xml")


def test_an_ir_without_its_bin_is_an_error(tmp_path):
    path = tmp_path / "model.xml"
    save_other_model(path, (1, 79, 3, 224, 224))
    path.with_suffix(".bin").unlink()

    with pytest.raises(ModelError, match=r"has no model.bin beside it; convert again"):
        read_ir(path)


@pytest.mark.parametrize("content", ["", "<net", "<net version='11'", "<html></html>"])
def test_a_damaged_ir_is_an_error_of_one_line(tmp_path, capfd, content):
    path = tmp_path / "model.xml"
    path.write_text(content)
    path.with_suffix(".bin").write_bytes(b"")

    with pytest.raises(ModelError, match=r"cannot read .*; convert again") as caught:
        read_ir(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_an_ir_with_a_name_that_is_not_utf8_is_an_error_of_one_line(tmp_path):
    """OpenVINO's own message has the name, so it is not UTF-8 either."""
    path = save_small_network(tmp_path / "small.xml")
    path.write_bytes(path.read_bytes().replace(b'type="ReduceMean"', b'type="Reduce\xe9\x1bMean"'))

    with pytest.raises(ModelError, match=r"cannot read .*Reduce\ufffd.*; convert again") as caught:
        read_ir(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("Exception from a.cpp:1:\nno layer\n"), "no layer; convert again"),
        (ValueError("stoi"), "stoi; convert again"),
        (MemoryError("std::bad_alloc"), f"out of memory; {MEMORY_REMEDY}"),
        (RuntimeError("std::bad_alloc"), f"out of memory; {MEMORY_REMEDY}"),
    ],
)
def test_an_error_of_openvino_has_the_remedy_that_fits(tmp_path, monkeypatch, error, expected):
    path = save_small_network(tmp_path / "small.xml")

    def fail(core, path):
        raise error

    monkeypatch.setattr(openvino.Core, "read_model", fail)

    with pytest.raises(ModelError, match=f"^cannot read {path}: {re.escape(expected)}$"):
        read_ir(path)


def test_a_frozen_graph_is_an_error(frozen_graph):
    with pytest.raises(
        ModelError, match="it is not an OpenVINO IR, an .xml that begins with <net>"
    ):
        read_ir(frozen_graph)


def test_a_truncated_bin_is_an_error(model_root, spec, tmp_path):
    source = spec.ir_path(model_root, "FP16")
    path = tmp_path / "model.xml"
    path.write_bytes(source.read_bytes())
    path.with_suffix(".bin").write_bytes(source.with_suffix(".bin").read_bytes()[:1_000_000])

    with pytest.raises(ModelError, match=r"cannot read .*; convert again"):
        read_ir(path)


# Writing.


def test_an_xml_is_never_kept_with_the_bin_of_another_model(tmp_path):
    source = operations.parameter([1], np.float32)
    path = tmp_path / "model.xml"
    path.write_text("of another")
    # A folder cannot be replaced by a file.
    path.with_suffix(".bin").mkdir()

    with pytest.raises(StorageError, match="cannot write"):
        save_ir(openvino.Model([source], [source]), path)
    assert not path.exists()


@pytest.mark.parametrize("compress", [False, True])
def test_weights_are_stored_as_fp16_only_on_request(tmp_path, compress):
    model = read_ir(save_small_network(tmp_path / "small.xml"))

    save_ir(model, tmp_path / "saved.xml", compress_to_fp16=compress)

    assert read_ir(tmp_path / "saved.xml").output(0).element_type == openvino.Type.f32
    sizes = [(tmp_path / name).stat().st_size for name in ("small.bin", "saved.bin")]
    assert (sizes[1] < sizes[0]) is compress


def test_a_folder_instead_of_an_ir_is_named(tmp_path):
    with pytest.raises(ModelError, match="is a folder, expected the .xml of an IR; .* with -d"):
        read_ir(tmp_path)
