"""A chunk needs a few frames of the chunk before, and what each layer carries over."""

from __future__ import annotations

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.architecture import STAGES
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.positions import with_positions_as_output
from i3d_rgb_tf.ir.streaming import make_streaming
from networks import count_nodes, infer_in_f32, max_pool, small_positions

pytestmark = pytest.mark.slow

_COMPILING = {"INFERENCE_PRECISION_HINT": "f32"}


def chunks_of(video, exists, num_frames, num_repeated, history):
    """Yield the first two inputs for each chunk, with nothing before the first frame."""
    padded = np.concatenate([np.zeros((num_repeated, *video.shape[1:]), np.float32), video])
    known = np.concatenate([np.zeros(history, np.float32), np.float32(exists)])
    for start in range(0, len(video), num_frames):
        frames = padded[start : start + num_repeated + num_frames]
        yield np.float32(frames[np.newaxis]), known[start : start + history + num_frames]


def infer_chunks(model, video, exists, num_frames):
    """Return the rows of a video whose length is a multiple of a chunk's."""
    compiled = openvino.Core().compile_model(model, "CPU", _COMPILING)
    before = compiled.input(0).shape[1] - num_frames, compiled.input(1).shape[0] - num_frames
    carried = [np.zeros(each.shape, np.float32) for each in compiled.inputs[2:]]
    rows = []
    for frames, known in chunks_of(video, exists, num_frames, *before):
        results = compiled([frames, known, *carried])
        found, *carried = (results[output].copy() for output in compiled.outputs)
        rows.append(found[0])
    return np.concatenate(rows)


def noise(num_frames):
    return np.random.default_rng(0).integers(0, 256, (num_frames, 8, 10, 3)).astype(np.float32)


def one_pass(video):
    model = small_positions(len(video))
    return infer_in_f32(model, video.transpose(0, 3, 1, 2)[np.newaxis])[0][0]


def test_the_interface_of_a_chunk():
    model = make_streaming(small_positions(79), 80)

    frames, exists, *carried = model.inputs
    rows, *after = model.outputs
    assert list(frames.shape) == [1, 86, 8, 10, 3]
    assert list(exists.shape) == [136]
    assert list(rows.shape) == [1, 10, 12]
    assert [list(each.shape) for each in carried] == [list(each.shape) for each in after]
    assert carried
    assert {each.element_type for each in (*model.inputs, *model.outputs)} == {openvino.Type.f32}


def test_the_interface_of_a_chunk_of_the_real_network(model_root, spec):
    model = read_ir(spec.ir_path(model_root, "FP16"))
    with_positions_as_output(model)

    model = make_streaming(model, 80)

    assert list(model.input(0).shape) == [1, 86, 224, 224, 3]
    assert list(model.input(1).shape) == [136]
    assert list(model.output(0).shape) == [1, 10, 1424]
    assert [each.shape for each in model.inputs[2:]] == [each.shape for each in model.outputs[1:]]


@pytest.mark.parametrize("num_frames", [16, 48, 128])
def test_rows_lag_by_seven_positions(num_frames):
    video = noise(240)
    chunk = make_streaming(small_positions(79), num_frames)

    frames, exists = np.concatenate([video, noise(144)]), [1] * 240 + [0] * 144
    rows = infer_chunks(chunk, frames, exists, num_frames)

    expected = one_pass(video)
    assert len(expected) == 29
    np.testing.assert_allclose(
        rows[7 : 7 + 29], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max()
    )


def test_frames_that_the_video_does_not_have_are_not_seen():
    video, exists = noise(160), np.repeat([0, 1, 0, 1, 0], [3, 60, 13, 20, 64])
    chunk = make_streaming(small_positions(79), 80)

    rows = [
        infer_chunks(chunk, np.where(exists[:, None, None, None] > 0, video, level), exists, 80)
        for level in (0, 100, 1e6)
    ]

    assert np.array_equal(rows[0], rows[1])
    assert np.array_equal(rows[0], rows[2])


def test_what_is_carried_over_does_not_grow_with_the_chunk():
    sizes = [
        [list(each.shape) for each in make_streaming(small_positions(79), num_frames).inputs[2:]]
        for num_frames in (16, 80, 160)
    ]

    assert sizes[0] == sizes[1] == sizes[2]


def test_every_layer_that_reads_several_frames_carries_some_over():
    model = make_streaming(small_positions(79), 80)

    pads = [
        node.get_attributes()[side][0]
        for node in model.get_ops()
        if node.get_type_name() in ("Convolution", "MaxPool", "AvgPool")
        for side in ("pads_begin", "pads_end")
    ]
    assert pads
    assert set(pads) == {0}
    kinds = count_nodes(model)
    assert kinds["Convolution"] == 57
    assert kinds["MaxPool"] == 13
    assert len(STAGES) == 16


def test_the_network_that_is_given_may_be_for_any_number_of_frames():
    video = noise(160)
    rows = [
        infer_chunks(make_streaming(small_positions(count), 80), video, [1] * 160, 80)
        for count in (79, 80, 16)
    ]

    assert np.array_equal(rows[0], rows[1])
    assert np.array_equal(rows[0], rows[2])


# Quantized networks.


def quantized(source, scale=1.0):
    """Round to 256 levels, a power of two apart: what is computed with them is exact."""
    low, high = np.float32(0), np.float32(255 * scale)
    return operations.fake_quantize(source, low, high, low, high, 256).output(0)


def quantized_convolution(random, source, num_outputs, kernel, strides=(1, 1, 1)):
    """Return a convolution with weights of 8 bits, a bias, a ReLU and 256 levels."""
    num_inputs = source.get_partial_shape()[1].get_length()
    weights = random.integers(-127, 128, (num_outputs, num_inputs, *kernel)).astype(np.int8)
    floats = operations.convert(operations.constant(weights), "f32")
    floats = operations.multiply(floats, np.float32(2**-7))
    zeros, ones = [0] * 3, [1] * 3
    made = operations.convolution(source, floats, strides, zeros, zeros, ones, "same_upper")
    bias = random.integers(0, 2**7, (1, num_outputs, 1, 1, 1)).astype(np.float32)
    return quantized(operations.relu(operations.add(made, operations.constant(bias))), scale=4)


def quantized_network(num_frames):
    """Return a network in whose branches frames of 8 bits lag by different numbers of frames."""
    random = np.random.default_rng(0)
    pixels = operations.parameter([1, num_frames, 8, 8, 3], np.float32)
    net = quantized(operations.transpose(pixels, np.array([0, 4, 1, 2, 3])))
    net = quantized_convolution(random, net, 8, (7, 7, 7), (2, 2, 2))
    net = max_pool(net, (1, 3, 3))
    branches = [
        quantized_convolution(random, net, 4, (1, 1, 1)),
        quantized_convolution(
            random, quantized_convolution(random, net, 4, (1, 1, 1)), 4, (3, 3, 3)
        ),
        quantized_convolution(random, max_pool(net, (3, 3, 3)), 4, (1, 1, 1)),
    ]
    net = operations.concat(branches, 1).output(0)
    net = max_pool(net, (3, 3, 3), (2, 1, 1))
    net = quantized_convolution(random, net, 8, (3, 3, 3))
    net = max_pool(net, (2, 2, 2), (2, 1, 1))
    zeros = [0] * 3
    net = operations.avg_pool(net, [1] * 3, zeros, zeros, [2, 4, 4], exclude_pad=False)
    rows = operations.transpose(net, np.array([0, 2, 1, 3, 4]))
    rows = operations.reshape(rows, np.array([1, -1, 8]), special_zero=False)
    return openvino.Model([rows], [pixels], "quantized")


@pytest.mark.parametrize("num_frames", [16, 48, 80])
def test_a_quantized_network_gives_exactly_the_same(num_frames):
    video = np.random.default_rng(1).integers(0, 256, (240, 8, 8, 3)).astype(np.float32)
    (expected,) = infer_in_f32(quantized_network(240), video[np.newaxis])
    assert len(np.unique(expected)) > 100

    frames, exists = np.concatenate([video, video]), [1] * 240 + [0] * 240
    chunk = make_streaming(quantized_network(80), num_frames)
    rows = infer_chunks(chunk, frames, exists, num_frames)

    lag = (chunk.input(1).shape[0] - num_frames) // 8
    assert np.array_equal(rows[lag : lag + expected.shape[1]], expected[0])


@pytest.mark.parametrize("num_frames", [None, 80])
def test_the_convolutions_of_a_quantized_network_read_integers(num_frames):
    model = quantized_network(80)
    model = make_streaming(model, num_frames) if num_frames else model

    compiled = openvino.Core().compile_model(model, "CPU", _COMPILING)

    types = [
        node.get_rt_info()["runtimePrecision"].value
        for node in compiled.get_runtime_model().get_ops()
        if node.get_rt_info()["layerType"].value == "Convolution"
    ]
    assert len(types) == 6
    assert set(types) <= {"u8", "i8"}
