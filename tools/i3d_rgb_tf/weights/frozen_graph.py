"""Read the nodes and tensors of a frozen graph, without TensorFlow."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.architecture import (
    CHECKPOINT_SCOPE,
    OUTPUT_NAME,
    STAGES,
    MaxPool,
    Mixed,
    convolutions,
)
from i3d_rgb_tf.choices import UNKNOWN_WEIGHTS
from i3d_rgb_tf.errors import ModelError, StorageError, WeightsError
from i3d_rgb_tf.spec import ModelSpec, load_spec
from i3d_rgb_tf.weights.messages import Fields, message_class
from i3d_rgb_tf.weights.tensors import Tensors, check_names_and_shapes, check_shapes, identify

__all__ = ["identify_frozen_graph", "read_frozen_graph", "require_published"]

_FLOAT32 = 1

_MESSAGES: dict[str, Fields] = {
    "GraphDef": {"node": (1, "repeated NodeDef")},
    "NodeDef": {
        "name": (1, "string"),
        "op": (2, "string"),
        "attr": (5, "repeated Attribute"),
    },
    "Attribute": {"key": (1, "string"), "value": (2, "AttrValue")},
    "AttrValue": {"shape": (7, "TensorShape"), "tensor": (8, "Tensor")},
    "TensorShape": {"dim": (2, "repeated Dimension")},
    "Dimension": {"size": (1, "int64")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShape"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "repeated float"),
    },
}
"""The part of TensorFlow's graph.proto and tensor.proto that is read: field numbers and types."""


def read_frozen_graph(path: Path, spec: ModelSpec | None = None) -> Tensors:
    """Return the 230 tensors of a frozen graph of this network.

    Graphs of every TensorFlow version are read: DeepMind's variables keep their names when they
    are frozen, even if other nodes have different names.

    Raises
    ------
    StorageError
        The file cannot be read.
    ModelError
        It is not a frozen graph, or its input, output, layers or tensors are not those of this
        network.
    """
    spec = spec or load_spec()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"cannot read {path}: {error.strerror}; check the path, or get the graph with: "
            "i3d-rgb-tf download"
        ) from error
    nodes = _parse(content, path)
    try:
        _check_structure(nodes, path, spec)
        weights = [node for node in nodes if _is_weight(node)]
        check_names_and_shapes({node.name: _shape_of(node) for node in weights})
        return check_shapes({node.name: _array(node) for node in weights})
    except WeightsError as error:
        raise ModelError(f"{path} is not the I3D RGB model: {error}") from error


def identify_frozen_graph(path: Path) -> str:
    """Return which published weights a frozen graph has, or ``unknown``.

    Raises
    ------
    StorageError
        The file cannot be read.
    ModelError
        It is not a frozen graph of this network.
    """
    return identify(read_frozen_graph(path)) or UNKNOWN_WEIGHTS


def require_published(path: Path, weights: str, *, allow_unknown: bool) -> None:
    """Raise an error if the weights in a file are ``unknown``, unless these are allowed.

    Raises
    ------
    WeightsError
        The weights are unknown and `allow_unknown` is False.
    """
    if weights == UNKNOWN_WEIGHTS and not allow_unknown:
        raise WeightsError(
            f"{path} holds weights that DeepMind did not publish; if they are your own "
            "(for example fine-tuned), pass --allow-unknown, otherwise download them again"
        )


def _parse(content: bytes, path: Path) -> list[Any]:
    from google.protobuf.message import DecodeError

    try:
        nodes = list(_graph_class().FromString(content).node)
    except DecodeError as error:
        raise ModelError(
            f"{path} is not a TensorFlow graph, or is damaged ({len(content)} bytes); "
            "download it again"
        ) from error
    if not nodes:
        raise ModelError(f"{path} has no nodes ({len(content)} bytes); download it again")
    return nodes


def _check_structure(nodes: list[Any], path: Path, spec: ModelSpec) -> None:
    by_name = {node.name: node for node in nodes}
    if spec.input_name not in by_name or by_name[spec.input_name].op != "Placeholder":
        found = ", ".join(node.name for node in nodes if node.op == "Placeholder") or "none"
        raise ModelError(
            f"{path} is not the I3D RGB model: its inputs are {found}, expected {spec.input_name}"
        )
    shape = _shape(_attribute(by_name[spec.input_name], "shape").shape)
    if shape != spec.source_shape:
        raise ModelError(
            f"{path} takes {spec.input_name} of shape {shape}, expected {spec.source_shape}"
        )
    if OUTPUT_NAME not in by_name:
        raise ModelError(f"{path} is not the I3D RGB model: it has no output {OUTPUT_NAME}")
    found_layers = Counter(node.op for node in nodes)
    for op, expected in _layer_counts().items():
        if found_layers[op] != expected:
            raise ModelError(
                f"{path} is not the I3D RGB model: it has {found_layers[op]} {op} nodes, "
                f"expected {expected}"
            )


@lru_cache
def _layer_counts() -> dict[str, int]:
    num_convolutions = len(list(convolutions()))
    num_mixed = sum(isinstance(stage, Mixed) for stage in STAGES)
    return {
        "Conv3D": num_convolutions,
        "Relu": num_convolutions - 1,
        "MaxPool3D": num_mixed + sum(isinstance(stage, MaxPool) for stage in STAGES),
        "ConcatV2": num_mixed,
        "AvgPool3D": 1,
        "Softmax": 1,
    }


def _is_weight(node: Any) -> bool:
    """Return whether a node is a weight, not a constant that TensorFlow adds (axes, epsilon)."""
    scope, _, _ = node.name.rpartition("/")
    return bool(
        node.op == "Const"
        and scope.startswith(CHECKPOINT_SCOPE)
        and scope.endswith(("/conv_3d", "/batch_norm"))
    )


def _array(node: Any) -> NDArray[np.float32]:
    tensor = _attribute(node, "value").tensor
    shape = _shape_of(node)
    if tensor.dtype != _FLOAT32:
        raise WeightsError(f"{node.name} is not float32")
    if len(tensor.tensor_content) % 4:
        raise WeightsError(f"{node.name} has {len(tensor.tensor_content)} bytes, expected float32")
    values = (
        np.frombuffer(tensor.tensor_content, "<f4")
        if tensor.tensor_content
        else np.array(tensor.float_val, np.float32)
    )
    if values.size == 1:
        values = np.broadcast_to(values.reshape(()), shape)
    if values.size != math.prod(shape):
        raise WeightsError(f"{node.name} has {values.size} values, expected shape {shape}")
    return values.reshape(shape)


def _shape_of(node: Any) -> tuple[int, ...]:
    return _shape(_attribute(node, "value").tensor.tensor_shape)


def _attribute(node: Any, key: str) -> Any:
    found = [attribute.value for attribute in node.attr if attribute.key == key]
    if not found:
        raise WeightsError(f"node {node.name} has no {key}")
    return found[-1]


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(dimension.size for dimension in shape.dim)


@lru_cache
def _graph_class() -> Any:
    return message_class(_MESSAGES, "GraphDef")
