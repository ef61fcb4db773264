"""The networks of an IR are compiled when they are needed, once, each as it is asked for."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import numpy as np
import openvino
import pytest

from i3d_rgb_tf.errors import DeviceError, ModelError
from i3d_rgb_tf.inference import networks as networks_module
from i3d_rgb_tf.inference.dense import frame_blocks, infer_dense
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.inference.pipeline import OutputList, read_videos
from i3d_rgb_tf.inference.receptive_field import count_logits
from i3d_rgb_tf.ir.files import read_ir, save_ir
from i3d_rgb_tf.ir.metadata import Provenance, write_provenance
from moving_pictures import moving_pictures
from networks import LABEL_WEIGHTS, infer_clip, infer_in_f32, save_small_i3d, save_small_network

pytestmark = pytest.mark.slow

OPTIONS = NetworkOptions(inference_precision="f32", cache=False)


@pytest.fixture(scope="module")
def small_path(tmp_path_factory):
    return save_small_i3d(tmp_path_factory.mktemp("small") / "small.xml")


@pytest.fixture(scope="module")
def networks(small_path):
    """Return the networks of a small IR, compiled once for all tests that do not change them."""
    return Networks(small_path, OPTIONS)


@pytest.fixture
def compilations(monkeypatch):
    """Return what is compiled from now on: the name of the form, and all options."""
    found = []
    compile_model = networks_module.compile_model

    def note(model, *arguments, form, **options):
        found.append((form.name.split()[0], arguments, options))
        return compile_model(model, *arguments, form=form, **options)

    monkeypatch.setattr(networks_module, "compile_model", note)
    return found


def dense_rows(network, frames):
    inputs = read_videos([frames], lambda video: frame_blocks(video, len(video)))
    (found,) = infer_dense(network.compiled, inputs, OutputList)
    return np.concatenate([rows for _, rows in found.outputs])


def one_pass(path, frames):
    """Return the features and logits that plain OpenVINO gives in one pass."""
    model = read_ir(path)
    (mean,) = (node for node in model.get_ops() if node.get_type_name() == "ReduceMean")
    (pool,) = (
        node
        for node in model.get_ops()
        if node.get_type_name() == "AvgPool" and node.get_attributes()["kernel"] == [2, 7, 7]
    )
    model.add_outputs([pool.output(0), mean.input_value(0)])
    model.reshape([1, len(frames), 3, 224, 224])
    video = np.float32(frames).transpose(0, 3, 1, 2)[np.newaxis]
    _, features, logits = infer_in_f32(model, video)
    return np.concatenate([features[0, :, :, 0, 0], logits[0]]).T


def assert_same(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_a_clip_has_probabilities(networks, small_path):
    frames = moving_pictures(79)

    found = infer_clip(networks.clip.compiled, np.stack(frames))

    (expected,) = infer_in_f32(
        read_ir(small_path), np.float32(frames).transpose(0, 3, 1, 2)[np.newaxis]
    )
    assert found.shape == (400,)
    np.testing.assert_allclose(found, expected[0], atol=1e-6)


@pytest.mark.parametrize("num_frames", [9, 16, 64])
def test_a_window_has_the_rows_of_one_pass(networks, small_path, num_frames):
    frames = moving_pictures(num_frames)

    found = networks.window(num_frames).compiled(np.stack(frames)[np.newaxis])[0]

    assert found.shape == (1, count_logits(num_frames), 1424)
    assert_same(found[0], one_pass(small_path, frames))


@pytest.mark.parametrize("num_frames", [79, 107])
def test_a_dense_pass_has_the_rows_of_one_pass(networks, small_path, num_frames):
    frames = moving_pictures(num_frames)

    assert_same(dense_rows(networks.dense, frames), one_pass(small_path, frames))


@pytest.mark.parametrize("winograd", [True, False])
def test_all_networks_have_the_convolution_that_was_chosen(small_path, winograd, compilations):
    networks = Networks(
        small_path, NetworkOptions(inference_precision="f32", cache=False, winograd=winograd)
    )

    found = [networks.clip, networks.dense, networks.window(16)]

    expected = networks.convolution
    assert winograd or expected == "direct"
    assert {each.convolution for each in found} == {expected}
    assert {options["convolution"] for _, _, options in compilations} == {expected}


def test_networks_are_compiled_when_they_are_needed_and_kept(small_path, compilations):
    networks = Networks(small_path, OPTIONS)
    assert compilations == []

    first = [networks.dense, networks.window(16), networks.window(24)]
    again = [networks.dense, networks.window(16), networks.window(24)]

    assert [name for name, _, _ in compilations] == ["chunk", "window", "window"]
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert list(networks.window(16).compiled.input(0).shape) == [1, 16, 224, 224, 3]
    assert list(networks.window(24).compiled.input(0).shape) == [1, 24, 224, 224, 3]


def test_networks_are_compiled_with_the_options(small_path, compilations):
    options = NetworkOptions("CPU", "f32", "THROUGHPUT", cache=False)
    networks = Networks(small_path, options)

    assert networks.clip
    assert networks.dense
    assert networks.window(16)

    assert [
        (name, *arguments, each["performance_hint"], each["cache"])
        for name, arguments, each in compilations
    ] == [
        ("clip", "CPU", "f32", "THROUGHPUT", False),
        # The chunks of a video are inferred in turn.
        ("chunk", "CPU", "f32", "LATENCY", False),
        ("window", "CPU", "f32", "THROUGHPUT", False),
    ]


def test_one_network_does_not_change_the_ir_for_another(small_path, networks):
    other = Networks(small_path, OPTIONS)
    frames = np.stack(moving_pictures(79))
    assert other.window(16)
    assert other.dense

    found = infer_clip(other.clip.compiled, frames)

    assert np.array_equal(found, infer_clip(networks.clip.compiled, frames))


def test_the_weights_are_those_of_the_ir(small_path, tmp_path):
    model = read_ir(small_path)
    write_provenance(model, Provenance("rgb_scratch", "abc"))
    save_ir(model, tmp_path / "model.xml")

    networks = Networks(tmp_path / "model.xml", OPTIONS)

    assert (networks.weights, networks.path) == ("rgb_scratch", tmp_path / "model.xml")
    assert Networks(small_path, OPTIONS).weights == "unknown"


def test_there_must_be_an_ir(tmp_path):
    with pytest.raises(ModelError, match="no model at .*/none.xml; make it with"):
        Networks(tmp_path / "none.xml", OPTIONS)


def test_there_must_be_the_device_before_anything_is_compiled(tmp_path, compilations):
    path = save_small_network(tmp_path / "small.xml")

    with pytest.raises(DeviceError, match="there is no device NPU9; OpenVINO sees here: CPU"):
        Networks(path, NetworkOptions("NPU9"))

    assert compilations == []


def test_an_ir_without_features_infers_clips(tmp_path):
    networks = Networks(save_small_network(tmp_path / "small.xml"), OPTIONS)

    assert infer_clip(networks.clip.compiled) == pytest.approx(100 * LABEL_WEIGHTS, abs=1e-4)


# The cache of compiled models.


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return an empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "i3d-rgb-tf" / "compiled"


_COMPILE = """
import pathlib, sys
import openvino
from openvino import opset13
# Names that OpenVINO gives are numbered across a process.
for _ in range(int(sys.argv[2])):
    opset13.relu(opset13.parameter([1]))
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
networks = Networks(pathlib.Path(sys.argv[1]), NetworkOptions(inference_precision="f32"))
for name in sys.argv[3:]:
    networks.dense if name == "dense" else networks.window(int(name))
"""


def compile_in_another_process(path, names, *, num_nodes):
    command = [sys.executable, "-c", _COMPILE, path, str(num_nodes), *names]
    subprocess.run(command, check=True, env=dict(os.environ))


def test_another_process_loads_what_was_compiled_whatever_it_made_before(
    small_path, cache, monkeypatch, caplog
):
    names = ["dense", "16", "24"]
    for num_nodes in (0, 5):
        compile_in_another_process(small_path, names, num_nodes=num_nodes)
        assert len(list(cache.iterdir())) == len(names)

    frames = moving_pictures(100)
    expected = one_pass(small_path, frames), one_pass(small_path, frames[:16])
    caplog.set_level(logging.INFO, logger="i3d_rgb_tf")
    monkeypatch.setattr(openvino.Core, "compile_model", pytest.fail)
    networks = Networks(small_path, NetworkOptions(inference_precision="f32"))

    rows = dense_rows(networks.dense, frames)
    window = networks.window(16).compiled(np.stack(frames[:16])[np.newaxis])[0]

    assert caplog.text.count("loaded the compiled model") == 2
    assert_same(rows, expected[0])
    assert_same(window[0], expected[1])


def test_every_form_has_a_place_of_its_own_in_the_cache(small_path, cache):
    for _ in range(2):
        networks = Networks(small_path, NetworkOptions(inference_precision="f32"))
        assert networks.clip
        assert networks.dense
        assert networks.window(79)
        assert networks.window(80)

    assert len(list(cache.iterdir())) == 4


def test_without_the_cache_nothing_is_written(small_path, cache):
    assert Networks(small_path, OPTIONS).window(16)

    assert not cache.exists()


def test_a_loaded_dense_network_has_the_outputs_of_a_compiled_one(small_path, networks, cache):
    frames = moving_pictures(100)
    expected = dense_rows(networks.dense, frames)
    options = NetworkOptions(inference_precision="f32")

    found = [dense_rows(Networks(small_path, options).dense, frames) for _ in range(2)]

    assert len(list(cache.iterdir())) == 1
    for rows in found:
        assert np.array_equal(rows, expected)
