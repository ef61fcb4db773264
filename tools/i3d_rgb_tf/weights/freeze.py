"""Write the frozen graph of the network, from tensors or from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.architecture import (
    AVERAGE_POOL,
    BATCH_NORM_EPSILON,
    CHECKPOINT_SCOPE,
    LOGITS,
    OUTPUT_NAME,
    STAGES,
    Conv,
    MaxPool,
)
from i3d_rgb_tf.choices import UNKNOWN_WEIGHTS
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.storage import replaced_file
from i3d_rgb_tf.weights.checkpoint import read_checkpoint
from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from i3d_rgb_tf.weights.tensors import Tensors, check_shapes, identify

__all__ = ["freeze_checkpoint", "freeze_tensors"]


def freeze_checkpoint(prefix: Path, output: Path) -> str:
    """Write the frozen graph of a checkpoint of the network to `output`.

    Returns
    -------
    str
        The weights in the graph: ``rgb_imagenet``, ``rgb_scratch``, or ``unknown``.

    Raises
    ------
    DependencyError
        TensorFlow is not installed.
    WeightsError
        There is no such checkpoint, or it is not one of this network.
    StorageError
        `output` cannot be written.
    """
    tensors = read_checkpoint(prefix)
    freeze_tensors(tensors, output)
    return identify(tensors) or UNKNOWN_WEIGHTS


def freeze_tensors(tensors: Tensors, output: Path) -> None:
    """Write the frozen graph of the network with these tensors to `output`.

    Its input `Placeholder` is (1, 79, 224, 224, 3) float32, RGB, -1..1; its output `Softmax` is
    (1, 400) float32. The same tensors give the same bytes.

    Raises
    ------
    DependencyError
        TensorFlow is not installed.
    WeightsError
        A tensor is missing, unknown, or has another shape.
    StorageError
        `output` cannot be written.
    """
    tf = require_tensorflow()
    checked = check_shapes(tensors)
    with tf.Graph().as_default() as graph:
        _build(tf, checked)
    definition = graph.as_graph_def()
    # Remove the TensorFlow version, so that the same tensors give the same bytes.
    definition.ClearField("versions")
    with replaced_file(output) as temporary:
        temporary.write_bytes(definition.SerializeToString(deterministic=True))


def _build(tf: Any, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Build the network in the default graph."""
    spec = load_spec()
    net = tf.compat.v1.placeholder(tf.float32, spec.source_shape, name=spec.input_name)
    for stage in STAGES:
        scope = f"{CHECKPOINT_SCOPE}/{stage.name}"
        if isinstance(stage, Conv | MaxPool):
            net = _layer(tf, tensors, net, scope, stage)
            continue
        outputs = []
        for index, branch in enumerate(stage.branches):
            inner = net
            for layer in branch:
                inner = _layer(tf, tensors, inner, f"{scope}/Branch_{index}/{layer.name}", layer)
            outputs.append(inner)
        net = tf.concat(outputs, axis=-1, name=f"{scope}/concat")
    scope = f"{CHECKPOINT_SCOPE}/{LOGITS.name}"
    net = tf.nn.avg_pool3d(
        net, AVERAGE_POOL, (1, 1, 1), "VALID", name=f"{CHECKPOINT_SCOPE}/Logits/AvgPool3D"
    )
    net = _convolution(tf, tensors, net, scope, LOGITS)
    net = tf.nn.bias_add(net, _constant(tf, tensors, f"{scope}/conv_3d/b"), name=f"{scope}/BiasAdd")
    net = tf.squeeze(net, axis=(2, 3), name=f"{CHECKPOINT_SCOPE}/Logits/SpatialSqueeze")
    net = tf.reduce_mean(net, axis=1, name=f"{CHECKPOINT_SCOPE}/Mean")
    tf.nn.softmax(net, name=OUTPUT_NAME)


def _layer(
    tf: Any, tensors: Mapping[str, NDArray[np.float32]], net: Any, scope: str, layer: Conv | MaxPool
) -> Any:
    if isinstance(layer, MaxPool):
        return tf.nn.max_pool3d(net, layer.kernel, layer.stride, "SAME", name=scope)
    net = _convolution(tf, tensors, net, scope, layer)
    mean, variance, beta = (
        _constant(tf, tensors, f"{scope}/batch_norm/{name}")
        for name in ("moving_mean", "moving_variance", "beta")
    )
    net = tf.nn.batch_normalization(
        net, mean, variance, beta, None, BATCH_NORM_EPSILON, name=f"{scope}/batch_norm/batchnorm"
    )
    return tf.nn.relu(net, name=f"{scope}/Relu")


def _convolution(
    tf: Any, tensors: Mapping[str, NDArray[np.float32]], net: Any, scope: str, conv: Conv
) -> Any:
    filters = _constant(tf, tensors, f"{scope}/conv_3d/w")
    strides: tuple[int, ...] = (1, *conv.stride, 1)
    return tf.nn.conv3d(net, filters, strides, "SAME", name=f"{scope}/conv_3d/convolution")


def _constant(tf: Any, tensors: Mapping[str, NDArray[np.float32]], name: str) -> Any:
    return tf.constant(tensors[name], name=name)
