"""Videos through the network in order; a whole video as TensorFlow infers it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.choices import InferencePrecision, ProtocolName
from i3d_rgb_tf.errors import DeviceError, VideoError
from i3d_rgb_tf.evaluation.predict import Network, load_network
from i3d_rgb_tf.evaluation.protocols import PROTOCOLS
from i3d_rgb_tf.ir.winograd.rewrite import rewrite
from i3d_rgb_tf.spec import ModelSpec
from networks import save_small_i3d

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def double() -> openvino.CompiledModel:
    """Return a network that takes any number of values and gives twice their mean."""
    values = operations.parameter([1, -1], np.float32)
    mean = operations.reduce_mean(values, np.int64(1), keep_dims=True)
    model = openvino.Model([operations.multiply(mean, np.float32(2))], [values], "double")
    return openvino.Core().compile_model(model, "CPU")


def _values(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def test_a_truncated_video_does_not_affect_the_others(double: openvino.CompiledModel) -> None:
    def read(path: Path) -> Iterator[tuple[None, np.ndarray]]:
        yield None, _values(float(path.name))
        if path.name == "2":
            raise VideoError("it was cut")
        yield None, _values(0)

    protocol = replace(PROTOCOLS["clip"], read=read)
    network = Network(double, "unknown", protocol, "direct")
    results = list(network.predict([(name, Path(name)) for name in ("1", "2", "3")]))

    assert [(each.name, each.reason) for each in results] == [
        ("1", ""),
        ("2", "it was cut"),
        ("3", ""),
    ]
    found = [each.probabilities for each in results]
    assert [None if each is None else each.tolist() for each in found] == [
        [[2.0], [0.0]],
        None,
        [[6.0], [0.0]],
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unsupported_precision_is_an_error_and_never_replaced(
    small_ir: Path, protocol: str
) -> None:
    chosen = PROTOCOLS[protocol]
    try:
        network = load_network(small_ir, chosen, device="CPU", inference_precision="bf16")
    except DeviceError as error:
        assert re.search("CPU .* bf16, it would use f", str(error))  # noqa: PT017
    else:
        assert network.compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "bf16"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("device", ["AUTO", "QPU"])
def test_an_unsuitable_device_is_an_error_of_one_line(
    small_ir: Path, protocol: str, device: str
) -> None:
    with pytest.raises(DeviceError, match=f"(?s)^(?!.*\n).*{device}"):
        load_network(small_ir, PROTOCOLS[protocol], device=device, inference_precision="f32")


@pytest.mark.parametrize(
    ("protocol", "precision", "winograd", "convolution"),
    [
        ("clip", "f32", True, "winograd"),
        ("zoo", "f32", True, "winograd"),
        ("clip", "f32", False, "direct"),
        ("clip", "bf16", True, "direct"),
        ("paper", "f32", True, "winograd"),
        ("paper", "bf16", True, "direct"),
    ],
)
def test_the_network_of_a_protocol_is_rewritten_in_f32(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    protocol: ProtocolName,
    precision: InferencePrecision,
    winograd: bool,
    convolution: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    used = []

    def spy(model: Any) -> Any:
        used.append("winograd")
        return rewrite(model)

    monkeypatch.setattr("i3d_rgb_tf.ir.compile.rewrite", spy)
    path = save_small_i3d(tmp_path / "small.xml")
    try:
        network = load_network(
            path,
            PROTOCOLS[protocol],
            device="CPU",
            inference_precision=precision,
            winograd=winograd,
        )
    except DeviceError:
        assert precision == "bf16"
        pytest.skip("this processor does not support the precision")

    assert network.convolution == convolution
    assert used == (["winograd"] if convolution == "winograd" else [])


def test_a_whole_video_is_predicted_as_by_tensorflow(
    demo_video: Path, model_root: Path, spec: ModelSpec
) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow

    frames = np.concatenate([part for _, part in PROTOCOLS["paper"].read(demo_video)])
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
    network = load_network(path, PROTOCOLS["paper"], device="CPU", inference_precision="f32")
    (result,) = network.predict([("x", demo_video)])

    assert len(frames) == 132
    assert result.probabilities is not None
    assert result.probabilities.shape == (1, 400)
    assert np.abs(result.probabilities[0] - expected).max() < 1e-4
    assert 0.1 < expected.max() < 0.9
