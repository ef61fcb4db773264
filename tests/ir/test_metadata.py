"""A converted model records its weights and their source, and one for Model API what that needs."""

from __future__ import annotations

import pytest

from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.ir.files import read_ir, save_ir
from i3d_rgb_tf.ir.metadata import (
    SECTION,
    Provenance,
    keep_own_section,
    read_provenance,
    read_section,
    write_model_api_section,
    write_provenance,
    write_section,
)
from i3d_rgb_tf.labels import load_labels
from networks import save_small_network

WRITTEN_BY_OPENVINO = {"OpenVINO Runtime", "version"}


@pytest.fixture
def model(tmp_path):
    return read_ir(save_small_network(tmp_path / "small.xml"))


def test_provenance_is_read_as_it_was_written(model):
    provenance = Provenance("rgb_imagenet", "abc")

    write_provenance(model, provenance)

    assert read_provenance(model) == provenance


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        (b'<i3d_rgb_tf value="3"/>', "Cannot get runtime attribute"),
        (b'<i3d_rgb_tf><weights value="\xe9("/></i3d_rgb_tf>', "\ufffd"),
    ],
)
def test_a_damaged_section_is_an_error(tmp_path, section, reason):
    path = save_small_network(tmp_path / "small.xml")
    head, end = path.read_bytes().rsplit(b"</rt_info>", 1)
    path.write_bytes(head + section + b"</rt_info>" + end)

    with pytest.raises(ModelError, match=f"i3d_rgb_tf of .* is damaged: {reason}.*; convert again"):
        read_provenance(read_ir(path))


def test_provenance_of_a_real_model_can_be_replaced(model_root, spec):
    model = read_ir(spec.ir_path(model_root, "FP32"))
    provenance = Provenance("unknown", "abc")

    write_provenance(model, provenance)

    assert read_provenance(model) == provenance


def test_provenance_is_kept_in_the_file(model, tmp_path):
    write_provenance(model, Provenance("rgb_scratch", "abc"))

    save_ir(model, tmp_path / "saved" / "model.xml")

    found = read_ir(tmp_path / "saved" / "model.xml")
    assert read_provenance(found) == Provenance("rgb_scratch", "abc")


def test_the_weights_of_an_ir_of_other_tools_are_unknown(model):
    assert read_provenance(model) == Provenance("unknown", "")


def test_labels_are_stored_where_model_api_reads_them(model):
    write_model_api_section(model)

    found = read_section(model, ("model_type", "labels"), "model_info")
    assert found["model_type"] == "Action Classification"
    assert [each.replace("_", " ") for each in found["labels"].split()] == list(load_labels())


def test_the_sections_of_other_tools_can_be_removed(model, tmp_path):
    write_model_api_section(model)
    write_provenance(model, Provenance("rgb_scratch", "abc"))

    keep_own_section(model)

    save_ir(model, tmp_path / "model.xml")
    found = read_ir(tmp_path / "model.xml")
    assert set(found.rt_info.keys()) == {SECTION, *WRITTEN_BY_OPENVINO}
    assert read_provenance(found) == Provenance("rgb_scratch", "abc")


def test_a_section_has_only_the_values_that_were_written(model):
    write_section(model, {"a": 1, "b": 0.5}, SECTION, "part")

    assert read_section(model, ("a", "b", "c"), SECTION, "part") == {"a": "1", "b": "0.5"}
    assert read_section(model, ("a",), SECTION) == {}
