"""The network in other frameworks, with the same weights: what the speed is compared with.

Each function returns a function from a clip (79, 224, 224, 3) uint8, RGB, to (400,) float32, or of
`torch_features` from a window of any number of frames to (1024,), and raises `ImportError` where
the framework is not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.architecture import (
    AVERAGE_POOL,
    BATCH_NORM_EPSILON,
    CHECKPOINT_SCOPE,
    LOGITS,
    STAGES,
    Conv,
    MaxPool,
)
from i3d_rgb_tf.choices import InferencePrecision
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.weights.frozen_graph import read_frozen_graph

__all__ = [
    "Predict",
    "onnxruntime_model",
    "openvino_model",
    "tensorflow_model",
    "torch_features",
    "torch_model",
]

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def tensorflow_model(graph: Path, threads: int) -> Predict:
    """Run the frozen graph itself, as the zoo's users did before converting it."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    definition = tf.compat.v1.GraphDef.FromString(graph.read_bytes())
    spec = load_spec()

    def imported() -> None:
        tf.compat.v1.import_graph_def(definition, name="")

    function = tf.compat.v1.wrap_function(imported, [])
    pruned = function.prune(f"{spec.input_name}:0", "Softmax:0")

    def predict(clip: NDArray[np.uint8]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = pruned(tf.constant(_centred(clip)[np.newaxis])).numpy()[0]
        return result

    return predict


def openvino_model(
    path: Path, threads: int, inference_precision: InferencePrecision | None = None
) -> Predict:
    """Run an IR as OpenVINO's samples do: float pixels made by numpy, one call at a time."""
    import openvino

    properties: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads}
    if inference_precision:
        properties["INFERENCE_PRECISION_HINT"] = inference_precision
    compiled = openvino.Core().compile_model(path, "CPU", properties)

    def predict(clip: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = np.ascontiguousarray(clip.transpose(0, 3, 1, 2)[np.newaxis], np.float32)
        result: NDArray[np.float32] = compiled(batch)[0][0]
        return result

    return predict


def torch_model(graph: Path, threads: int) -> Predict:
    """Run the network written for PyTorch, batch norm folded into the convolutions."""
    pool, classify = _torch_parts(graph, threads)

    def predict(clip: NDArray[np.uint8]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = classify(pool(clip)).mean((2, 3, 4)).softmax(1).numpy()[0]
        return result

    return predict


def torch_features(graph: Path, threads: int) -> Predict:
    """Run the same network up to its average pool: the mean over time of its 1024 features."""
    pool, _ = _torch_parts(graph, threads)

    def predict(window: NDArray[np.uint8]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = pool(window).mean((2, 3, 4)).numpy()[0]
        return result

    return predict


def _torch_parts(graph: Path, threads: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the network up to its average pool, and its classifier."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    weights = {scope: tuple(map(torch.from_numpy, pair)) for scope, pair in _folded(graph).items()}

    def apply(layer: Conv | MaxPool, scope: str, x: Any) -> Any:
        x = functional.pad(x, _padding(layer, x.shape[2:]))
        if isinstance(layer, MaxPool):
            return functional.max_pool3d(x, layer.kernel, layer.stride)
        return functional.conv3d(x, *weights[f"{scope}/{layer.name}"], stride=layer.stride)

    @torch.inference_mode()
    def pool(clip: NDArray[np.uint8]) -> Any:
        x = torch.from_numpy(_centred(clip).transpose(3, 0, 1, 2)[np.newaxis].copy())
        x = _run(x, apply, torch.relu, lambda parts: torch.cat(parts, 1))
        return functional.avg_pool3d(x, AVERAGE_POOL, 1)

    @torch.inference_mode()
    def classify(pooled: Any) -> Any:
        return functional.conv3d(pooled, *weights[f"{CHECKPOINT_SCOPE}/{LOGITS.name}"])

    return pool, classify


def onnxruntime_model(graph: Path, threads: int) -> Predict:
    """Run the network written as ONNX, batch norm folded into the convolutions."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        _onnx(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def predict(clip: NDArray[np.uint8]) -> NDArray[np.float32]:
        x = np.ascontiguousarray(_centred(clip).transpose(3, 0, 1, 2)[np.newaxis])
        result: NDArray[np.float32] = session.run(None, {"x": x})[0][0]
        return result

    return predict


def _onnx(graph: Path) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    weights = _folded(graph)
    nodes: list[Any] = []
    initializers: list[Any] = []

    def add(kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def convolve(x: str, scope: str, layer: Conv) -> str:
        names = [f"{scope}/w", f"{scope}/b"]
        for name, array in zip(names, weights[scope], strict=True):
            initializers.append(numpy_helper.from_array(array, name))
        strides, pad = list(layer.stride), "SAME_UPPER"
        return add("Conv", [x, *names], strides=strides, auto_pad=pad)

    def apply(layer: Conv | MaxPool, scope: str, x: str) -> str:
        if isinstance(layer, Conv):
            return convolve(x, f"{scope}/{layer.name}", layer)
        kernel, strides = list(layer.kernel), list(layer.stride)
        # Windows at the border take what is there, which after a ReLU is what TensorFlow takes.
        return add("MaxPool", [x], kernel_shape=kernel, strides=strides, auto_pad="SAME_UPPER")

    x = _run("x", apply, lambda y: add("Relu", [y]), lambda parts: add("Concat", parts, axis=1))
    x = add("AveragePool", [x], kernel_shape=list(AVERAGE_POOL))
    x = convolve(x, f"{CHECKPOINT_SCOPE}/{LOGITS.name}", LOGITS)
    x = add("Softmax", [add("ReduceMean", [x], axes=[2, 3, 4], keepdims=0)], axis=1)
    spec = load_spec()
    shape = [1, 3, spec.num_frames, spec.frame_size, spec.frame_size]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, LOGITS.out_channels])]
    document = helper.make_graph(nodes, "i3d", inputs, outputs, initializers)
    return helper.make_model(document, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _run(
    x: Any,
    apply: Callable[[Conv | MaxPool, str, Any], Any],
    relu: Callable[[Any], Any],
    concatenate: Callable[[list[Any]], Any],
) -> Any:
    """Walk through the table of the architecture up to the average pool."""

    def step(layer: Conv | MaxPool, scope: str, y: Any) -> Any:
        y = apply(layer, scope, y)
        return relu(y) if isinstance(layer, Conv) else y

    for stage in STAGES:
        if isinstance(stage, Conv | MaxPool):
            x = step(stage, CHECKPOINT_SCOPE, x)
            continue
        parts = []
        for index, branch in enumerate(stage.branches):
            part = x
            for layer in branch:
                part = step(layer, f"{CHECKPOINT_SCOPE}/{stage.name}/Branch_{index}", part)
            parts.append(part)
        x = concatenate(parts)
    return x


def _folded(graph: Path) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return weights (out, in, time, height, width) and bias of each convolution, by scope."""
    tensors = read_frozen_graph(graph)
    folded = {}
    for name, kernel in tensors.items():
        if not name.endswith("/conv_3d/w"):
            continue
        scope = name.removesuffix("/conv_3d/w")
        weights = kernel.transpose(4, 3, 0, 1, 2)
        if f"{scope}/conv_3d/b" in tensors:
            folded[scope] = (weights.copy(), tensors[f"{scope}/conv_3d/b"].copy())
            continue
        beta, mean, variance = (
            tensors[f"{scope}/batch_norm/{each}"]
            for each in ("beta", "moving_mean", "moving_variance")
        )
        scale = 1 / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
        scaled = weights * scale[:, None, None, None, None]
        folded[scope] = (np.ascontiguousarray(scaled), beta - mean * scale)
    return folded


def _padding(layer: Conv | MaxPool, sizes: tuple[int, ...]) -> list[int]:
    """Return TensorFlow's SAME padding as PyTorch takes it: the last axis first."""
    pairs = []
    for size, kernel, stride in zip(sizes, layer.kernel, layer.stride, strict=True):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pairs.append((total // 2, total - total // 2))
    return [each for pair in reversed(pairs) for each in pair]


def _centred(clip: NDArray[np.uint8]) -> NDArray[np.float32]:
    spec = load_spec()
    return (clip.astype(np.float32) - np.float32(spec.mean)) / np.float32(spec.scale)
