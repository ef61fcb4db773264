"""The rewritten network is the given one with fewer multiplications; others stay as they are."""

from __future__ import annotations

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.ir.winograd.rewrite import can_rewrite, rewrite
from i3d_rgb_tf.ir.winograd.tilings import TILINGS, Tiling
from networks import (
    RandomLayers,
    count_nodes,
    infer_in_f32,
    largest_difference,
    max_pool,
    small_i3d,
)

TOLERANCE = 3e-5
"""Of the maximum of an output, for few channels and pixels of two signs."""


def random_pixels(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def one_layer(num_frames=8, height=28, shape=None, channels=2, name=None):
    """Return a model of a 3x3x3 convolution with its bias and ReLU."""
    pixels = operations.parameter(shape or [1, channels, num_frames, height, 5], np.float32)
    output = RandomLayers().unit(pixels, 3)
    if name:
        output.get_tensor().set_names({name})
    return openvino.Model([output], [pixels], "layer")


def as_file(model, folder):
    """Return the bytes of the IR of a model."""
    paths = folder / "model.xml", folder / "model.bin"
    openvino.serialize(model, *paths)
    return [path.read_bytes() for path in paths]


def convolution_ranks(model):
    """Return the number of axes of each convolution's output."""
    return [
        node.output(0).get_partial_shape().rank.get_length()
        for node in model.get_ops()
        if node.get_type_name() == "Convolution"
    ]


# The network.


@pytest.mark.parametrize(
    "num_frames",
    [9, *(pytest.param(number, marks=pytest.mark.slow) for number in (16, 17, 23, 40, 79, 80))],
)
def test_the_network_has_the_same_results(num_frames):
    model = small_i3d(num_frames)

    rewritten = rewrite(model)

    pixels = random_pixels(*model.input(0).shape)
    assert largest_difference(model, rewritten, pixels) <= TOLERANCE
    assert set(convolution_ranks(rewritten)) == {4}


def test_weights_in_half_precision_have_the_same_results(tmp_path):
    path = tmp_path / "model.xml"
    openvino.save_model(small_i3d(9), path, compress_to_fp16=True)
    model = openvino.Core().read_model(path)
    assert count_nodes(model)["Convert"] > 0

    rewritten = rewrite(model)

    pixels = random_pixels(*model.input(0).shape)
    assert largest_difference(model, rewritten, pixels) <= TOLERANCE
    assert set(convolution_ranks(rewritten)) == {4}


def test_the_given_model_is_not_changed(tmp_path):
    model = small_i3d(9)
    before = as_file(model, tmp_path)

    rewritten = rewrite(model)

    assert as_file(model, tmp_path) == before
    assert as_file(rewritten, tmp_path) != before


def test_the_inputs_and_outputs_stay():
    pixels = operations.parameter([1, 2, 9, 28, 5], np.float32, name="Placeholder")
    pixels.output(0).get_tensor().set_names({"Placeholder", "Placeholder:0"})
    layers = RandomLayers()
    inner = layers.unit(pixels, 3)
    inner.get_tensor().set_names({"inner"})
    last = layers.unit(inner, 2)
    last.get_tensor().set_names({"last", "last:0"})
    model = openvino.Model([last, inner], [pixels], "named")

    rewritten = rewrite(model)

    for old, new in zip(
        [*model.inputs, *model.outputs], [*rewritten.inputs, *rewritten.outputs], strict=True
    ):
        assert new.names == old.names
        assert new.shape == old.shape
        assert new.element_type == old.element_type
    assert rewritten.get_friendly_name() == "named"
    assert rewritten.get_parameters()[0].friendly_name == "Placeholder"


def test_every_layer_can_be_an_output():
    layers = RandomLayers()
    pixels = operations.parameter([1, 2, 17, 28, 5], np.float32)
    convolution = layers.convolution(pixels, 3, (3, 3, 3))
    total = layers.bias(convolution)
    relu = operations.relu(total).output(0)
    pool = max_pool(relu, (3, 3, 3), (2, 2, 2))
    joined = operations.concat([pool, layers.unit(pool, 2)], 1).output(0)
    outputs = [joined, pool, relu, total, convolution, relu]
    model = openvino.Model(outputs, [pixels], "outputs")

    rewritten = rewrite(model)

    assert largest_difference(model, rewritten, random_pixels(1, 2, 17, 28, 5)) <= TOLERANCE
    assert set(convolution_ranks(rewritten)) == {4}


def test_a_layer_is_read_in_the_order_of_time_once():
    layers = RandomLayers()
    pixels = operations.parameter([1, 2, 17, 28, 5], np.float32)
    inner = layers.unit(pixels, 3)
    others = [operations.sigmoid(inner), operations.tanh(inner), operations.exp(inner)]
    model = openvino.Model([each.output(0) for each in others], [pixels], "readers")

    nodes = count_nodes(rewrite(model))

    # One to batches of frames, and one back.
    assert nodes["Transpose"] == 2


def test_a_rewritten_model_is_not_rewritten_again():
    rewritten = rewrite(small_i3d(9))

    assert not can_rewrite(rewritten)
    assert count_nodes(rewrite(rewritten)) == count_nodes(rewritten)


def test_the_rewritten_model_is_the_same_every_time(tmp_path):
    path = tmp_path / "network.xml"
    openvino.save_model(small_i3d(9), path)

    def rewritten_values():
        model = rewrite(openvino.Core().read_model(path))
        return [
            (node.get_type_name(), str(node.get_attributes()), shapes(node))
            for node in model.get_ordered_ops()
        ]

    def shapes(node):
        return [str(port.get_partial_shape()) for port in node.outputs()]

    assert rewritten_values() == rewritten_values()


# Multiplications.


def test_a_tile_of_8_frames_takes_10_convolutions(monkeypatch):
    monkeypatch.setitem(TILINGS, 28, Tiling(8))

    rewritten = rewrite(one_layer(8, 28))

    # Directly it takes 24: 3 taps for each frame.
    assert convolution_ranks(rewritten) == [4] * 10


@pytest.mark.parametrize("num_tiles", [1, 2, 5])
@pytest.mark.parametrize(("height", "tiling"), TILINGS.items())
def test_a_tile_takes_two_convolutions_more_than_its_frames(height, tiling, num_tiles):
    channels = max(2, tiling.least_channels)
    rewritten = rewrite(one_layer(num_tiles * tiling.frames, height, channels=channels))

    maps = [
        node.output(0).shape[0]
        for node in rewritten.get_ops()
        if node.get_type_name() == "Convolution"
    ]
    assert sum(maps) == num_tiles * (tiling.frames + 2)


def test_the_first_layer_takes_11_convolutions_for_8_frames():
    pixels = operations.parameter([1, 3, 16, 224, 10], np.float32)
    output = RandomLayers().unit(pixels, 4, (7, 7, 7), (2, 2, 2))

    rewritten = rewrite(openvino.Model([output], [pixels], "first"))

    kernels = [
        list(node.input_value(1).shape)
        for node in rewritten.get_ops()
        if node.get_type_name() == "Convolution"
    ]
    # Two frames of three channels are read as one of six.
    assert kernels == [[4, 6, 7, 7]] * 11


# Other models.


@pytest.mark.parametrize(
    "model",
    [
        one_layer(shape=[2, 2, 9, 28, 5]),
        one_layer(shape=[1, 2, -1, 28, 5]),
        one_layer(shape=[1, 2, openvino.Dimension(9, 80), 28, 5]),
        one_layer(shape=[-1, 2, 9, 28, 5]),
        one_layer(shape=[1, 2, 9, -1, -1]),
        one_layer(shape=[1, openvino.Dimension(-1, 2), 9, 28, 5]),
    ],
    ids=["two_videos", "frames", "range_of_frames", "videos", "sizes", "channels"],
)
def test_a_model_of_several_videos_or_of_changing_size_stays(model, tmp_path):
    rewritten = rewrite(model)

    assert not can_rewrite(model)
    assert as_file(rewritten, tmp_path) == as_file(model, tmp_path)
    sizes = (2 if model.input(0).partial_shape[0] == 2 else 1, 2, 9, 28, 5)
    assert largest_difference(model, rewritten, random_pixels(*sizes)) == 0


def kernel_that_is_computed(pixels):
    weights = operations.parameter([3, 2, 3, 3, 3], np.float32)
    return weights, operations.multiply(weights, np.float32(0.1))


def kernel_in_eight_bits(pixels):
    values = np.random.default_rng(0).integers(0, 256, (3, 2, 3, 3, 3)).astype(np.uint8)
    centred = operations.subtract(
        operations.convert(operations.constant(values), "f32"), np.float32(128)
    )
    return None, operations.multiply(centred, np.float32(0.01))


@pytest.mark.parametrize("kernel", [kernel_that_is_computed, kernel_in_eight_bits])
def test_a_kernel_that_is_not_a_constant_in_floating_point_stays(kernel, tmp_path):
    pixels = operations.parameter([1, 2, 9, 28, 5], np.float32)
    weights, value = kernel(pixels)
    ones = [1, 1, 1]
    output = operations.convolution(pixels, value, ones, ones, ones, ones)
    model = openvino.Model([output], [pixels, *([weights] if weights else [])], "kernel")

    assert not can_rewrite(model)
    assert as_file(rewrite(model), tmp_path) == as_file(model, tmp_path)


def test_a_kernel_in_bfloat16_has_the_same_results():
    pixels = operations.parameter([1, 2, 9, 28, 5], np.float32)
    values = np.random.default_rng(0).normal(size=(3, 2, 3, 3, 3)).astype(np.float32)
    kernel = operations.convert(operations.constant(values, openvino.Type.bf16), "f32")
    ones = [1, 1, 1]
    output = operations.convolution(pixels, kernel, ones, ones, ones, ones)
    model = openvino.Model([output], [pixels], "bfloat16")

    difference = largest_difference(model, rewrite(model), random_pixels(1, 2, 9, 28, 5))

    assert difference <= TOLERANCE


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_a_model_that_computes_in_another_precision_has_the_same_results(dtype):
    pixels = operations.parameter([1, 2, 9, 28, 5], np.float32)
    values = np.random.default_rng(0).normal(size=(3, 2, 3, 3, 3)).astype(dtype)
    kernel = operations.constant(values)
    ones = [1, 1, 1]
    inner = operations.convert(pixels, openvino.Type(dtype))
    convolution = operations.convolution(inner, kernel, ones, ones, ones, ones)
    output = operations.convert(operations.relu(convolution), "f32")
    model = openvino.Model([output], [pixels], "precision")

    difference = largest_difference(model, rewrite(model), random_pixels(1, 2, 9, 28, 5))

    assert difference <= TOLERANCE


@pytest.mark.parametrize("height", [6, 30, 57])
def test_frames_of_another_height_have_the_same_results(height):
    model = one_layer(17, height)

    difference = largest_difference(model, rewrite(model), random_pixels(1, 2, 17, height, 5))

    assert difference <= TOLERANCE


def test_a_model_of_images_stays(tmp_path):
    pixels = operations.parameter([1, 3, 28, 28], np.float32)
    kernel = operations.constant(np.ones((2, 3, 3, 3), np.float32))
    sides = [1, 1]
    output = operations.relu(operations.convolution(pixels, kernel, sides, sides, sides, sides))
    model = openvino.Model([output], [pixels], "images")

    assert not can_rewrite(model)
    assert as_file(rewrite(model), tmp_path) == as_file(model, tmp_path)


def test_a_model_without_convolutions_stays(tmp_path):
    pixels = operations.parameter([1, 3, 9, 28, 28], np.float32)
    output = max_pool(operations.relu(pixels), (3, 3, 3))
    model = openvino.Model([output], [pixels], "pool")

    assert not can_rewrite(model)
    assert as_file(rewrite(model), tmp_path) == as_file(model, tmp_path)


# Quantized models.


def fake_quantize(value):
    limits = [operations.constant(np.float32(limit)) for limit in (-4, 4, -4, 4)]
    return operations.fake_quantize(value, *limits, 256)


def fake_convert(value):
    return operations.fake_convert(value, operations.constant(np.float32(1)))


@pytest.mark.parametrize("quantize", [fake_quantize, fake_convert])
@pytest.mark.parametrize("where", ["input", "kernel", "output"])
def test_a_quantized_model_is_refused(where, quantize):
    pixels = operations.parameter([1, 2, 9, 28, 5], np.float32)
    kernel = operations.constant(np.ones((3, 2, 3, 3, 3), np.float32))
    ones = [1, 1, 1]
    source = quantize(pixels) if where == "input" else pixels
    weights = quantize(kernel) if where == "kernel" else kernel
    output = operations.convolution(source, weights, ones, ones, ones, ones)
    if where == "output":
        output = quantize(output)
    model = openvino.Model([output], [pixels], "quantized")

    assert not can_rewrite(model)
    with pytest.raises(ValueError, match="^the model is quantized, expected one in floating"):
        rewrite(model)


def test_the_same_model_in_floating_point_is_rewritten():
    assert can_rewrite(one_layer())
    assert can_rewrite(small_i3d(9))


@pytest.mark.slow
def test_a_model_that_nncf_quantized_is_refused():
    nncf = pytest.importorskip("nncf")
    model = one_layer()
    data = nncf.Dataset([random_pixels(1, 2, 8, 28, 5)])

    quantized = nncf.quantize(model, data, subset_size=1)

    assert can_rewrite(model)
    assert not can_rewrite(quantized)
    with pytest.raises(ValueError, match="quantized"):
        rewrite(quantized)
    assert infer_in_f32(quantized, random_pixels(1, 2, 8, 28, 5))[0].shape == (1, 3, 8, 28, 5)
