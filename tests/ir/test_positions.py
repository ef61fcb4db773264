"""The network is cut where the features and the logits of each position are, in memory only."""

from __future__ import annotations

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.choices import LAYOUTS
from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.ir.convert import convert
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.layouts import change_layout
from i3d_rgb_tf.ir.positions import NUM_FEATURES, with_positions_as_output
from networks import count_nodes, infer_in_f32, save_convolution_network, save_small_i3d


@pytest.fixture(scope="module")
def small_path(tmp_path_factory):
    return save_small_i3d(tmp_path_factory.mktemp("small") / "small.xml")


def noise():
    shape = (1, 79, 3, 224, 224)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def test_a_row_has_the_features_then_the_logits_of_a_position(small_path):
    whole = read_ir(small_path)
    (mean,) = (node for node in whole.get_ops() if node.get_type_name() == "ReduceMean")
    (pool,) = (
        node
        for node in whole.get_ops()
        if node.get_type_name() == "AvgPool" and node.get_attributes()["kernel"] == [2, 7, 7]
    )
    whole.add_outputs([pool.output(0), mean.input_value(0)])
    probabilities, features, logits = infer_in_f32(whole, noise())
    assert (features.shape, logits.shape) == ((1, 1024, 9, 1, 1), (1, 400, 9))

    model = read_ir(small_path)
    with_positions_as_output(model)
    (rows,) = infer_in_f32(model, noise())

    assert rows.shape == (1, 9, 1424)
    assert np.array_equal(rows[0, :, :NUM_FEATURES].T, features[0, :, :, 0, 0])
    np.testing.assert_allclose(rows[0, :, NUM_FEATURES:].T, logits[0], rtol=1e-5, atol=1e-5)
    expected = softmax(rows[0, :, NUM_FEATURES:].mean(axis=0))
    np.testing.assert_allclose(expected, probabilities[0], rtol=1e-4)


def test_the_mean_over_time_and_the_softmax_are_removed(small_path):
    model = read_ir(small_path)

    with_positions_as_output(model)

    assert len(model.outputs) == 1
    assert not {"ReduceMean", "Softmax"} & count_nodes(model).keys()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("precision", ["FP32", "FP16"])
def test_the_real_model_has_rows_in_every_layout(
    frozen_graph, model_root, spec, tmp_path, layout, precision
):
    if layout == "NDCHW":
        path = spec.ir_path(model_root, precision)
    else:
        (path,) = convert(frozen_graph, tmp_path, precisions=[precision], layout=layout)
    model = read_ir(path)

    with_positions_as_output(model)

    assert list(model.output(0).shape) == [1, 9, 1424]


def test_a_video_of_another_length_has_other_rows(small_path):
    model = read_ir(small_path)
    with_positions_as_output(model)
    change_layout(model, "NDHWC")

    model.reshape([1, 250, 224, 224, 3])

    assert list(model.output(0).shape) == [1, 31, 1424]


def other_networks():
    parameter = operations.parameter([1, 400], np.float32)
    yield "none", openvino.Model([parameter], [parameter], "none")
    pixels = operations.parameter([1, 79, 3, 224, 224], np.float32)
    mean = operations.reduce_mean(pixels, np.array([1, 2]), keep_dims=False)
    yield "only a mean", openvino.Model([mean], [pixels], "mean")
    net = operations.transpose(pixels, np.array([0, 2, 1, 3, 4]))
    strides = [1, 32, 32]
    net = operations.avg_pool(net, strides, [0] * 3, [0] * 3, strides, exclude_pad=False)
    kernel = np.zeros((400, 3, 1, 1, 1), np.float32)
    net = operations.convolution(net, kernel, [1] * 3, [0] * 3, [0] * 3, [1] * 3)
    mean = operations.reduce_mean(net, np.array([2, 3, 4]), keep_dims=False)
    yield "another average pool", openvino.Model([mean], [pixels], "pool")


@pytest.mark.parametrize(("name", "model"), list(other_networks()))
def test_another_network_is_an_error_of_one_line(name, model):
    with pytest.raises(
        ModelError, match="^the model has no average pool, classifier and "
    ) as found:
        with_positions_as_output(model)

    assert str(found.value).endswith(" convert it again with: i3d-rgb-tf convert")
    assert "\n" not in str(found.value)


def test_networks_of_another_ir_are_an_error_only_for_whole_videos(tmp_path):
    path = save_convolution_network(tmp_path / "small.xml")
    networks = Networks(path, NetworkOptions(inference_precision="f32", cache=False))

    assert networks.clip.compiled.output(0).shape == [1, 400]
    for compile_it in (lambda: networks.dense, lambda: networks.window(16)):
        with pytest.raises(ModelError, match="cannot infer a whole video; convert it again"):
            compile_it()


def test_the_ir_on_disk_stays_as_it_is(tmp_path):
    path = save_small_i3d(tmp_path / "small.xml")
    files = [path, path.with_suffix(".bin")]
    before = [file_digest(each, "sha256") for each in files]

    networks = Networks(path, NetworkOptions(inference_precision="f32", cache=False))
    assert networks.dense.compiled
    assert networks.window(16).compiled

    assert [file_digest(each, "sha256") for each in files] == before
    model = read_ir(path)
    assert [list(each.shape) for each in model.outputs] == [[1, 400]]
    assert len(model.inputs) == 1
