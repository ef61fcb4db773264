"""Small networks for the tests, each with one property of the real one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as operations

from i3d_rgb_tf.architecture import AVERAGE_POOL, STAGES, Conv, MaxPool, Mixed, Size
from i3d_rgb_tf.choices import Layout
from i3d_rgb_tf.ir.layouts import input_shape

_ONES: Size = (1, 1, 1)
_ZEROS: Size = (0, 0, 0)

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


def save_convolution_network(path: Path, *, quantized: bool = False) -> Path:
    """Save an IR with the inputs and outputs of the real network and its last 3x3x3 convolution.

    It sees the mean of each 32x32 pixels, so it is quick. The convolution is one of those that
    are rewritten.
    """
    rng = np.random.default_rng(0)
    ones, strides = [1, 1, 1], [1, 32, 32]
    pixels = operations.parameter([1, 79, 3, 224, 224], np.float32, name="Placeholder")
    net = operations.transpose(pixels, np.array([0, 2, 1, 3, 4]))
    # Without padding.
    net = operations.avg_pool(net, strides, [0, 0, 0], [0, 0, 0], strides, exclude_pad=False)
    if quantized:
        low, high = np.float32(0), np.float32(255)
        net = operations.fake_quantize(net, low, high, low, high, 256)
    kernel = rng.normal(scale=0.001, size=(4, 3, 3, 3, 3)).astype(np.float32)
    net = operations.convolution(net, operations.constant(kernel), ones, ones, ones, ones)
    bias = operations.constant(rng.normal(size=(1, 4, 1, 1, 1)).astype(np.float32))
    net = operations.relu(operations.add(net, bias))
    net = operations.reduce_mean(net, np.array([2, 3, 4]), keep_dims=False)
    weights = operations.constant(rng.normal(scale=3, size=(4, 400)).astype(np.float32))
    output = operations.softmax(operations.matmul(net, weights, False, False), 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(openvino.Model([output], [pixels], "small"), path, compress_to_fp16=False)
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


def infer_in_f32(model: openvino.Model, *inputs: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of a model that OpenVINO computes in float32."""
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled(inputs)
    return [results[output] for output in compiled.outputs]


def largest_difference(one: openvino.Model, other: openvino.Model, *inputs: np.ndarray) -> float:
    """Return by how much the outputs of two models differ, as a fraction of their maximum."""
    differences = []
    for expected, found in zip(
        infer_in_f32(one, *inputs), infer_in_f32(other, *inputs), strict=True
    ):
        assert found.shape == expected.shape
        difference = np.abs(np.float64(expected) - np.float64(found)).max()
        differences.append(float(difference / np.abs(expected).max()))
    return max(differences)


def count_nodes(model: openvino.Model) -> Counter[str]:
    """Return how many nodes of each type a model has."""
    return Counter(node.get_type_name() for node in model.get_ops())


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


@dataclass
class RandomLayers:
    """Makes layers of 3-D networks with random weights, from outputs or nodes to outputs."""

    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    positive: bool = False
    """Whether all weights are positive, so that whatever a layer reads leaves a trace."""

    def convolution(
        self,
        source: Any,
        num_outputs: int,
        kernel: Size,
        strides: Size = _ONES,
        pads: tuple[Size, Size] | None = None,
        dilations: Size = _ONES,
    ) -> Any:
        """Return a convolution that about keeps the variance; without paddings it has `SAME`."""
        num_inputs = _output(source).get_partial_shape()[1].get_max_length()
        shape = (num_outputs, num_inputs, *kernel)
        weights = self.random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        weights = np.abs(weights) if self.positive else weights
        constant = operations.constant(weights.astype(np.float32))
        sides = pads or (_ZEROS, _ZEROS)
        padding = "explicit" if pads else "same_upper"
        node = operations.convolution(source, constant, strides, *sides, dilations, padding)
        return node.output(0)

    def bias(self, source: Any, level: float = 0) -> Any:
        """Return the sum with a number for each channel."""
        num_channels = _output(source).get_partial_shape()[1].get_length()
        values = level + self.random.normal(size=(1, num_channels, 1, 1, 1))
        return operations.add(source, operations.constant(values.astype(np.float32))).output(0)

    def unit(
        self, source: Any, num_outputs: int, kernel: Size = (3, 3, 3), strides: Size = _ONES
    ) -> Any:
        """Return a convolution with a bias and a ReLU, as everywhere in the network."""
        convolution = self.convolution(source, num_outputs, kernel, strides)
        return operations.relu(self.bias(convolution)).output(0)


def max_pool(
    source: Any,
    kernel: Size,
    strides: Size = _ONES,
    pads: tuple[Size, Size] | None = None,
    dilations: Size = _ONES,
    rounding: str = "floor",
) -> Any:
    """Return the maxima of 3-D windows; without paddings they have `SAME`."""
    sides = pads or (_ZEROS, _ZEROS)
    padding = "explicit" if pads else "same_upper"
    node = operations.max_pool(source, strides, dilations, *sides, kernel, rounding, padding)
    return node.output(0)


def _output(source: Any) -> Any:
    """Return an output as it is, and the one of a node."""
    return source.output(0) if isinstance(source, openvino.Node) else source


def small_i3d(num_frames: int, width: int = 20) -> openvino.Model:
    """Return the network with 3 channels in each layer, for narrow frames of the usual height.

    Its input is (1, 3, frames, 224, width), its output what the last layer with a ReLU makes.
    """
    pixels = operations.parameter([1, 3, num_frames, 224, width], np.float32)
    output = _all_stages(RandomLayers(), pixels)
    return openvino.Model([output], [pixels], "small_i3d")


def _all_stages(layers: RandomLayers, output: Any, *, shrinks: bool = True) -> Any:
    """Return what the stages of the network make, with 3 channels in each layer.

    If they are not to make the frames smaller, they have no strides in space.
    """

    def apply(source: Any, layer: Conv | MaxPool) -> Any:
        strides = layer.stride if shrinks else (layer.stride[0], 1, 1)
        if isinstance(layer, MaxPool):
            return max_pool(source, layer.kernel, strides)
        return layers.unit(source, 3, layer.kernel, strides)

    for stage in STAGES:
        if isinstance(stage, Mixed):
            branches = [reduce(apply, branch, output) for branch in stage.branches]
            output = operations.concat(branches, 1).output(0)
        else:
            output = apply(output, stage)
    return output


def small_positions(
    num_frames: int, *, height: int = 8, width: int = 10, positive: bool = False
) -> openvino.Model:
    """Return the network of `small_i3d` up to its average pool, for small frames.

    Its input is (1, frames, 3, height, width), whose middle is 100; its output (1, positions, 12).
    """
    layers = RandomLayers(positive=positive)
    pixels = operations.parameter([1, num_frames, 3, height, width], np.float32)
    centred = operations.multiply(operations.subtract(pixels, np.float32(100)), np.float32(1 / 50))
    output = _all_stages(layers, operations.transpose(centred, np.array([0, 2, 1, 3, 4])))
    kernel = (AVERAGE_POOL[0], *(-(-side // 32) for side in (height, width)))
    pool = operations.avg_pool(output, _ONES, _ZEROS, _ZEROS, kernel, exclude_pad=False)
    rows = operations.reshape(
        operations.transpose(pool, np.array([0, 2, 1, 3, 4])), np.array([1, -1, 12]), False
    )
    return openvino.Model([rows], [pixels], "small_positions")


def save_small_i3d(path: Path, seed: int = 0) -> Path:
    """Save an IR with the inputs and outputs of the real network, and its layers in time.

    It sees the mean of each 32x32 pixels, and has few channels until the 1024 features.
    """
    layers = RandomLayers(np.random.default_rng(seed))
    strides = [1, 32, 32]
    pixels = operations.parameter([1, 79, 3, 224, 224], np.float32, name="Placeholder")
    centred = operations.multiply(operations.subtract(pixels, np.float32(100)), np.float32(1 / 50))
    net = operations.transpose(centred, np.array([0, 2, 1, 3, 4]))
    net = operations.avg_pool(net, strides, _ZEROS, _ZEROS, strides, exclude_pad=False)
    net = layers.unit(_all_stages(layers, net, shrinks=False), 1024, _ONES)
    pool = operations.avg_pool(net, _ONES, _ZEROS, _ZEROS, AVERAGE_POOL, exclude_pad=False)
    logits = layers.bias(layers.convolution(pool, 400, _ONES))
    rows = operations.squeeze(logits, np.array([3, 4]))
    output = operations.softmax(operations.reduce_mean(rows, np.array([2]), False), 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(openvino.Model([output], [pixels], "small"), path, compress_to_fp16=False)
    return path


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
