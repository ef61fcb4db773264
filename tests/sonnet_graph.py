"""Write a frozen graph with the structure of the original stack (TensorFlow 1.11, Sonnet 1.26).

Variables are constants read through Identity nodes, batch norm statistics have shape
[1, 1, 1, 1, C] and pass through one more Identity, and additions are ``Add``, not ``AddV2``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE, LOGITS, STAGES, Conv, MaxPool
from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from i3d_rgb_tf.weights.tensors import Tensors


def write_sonnet_graph(
    tensors: Tensors,
    output: Path,
    *,
    input_name: str = "Placeholder",
    input_shape: tuple[int, ...] = (1, 79, 224, 224, 3),
    output_name: str = "Softmax",
    stages: int | None = None,
) -> None:
    """Write the graph, with another name, shape or number of stages where a test wants it."""
    tf = require_tensorflow()
    ops = tf.raw_ops

    def read(name: str, shape: tuple[int, ...] | None = None):
        value = tensors[name] if shape is None else tensors[name].reshape(shape)
        return ops.Identity(input=tf.constant(value, name=name), name=f"{name}/read")

    def convolution(net, scope: str, conv: Conv):
        return ops.Conv3D(
            input=net,
            filter=read(f"{scope}/conv_3d/w"),
            strides=(1, *conv.stride, 1),
            padding="SAME",
            name=f"{scope}/conv_3d/convolution",
        )

    def layer(net, scope: str, item: Conv | MaxPool):
        if isinstance(item, MaxPool):
            sizes = {"ksize": (1, *item.kernel, 1), "strides": (1, *item.stride, 1)}
            return ops.MaxPool3D(input=net, padding="SAME", name=scope, **sizes)
        norm = f"{scope}/batch_norm"
        net = convolution(net, scope, item)
        shape = (1, 1, 1, 1, item.out_channels)
        beta, mean, variance = (
            read(f"{norm}/{name}", shape) for name in ("beta", "moving_mean", "moving_variance")
        )
        mean = ops.Identity(input=mean, name=f"{norm}/Identity")
        variance = ops.Identity(input=variance, name=f"{norm}/Identity_1")
        inner = f"{norm}/batchnorm"
        epsilon = tf.constant(np.float32(1e-3), name=f"{inner}/add/y")
        inverse = ops.Rsqrt(x=ops.Add(x=variance, y=epsilon, name=f"{inner}/add"))
        scaled = ops.Mul(x=net, y=inverse, name=f"{inner}/mul")
        shift = ops.Sub(x=beta, y=ops.Mul(x=mean, y=inverse), name=f"{inner}/sub")
        return ops.Relu(features=ops.Add(x=scaled, y=shift), name=f"{scope}/Relu")

    with tf.Graph().as_default() as graph:
        net = tf.compat.v1.placeholder(tf.float32, input_shape, name=input_name)
        for stage in STAGES[:stages]:
            scope = f"{CHECKPOINT_SCOPE}/{stage.name}"
            if isinstance(stage, Conv | MaxPool):
                net = layer(net, scope, stage)
                continue
            outputs = []
            for index, branch in enumerate(stage.branches):
                inner = net
                for item in branch:
                    inner = layer(inner, f"{scope}/Branch_{index}/{item.name}", item)
                outputs.append(inner)
            net = tf.concat(outputs, 4, name=f"{scope}/concat")
        if stages is None:
            scope = f"{CHECKPOINT_SCOPE}/{LOGITS.name}"
            net = tf.nn.avg_pool3d(net, (2, 7, 7), (1, 1, 1), "VALID")
            net = ops.BiasAdd(
                value=convolution(net, scope, LOGITS), bias=read(f"{scope}/conv_3d/b")
            )
            net = tf.squeeze(net, (2, 3))
        tf.nn.softmax(tf.reduce_mean(net, 1), name=output_name)
    definition = graph.as_graph_def()
    definition.ClearField("versions")
    output.write_bytes(definition.SerializeToString())
