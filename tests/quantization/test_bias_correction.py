"""Biases are corrected by the mean error of rounded weights."""

from __future__ import annotations

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.errors import QuantizationError
from i3d_rgb_tf.quantization.bias_correction import correct_biases
from networks import convolution_network


def _compiled(model):
    # The default of some processors is bfloat16.
    properties = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", properties)


@pytest.mark.parametrize(("kernel", "clip"), [((1, 1, 1), (2, 4, 4)), ((2, 3, 3), (1, 1, 1))])
def test_the_mean_output_is_that_of_the_exact_weights(kernel, clip):
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(5, 3, *kernel)).astype(np.float32)
    bias = np.ones((1, 5, 1, 1, 1), np.float32)
    # For a large kernel each clip has one colour, so that its borders are like its middle.
    colours = generator.integers(0, 256, (2, *clip, 3), np.uint8)
    clips = np.ascontiguousarray(np.broadcast_to(colours, (2, 2, 4, 4, 3)))
    halves = (2 * weights + 128).round().astype(np.uint8)
    exact, rounded = convolution_network(weights, bias), convolution_network(halves, bias)

    correct_biases(rounded, convolution_network(weights, bias), clips)

    batches = clips.transpose(0, 1, 4, 2, 3).astype(np.float32)
    means = [
        np.mean([compiled(batch[None])[0] for batch in batches], (0, 1, 3, 4, 5))
        for compiled in map(_compiled, (exact, rounded))
    ]
    assert means[1] == pytest.approx(means[0], abs=0.01)


WEIGHTS = np.ones((5, 3, 1, 1, 1), np.float32)
BIAS = np.ones((1, 5, 1, 1, 1), np.float32)
CLIPS = np.zeros((1, 2, 4, 4, 3), np.uint8)


def test_a_convolution_without_a_bias_is_an_error():
    model, reference = (convolution_network(WEIGHTS, None) for _ in range(2))

    with pytest.raises(QuantizationError, match="followed by Relu, expected its bias"):
        correct_biases(model, reference, CLIPS)


def test_weights_that_are_not_constants_times_scales_are_an_error():
    model, reference = (convolution_network(WEIGHTS, BIAS) for _ in range(2))
    (convolution,) = [each for each in model.get_ops() if each.get_type_name() == "Convolution"]
    kernel = operations.exp(operations.constant(WEIGHTS))
    convolution.input(1).replace_source_output(kernel.output(0))

    with pytest.raises(QuantizationError, match="weights are computed with Exp, expected"):
        correct_biases(model, reference, CLIPS)
