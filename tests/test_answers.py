"""Inputs are read beside inference and answered in order; whole videos as TensorFlow does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.answers import Network, _average, load_network
from i3d_rgb_tf.commands.demo import _fetch_video
from i3d_rgb_tf.errors import DeviceError, VideoError
from i3d_rgb_tf.protocols import whole_video
from i3d_rgb_tf.spec import ModelSpec


@pytest.fixture(scope="module")
def double() -> openvino.CompiledModel:
    """Return a network that takes any number of values and gives twice their mean."""
    values = operations.parameter([1, -1], np.float32)
    mean = operations.reduce_mean(values, np.int64(1), keep_dims=True)
    model = openvino.Model([operations.multiply(mean, np.float32(2))], [values], "double")
    return openvino.Core().compile_model(model, "CPU")


def _values(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def test_a_video_that_breaks_off_leaves_the_others_alone(double: openvino.CompiledModel) -> None:
    def read(path: Path) -> Iterator[tuple[np.ndarray, slice]]:
        yield _values(float(path.name)), slice(None)
        if path.name == "2":
            raise VideoError("it was cut")
        yield _values(0), slice(None)

    network = Network(double, "unknown", read, lambda outputs: np.stack([o for o, _ in outputs]))
    answers = list(network.answer([(name, Path(name)) for name in ("1", "2", "3")]))

    assert [(each.name, each.reason) for each in answers] == [
        ("1", ""),
        ("2", "it was cut"),
        ("3", ""),
    ]
    assert [None if each.clips is None else each.clips.tolist() for each in answers] == [
        [[2.0], [0.0]],
        None,
        [[6.0], [0.0]],
    ]


@pytest.mark.parametrize("protocol", ["zoo", "clip", "paper"])
def test_a_precision_that_is_not_there_is_never_claimed(
    model_root: Path, spec: ModelSpec, protocol: str
) -> None:
    path = spec.ir_path(model_root, "FP16")
    try:
        network = load_network(path, protocol, device="CPU", inference_precision="bf16")
    except DeviceError as error:
        assert re.search("CPU cannot calculate in bf16, it would take f", str(error))  # noqa: PT017
    else:
        assert network.compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "bf16"


@pytest.mark.parametrize("protocol", ["zoo", "clip", "paper"])
@pytest.mark.parametrize("device", ["AUTO", "QPU"])
def test_a_device_that_cannot_is_one_line(
    model_root: Path, spec: ModelSpec, protocol: str, device: str
) -> None:
    path = spec.ir_path(model_root, "FP16")

    with pytest.raises(DeviceError, match=f"(?s)^(?!.*\n).*{device}"):
        load_network(path, protocol, device=device, inference_precision="f32")


def test_time_may_be_either_axis_of_the_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(400, 9)).astype(np.float32)
    part = slice(2, 7)

    found = _average([(logits, part), (logits.T, part)])

    assert found.shape == (1, 400)
    mean = logits[:, part].mean(axis=1)
    np.testing.assert_allclose(found[0], np.exp(mean) / np.exp(mean).sum(), rtol=1e-5)


def test_a_whole_video_is_answered_as_tensorflow_does(
    repository: Path, model_root: Path, spec: ModelSpec
) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    tensorflow = pytest.importorskip("tensorflow", reason="needs TensorFlow, from extra freeze")
    video = repository / ".cache" / "demo" / "bigbuckbunny.mp4"
    if not video.is_file():
        _fetch_video(video)
    frames = np.concatenate([part for part, _ in whole_video(video)])
    graph_def = tensorflow.compat.v1.GraphDef()
    graph_def.ParseFromString(spec.frozen_graph_path(model_root).read_bytes())
    (placeholder,) = (node for node in graph_def.node if node.op == "Placeholder")
    placeholder.attr["shape"].shape.dim[1].size = len(frames)
    with tensorflow.Graph().as_default() as graph:
        tensorflow.import_graph_def(graph_def, name="")
        with tensorflow.compat.v1.Session(graph=graph) as session:
            pixels = (frames[np.newaxis].astype(np.float32) - 127.5) / 127.5
            expected = session.run("Softmax:0", {"Placeholder:0": pixels})[0]

    path = spec.ir_path(model_root, "FP32")
    network = load_network(path, "paper", device="CPU", inference_precision="f32")
    (answer,) = network.answer([("x", video)])

    assert len(frames) == 132
    assert answer.clips is not None
    assert answer.clips.shape == (1, 400)
    assert np.abs(answer.clips[0] - expected).max() < 1e-4
    assert 0.1 < expected.max() < 0.9
