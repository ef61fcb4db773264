"""Bias correction: remove the mean error that rounded weights cause in an INT8 network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import QuantizationError
from i3d_rgb_tf.ir.compile import compile_model

__all__ = ["correct_biases"]

_PER_CHANNEL = (0, 2, 3, 4)
"""Axes of an activation in NCDHW that are averaged: all but the channels."""


def correct_biases(model: Any, reference: Any, clips: Sequence[NDArray[np.uint8]]) -> None:
    """Change the biases of an INT8 network so that its convolutions keep their mean outputs.

    Rounding changes the weights of a convolution by d, and so its output for an input x by d * x.
    The mean of this change over a clip is the sum of d over the kernel, times the mean of x in
    each channel. It is subtracted from the bias. The effect of padding at the borders is ignored.

    Parameters
    ----------
    model
        An ``openvino.Model`` of the network with quantized weights; it is changed.
    reference
        The same network in FP32.
    clips
        Clips to take the means over, each (79, 224, 224, 3) uint8, RGB, 0..255.

    Raises
    ------
    QuantizationError
        A convolution has no bias, or weights that are not constants times scales.
    """
    pairs = list(zip(_convolutions(reference), _convolutions(model), strict=True))
    means = _mean_inputs(reference, clips)
    for (exact, rounded), mean in zip(pairs, means, strict=True):
        error = _constant(rounded.input_value(1)) - _constant(exact.input_value(1))
        _shift_bias(rounded, -(error.sum(axis=(2, 3, 4)) @ mean))
    model.validate_nodes_and_infer_types()


def _convolutions(model: Any) -> list[Any]:
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]


def _mean_inputs(model: Any, clips: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
    """Return the mean input of each convolution over the clips, (channels,) float32."""
    import openvino
    from openvino import opset8 as opset

    outputs = [
        opset.reduce_mean(node.input_value(0), np.array(_PER_CHANNEL), keep_dims=False)
        for node in _convolutions(model)
    ]
    probe = openvino.Model([opset.result(each) for each in outputs], model.get_parameters())
    compiled = compile_model(probe, inference_precision="f32", convolution="direct", cache=False)
    sums = [np.zeros(tuple(each.output(0).shape), np.float64) for each in outputs]
    for clip in clips:
        for total, found in zip(sums, compiled(clip[np.newaxis]).values(), strict=True):
            np.add(total, found, out=total)
    return [(total / len(clips)).astype(np.float32) for total in sums]


def _constant(output: Any) -> NDArray[np.float32]:
    """Return the value of a subgraph of constants, such as int8 weights times their scales."""
    node = output.get_node()
    kind = node.get_type_name()
    if kind == "Constant":
        return np.asarray(node.get_data(), np.float32)
    if kind == "Convert":
        return _constant(node.input_value(0))
    if kind == "Multiply":
        return _constant(node.input_value(0)) * _constant(node.input_value(1))
    if kind == "Subtract":
        return _constant(node.input_value(0)) - _constant(node.input_value(1))
    raise QuantizationError(
        f"weights are computed with {kind}, expected constants times scales; "
        "this version of nncf is not supported, try nncf 3.4"
    )


def _shift_bias(convolution: Any, shift: NDArray[np.float32]) -> None:
    from openvino import opset8 as opset

    (target,) = convolution.output(0).get_target_inputs()
    add = target.get_node()
    if add.get_type_name() != "Add":
        raise QuantizationError(
            f"a convolution is followed by {add.get_type_name()}, expected its bias; "
            "convert the model again with: i3d-rgb-tf convert"
        )
    bias = _constant(add.input_value(1))
    shifted = bias + shift.reshape(bias.shape)
    add.input(1).replace_source_output(opset.constant(shifted, np.float32).output(0))
