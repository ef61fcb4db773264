"""Small networks for the tests, each with one property of the real one."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as operations

from i3d_rgb_tf.architecture import AVERAGE_POOL, STAGES, Mixed
from i3d_rgb_tf.choices import Layout
from i3d_rgb_tf.ir.layouts import input_shape

LABEL_WEIGHTS = np.linspace(0, 1, 400, dtype=np.float32)
"""The output of the small network is the mean of all pixels times these."""


def save_small_network(path: Path) -> Path:
    """Save an IR with the inputs and outputs of the real network.

    Compile it from the file: a model that is built anew has new names and so its own place in
    the cache of compiled models.
    """
    pixels = operations.parameter([1, 79, 3, 224, 224], np.float32, name="Placeholder")
    mean = operations.reduce_mean(pixels, np.array([1, 2, 3, 4]), keep_dims=False)
    column = operations.reshape(mean, np.array([1, 1]), special_zero=False)
    output = operations.multiply(column, LABEL_WEIGHTS[np.newaxis])
    model = openvino.Model([output], [pixels], "small")
    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


def gray_clip(level: float = 100, dtype: type = np.uint8) -> np.ndarray:
    """Return a clip of one colour, (79, 224, 224, 3)."""
    return np.full((79, 224, 224, 3), level, dtype)


def infer_clip(compiled: Any, clip: np.ndarray | None = None) -> np.ndarray:
    """Return the outputs for one clip, (400,) float32; by default for `gray_clip`."""
    clip = gray_clip() if clip is None else clip
    return compiled(clip[np.newaxis])[0][0]


def infer_with_openvino(path: Path, layout: Layout, clip: np.ndarray) -> np.ndarray:
    """Return what plain OpenVINO gives in f32 for one clip, (400,) float32.

    The clip is (79, 224, 224, 3), and becomes what an IR of the layout takes.
    """
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    axes = (0, 3, 1, 2) if layout == "NDCHW" else (0, 1, 2, 3)
    pixels = np.float32(clip.transpose(axes)).reshape(input_shape(layout))
    assert compiled.input("Placeholder").shape == pixels.shape
    return compiled(pixels)["Softmax"][0]


def convolution_network(weights: np.ndarray, bias: np.ndarray | None) -> openvino.Model:
    """Return a model of one convolution with a bias, for clips of 2 frames of 4x4 pixels.

    Weights are floats, or bytes as nncf keeps them: halves, from a zero of 128. Without a bias,
    the convolution is followed by a ReLU.
    """
    pixels = operations.parameter([1, 2, 3, 4, 4], np.float32)
    channels_first = operations.transpose(pixels, np.array([0, 2, 1, 3, 4]))
    ones = [1, 1, 1]
    kernel = operations.constant(weights)
    if weights.dtype == np.uint8:
        zero = operations.constant(np.float32(128))
        centred = operations.subtract(operations.convert(kernel, "f32"), zero)
        kernel = operations.multiply(centred, operations.constant(np.float32(0.5)))
    output = operations.convolution(channels_first, kernel, ones, [0, 0, 0], [0, 0, 0], ones)
    if bias is None:
        output = operations.relu(output)
    else:
        output = operations.add(output, operations.constant(bias))
    return openvino.Model([output], [pixels], "convolution")


def logits_over_time(values: np.ndarray) -> np.ndarray:
    """Apply the network's architecture table to one channel, in time only.

    It is linear with positive weights, so everything that a logit sees leaves a trace in it.
    """
    for stage in STAGES:
        branches = stage.branches if isinstance(stage, Mixed) else ((stage,),)
        values = sum(
            reduce(lambda row, each: _window(row, each.kernel[0], each.stride[0]), branch, values)
            for branch in branches
        )
    if len(values) < AVERAGE_POOL[0]:
        return np.empty(0)
    return np.convolve(values, np.ones(AVERAGE_POOL[0]), "valid")


def _window(values: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Average as TensorFlow does, with the asymmetric padding of SAME."""
    length = -(-len(values) // stride)
    total = max(0, (length - 1) * stride + kernel - len(values))
    padded = np.pad(values, (total // 2, total - total // 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel)[::stride]
    # So that frames of zeros differ from padding.
    return windows.mean(axis=1) + 0.1
