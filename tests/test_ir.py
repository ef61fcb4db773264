import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.ir import Provenance, read_ir, read_provenance, write_provenance


def save_other_model(path, input_shape, outputs=400):
    source = ops.parameter(input_shape, np.float32)
    mean = ops.reduce_mean(source, np.array(range(1, len(input_shape))), keep_dims=False)
    weights = ops.constant(np.ones((1, outputs), np.float32))
    net = ops.matmul(ops.unsqueeze(mean, np.array(1)), weights, False, False)
    openvino.save_model(openvino.Model([net], [source]), path)


def test_provenance_comes_back(model_root, spec):
    model = read_ir(spec.ir_path(model_root, "FP32"))
    provenance = Provenance("unknown", "abc")
    write_provenance(model, provenance)

    assert read_provenance(model) == provenance


def test_an_ir_of_other_tools_has_unknown_weights(tmp_path):
    path = tmp_path / "stock.xml"
    save_other_model(path, (1, 79, 3, 224, 224))

    assert read_provenance(read_ir(path)) == Provenance("unknown", "")


@pytest.mark.parametrize(
    ("input_shape", "outputs", "message"),
    [
        (
            (1, 79, 224, 224, 3),
            400,
            "takes NDHWC, as the zoo's stock entry makes it, expected NDCHW; convert again",
        ),
        (
            (1, 3, 224, 224),
            400,
            "inputs 1x3x224x224 and outputs 1x400, expected 1x79x3x224x224 and 1x400",
        ),
        ((1, 79, 3, 224, 224), 600, "outputs 1x600"),
    ],
)
def test_the_ir_of_another_model_is_refused(tmp_path, input_shape, outputs, message):
    path = tmp_path / "other.xml"
    save_other_model(path, input_shape, outputs)

    with pytest.raises(ModelError, match=message):
        read_ir(path)


def test_a_missing_ir_says_how_to_make_one(tmp_path):
    with pytest.raises(ModelError, match="no model at .*; make it with: i3d-rgb-tf download"):
        read_ir(tmp_path / "model.xml")


def test_an_ir_without_its_weights_is_named(tmp_path):
    path = tmp_path / "model.xml"
    save_other_model(path, (1, 79, 3, 224, 224))
    path.with_suffix(".bin").unlink()

    with pytest.raises(ModelError, match=r"has no model.bin beside it; convert again"):
        read_ir(path)


@pytest.mark.parametrize("content", ["", "<net", "<net version='11'", "<html></html>"])
def test_a_damaged_ir_is_refused_in_one_line(tmp_path, capfd, content):
    path = tmp_path / "model.xml"
    path.write_text(content)
    path.with_suffix(".bin").write_bytes(b"")

    with pytest.raises(ModelError, match=r"cannot read .*; convert again") as caught:
        read_ir(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_frozen_graph_is_no_ir(frozen_graph):
    with pytest.raises(ModelError, match="it is no IR of OpenVINO, an .xml that begins with <net>"):
        read_ir(frozen_graph)


def test_a_truncated_bin_is_refused(model_root, spec, tmp_path):
    source = spec.ir_path(model_root, "FP16")
    path = tmp_path / "model.xml"
    path.write_bytes(source.read_bytes())
    path.with_suffix(".bin").write_bytes(source.with_suffix(".bin").read_bytes()[:1_000_000])

    with pytest.raises(ModelError, match=r"cannot read .*; convert again"):
        read_ir(path)
