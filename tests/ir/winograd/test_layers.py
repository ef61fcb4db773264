"""Each kind of layer gives the same over batches of frames as over the video.

The networks are plain OpenVINO on one side, and rewritten on the other. Frames are narrow, but
have the heights of the table of tilings.
"""

from __future__ import annotations

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest
from openvino import opset1

from i3d_rgb_tf.ir.winograd.rewrite import rewrite
from i3d_rgb_tf.ir.winograd.tilings import TILINGS, Tiling
from networks import RandomLayers, count_nodes, largest_difference, max_pool

pytestmark = pytest.mark.slow

WIDTH = 5
TOLERANCE = 3e-5
"""Of the maximum of an output. The pixels have two signs and are few, so rounding is not averaged
over many channels as in the network; anything wrong differs by more than 1e-3."""

each_number = pytest.mark.parametrize(
    "num_frames",
    [9, 16, 17, *(pytest.param(number, marks=pytest.mark.slow) for number in (23, 40, 79, 80))],
)
each_height = pytest.mark.parametrize("height", [7, 14, 28, 56, 112])


def network(build, num_frames=17, height=28, width=WIDTH, channels=2):
    """Return a model of the layers that `build` makes from random layers and the pixels."""
    pixels = operations.parameter([1, channels, num_frames, height, width], np.float32)
    outputs = build(RandomLayers(), pixels)
    return openvino.Model(np.atleast_1d(outputs).tolist(), [pixels], "layers")


def enough_channels(height):
    """Return how many channels a layer needs to be computed by tiles."""
    return max(2, TILINGS[height].least_channels) if height in TILINGS else 2


def random_pixels(model):
    shape = model.input(0).get_shape()
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def assert_rewritten(model):
    """Compare a network with the rewritten one, in which nothing reads 3-D windows."""
    rewritten = assert_same(model)
    windows = [
        node
        for node in rewritten.get_ops()
        if node.get_type_name() in ("Convolution", "MaxPool") and len(node.output(0).shape) == 5
    ]
    assert windows == []
    return rewritten


def assert_same(model):
    """Compare a network with the rewritten one, which may be the same."""
    rewritten = rewrite(model)
    assert largest_difference(model, rewritten, random_pixels(model)) <= TOLERANCE
    return rewritten


# Convolutions.


@each_number
def test_convolutions_over_time(num_frames):
    def build(layers, pixels):
        return layers.unit(layers.unit(layers.unit(pixels, 3), 2, (1, 1, 1)), 3)

    assert_rewritten(network(build, num_frames))


@pytest.mark.parametrize("num_frames", [16, 23])
@each_height
def test_convolutions_over_time_of_every_resolution(height, num_frames):
    channels = enough_channels(height)

    def build(layers, pixels):
        return layers.unit(layers.unit(pixels, channels), 2)

    assert_rewritten(network(build, num_frames, height, channels=channels))


@pytest.mark.parametrize("num_frames", [7, 17])
@pytest.mark.parametrize("at_once", [None, 1, 2])
@pytest.mark.parametrize("frames", [2, 4, 8])
def test_tiles_of_any_size(frames, at_once, num_frames, monkeypatch):
    # Whatever the table has now. The pool reads from one tiling to another.
    monkeypatch.setitem(TILINGS, 28, Tiling(frames, at_once))

    def build(layers, pixels):
        inner = layers.unit(layers.unit(pixels, 2), 3)
        return layers.unit(max_pool(inner, (3, 3, 3), (2, 2, 2)), 2)

    assert_rewritten(network(build, num_frames))


@pytest.mark.parametrize("num_frames", [1, 2, 5])
@pytest.mark.parametrize("height", [7, 14, 28, 112])
def test_a_video_shorter_than_a_tile(height, num_frames):
    channels = enough_channels(height)

    def build(layers, pixels):
        return max_pool(layers.unit(layers.unit(pixels, channels), 2), (3, 3, 3), (2, 2, 2))

    assert_rewritten(network(build, num_frames, height, channels=channels))


@pytest.mark.parametrize("kernel", [(1, 1, 1), (1, 3, 3), (3, 1, 1), (3, 5, 1), (3, 2, 4)])
def test_a_kernel_of_any_size_in_space(kernel):
    def build(layers, pixels):
        return layers.unit(pixels, 3, kernel)

    assert_rewritten(network(build))


@pytest.mark.parametrize("pads", [(0, 0), (0, 2), (2, 0), (2, 2)])
@pytest.mark.parametrize("height", [7, 112])
def test_any_padding_of_a_convolution_over_time(height, pads):
    before, after = pads

    def build(layers, pixels):
        pads = ((before, 1, 0), (after, 1, 2))
        return layers.convolution(pixels, 3, (3, 3, 3), pads=pads)

    assert_rewritten(network(build, height=height))


@pytest.mark.parametrize("pads", [(3, 0), (0, 3), (4, 1), (20, 20)])
@pytest.mark.parametrize("height", [28, 112])
def test_more_padding_than_the_kernel(height, pads):
    before, after = pads

    def build(layers, pixels):
        pads = ((before, 1, 1), (after, 1, 1))
        return layers.bias(layers.convolution(pixels, 3, (3, 3, 3), pads=pads))

    assert_same(network(build, height=height))


def test_a_stride_in_space():
    def build(layers, pixels):
        return layers.unit(pixels, 3, strides=(1, 2, 3))

    assert_rewritten(network(build, height=56))


@each_number
def test_the_first_convolution(num_frames):
    def build(layers, pixels):
        return layers.unit(pixels, 3, (7, 7, 7), (2, 2, 2))

    model = network(build, num_frames, height=224, width=10, channels=3)
    assert_rewritten(model)


@pytest.mark.parametrize("num_frames", [16, 17])
@pytest.mark.parametrize(
    ("length", "before", "after"),
    [(7, 2, 3), (7, 3, 3), (7, 0, 0), (7, 5, 6), (6, 2, 2), (6, 1, 0), (5, 1, 3), (5, 4, 1)],
)
def test_any_padding_of_a_convolution_with_a_stride_in_time(length, before, after, num_frames):
    def build(layers, pixels):
        pads = ((before, 2, 0), (after, 3, 0))
        return layers.convolution(pixels, 2, (length, 7, 3), (2, 2, 2), pads)

    assert_rewritten(network(build, num_frames, height=224))


@pytest.mark.parametrize(
    ("kernel", "strides", "pads", "dilations"),
    [
        ((3, 3, 3), (1, 1, 1), None, (2, 1, 1)),
        ((3, 3, 3), (1, 1, 1), None, (1, 2, 2)),
        ((5, 3, 3), (1, 1, 1), None, (1, 1, 1)),
        ((3, 3, 3), (2, 1, 1), None, (1, 1, 1)),
        ((7, 3, 3), (3, 1, 1), None, (1, 1, 1)),
        ((1, 1, 1), (2, 1, 1), None, (1, 1, 1)),
        ((1, 1, 1), (1, 1, 1), ((1, 0, 0), (2, 0, 0)), (1, 1, 1)),
    ],
)
def test_convolutions_of_other_networks(kernel, strides, pads, dilations):
    def build(layers, pixels):
        inner = layers.convolution(layers.unit(pixels, 2), 2, kernel, strides, pads, dilations)
        return layers.unit(inner, 3)

    assert_same(network(build))


# Biases.


@pytest.mark.parametrize(
    "shape",
    [(1, 2, 1, 1, 1), (1, 1, 1, 1, 1), (2, 1, 1, 1), (), (1, 1, 17, 1, 1), (1, 2, 1, 28, WIDTH)],
)
def test_a_sum_with_a_constant(shape):
    def build(layers, pixels):
        bias = operations.constant(layers.random.normal(size=shape).astype(np.float32))
        return layers.unit(operations.add(layers.unit(pixels, 2), bias).output(0), 2)

    assert_rewritten(network(build))


def test_a_sum_that_starts_with_its_constant():
    def build(layers, pixels):
        bias = operations.constant(np.float32([[[[[2]]], [[[-1]]]]]))
        return layers.unit(operations.add(bias, layers.unit(pixels, 2)).output(0), 2)

    assert_rewritten(network(build))


def test_a_sum_of_two_layers():
    def build(layers, pixels):
        one = layers.unit(pixels, 2)
        return layers.unit(operations.add(layers.unit(one, 2, (1, 1, 1)), one).output(0), 2)

    assert_rewritten(network(build))


# Pools.

POOLS = [
    ((1, 3, 3), (1, 2, 2)),
    ((3, 3, 3), (1, 1, 1)),
    ((3, 3, 3), (2, 2, 2)),
    ((2, 2, 2), (2, 2, 2)),
    ((5, 3, 1), (1, 1, 1)),
    ((2, 3, 3), (3, 1, 1)),
    ((1, 1, 1), (2, 1, 1)),
]


@pytest.mark.parametrize("num_frames", [16, 17])
@pytest.mark.parametrize(("kernel", "strides"), POOLS)
def test_the_padding_of_a_pool_is_no_zero(kernel, strides, num_frames):
    def build(layers, pixels):
        # Everything is negative, so that a zero would be the maximum.
        return max_pool(layers.bias(layers.convolution(pixels, 3, (3, 3, 3)), -30), kernel, strides)

    model = network(build, num_frames)
    assert_rewritten(model)
    assert count_nodes(model)["Relu"] == 0


@each_number
@pytest.mark.parametrize("kernel", [(2, 2, 2), (3, 3, 3)])
def test_a_pool_that_halves_any_number_of_frames(kernel, num_frames):
    def build(layers, pixels):
        return layers.unit(max_pool(layers.unit(pixels, 2), kernel, (2, 2, 2)), 3)

    assert_rewritten(network(build, num_frames))


@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 2, 2), (1, 2, 2)])
@each_height
def test_a_pool_between_convolutions_of_every_resolution(height, strides):
    def build(layers, pixels):
        return layers.unit(max_pool(layers.unit(pixels, 3), (3, 3, 3), strides), 2, (1, 1, 1))

    assert_rewritten(network(build, 17, height))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pads", [(0, 0), (1, 1), (0, 1), (1, 0), (2, 2)])
def test_any_padding_of_a_pool(pads, stride):
    before, after = pads

    def build(layers, pixels):
        inner = layers.bias(layers.convolution(pixels, 2, (1, 1, 1)), -30)
        sides = ((before, 1, 0), (after, 0, 1))
        return max_pool(inner, (3, 3, 3), (stride, 1, 2), sides)

    assert_rewritten(network(build))


@pytest.mark.parametrize(
    "options",
    [
        {"dilations": (2, 1, 1), "pads": ((2, 1, 1), (2, 1, 1))},
        {"dilations": (1, 2, 2), "pads": ((1, 2, 2), (1, 2, 2))},
        {"strides": (2, 2, 2), "pads": ((0, 0, 0), (0, 0, 0)), "rounding": "ceil"},
    ],
    ids=["dilated_in_time", "dilated_in_space", "rounded_up"],
)
def test_pools_of_other_networks(options):
    def build(layers, pixels):
        return layers.unit(max_pool(layers.unit(pixels, 2), (3, 3, 3), **options), 2)

    assert_same(network(build))


def test_a_pool_of_the_first_operation_set():
    def build(layers, pixels):
        sides = [1, 2, 2], [0, 0, 0], [0, 0, 0], [1, 2, 2]
        return opset1.max_pool(layers.unit(pixels, 2), *sides, "floor").output(0)

    assert_rewritten(network(build))


def test_the_places_of_the_maxima():
    def build(layers, pixels):
        pool = max_pool(layers.unit(pixels, 2), (3, 3, 3))
        return [pool, pool.get_node().output(1)]

    assert_same(network(build))


def test_a_known_layer_that_reads_the_places_of_the_maxima():
    def build(layers, pixels):
        pool = max_pool(layers.unit(pixels, 2), (3, 3, 3))
        return [pool, operations.relu(pool.get_node().output(1)).output(0)]

    assert_same(network(build))


# Concatenations.


def branches(layers, pixels):
    """Return branches of 1, 2, 3 and 4 channels, whose frames come in several orders."""
    inner = layers.unit(pixels, 2)
    return [
        layers.convolution(pixels, 1, (1, 1, 1)),
        max_pool(layers.convolution(pixels, 2, (1, 1, 1)), (3, 3, 3)),
        layers.convolution(inner, 3, (3, 3, 3)),
        layers.unit(inner, 4),
    ]


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("step", [1, -1])
def test_branches_are_joined_whatever_the_order_of_their_frames(first, step):
    def build(layers, pixels):
        parts = branches(layers, pixels)[::step]
        joined = operations.concat([*parts[first:], *parts[:first]], 1).output(0)
        return layers.unit(joined, 2, (1, 1, 1))

    assert_rewritten(network(build))


@pytest.mark.parametrize("num_frames", [9, 40])
@each_height
def test_branches_of_every_resolution_are_joined(height, num_frames):
    def build(layers, pixels):
        return operations.concat(branches(layers, pixels), 1).output(0)

    assert_rewritten(network(build, num_frames, height))


def test_a_branch_that_is_joined_twice():
    def build(layers, pixels):
        one, other = layers.unit(pixels, 2), layers.convolution(pixels, 3, (3, 3, 3))
        return layers.unit(operations.concat([one, other, one], 1).output(0), 2)

    assert_rewritten(network(build))


def test_a_branch_that_is_no_layer():
    def build(layers, pixels):
        joined = operations.concat([layers.unit(pixels, 2), pixels.output(0)], 1)
        return layers.unit(joined.output(0), 2)

    assert_rewritten(network(build))


@pytest.mark.parametrize("axis", [-4, 2, 3, 4, -1])
def test_other_axes_are_joined(axis):
    def build(layers, pixels):
        parts = [layers.unit(pixels, 2) for _ in range(2)]
        return layers.unit(operations.concat(parts, axis).output(0), 2, (1, 1, 1))

    assert_rewritten(network(build))


# Parts of a video, as in the network for chunks.


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 17), (0, 9), (3, 17), (5, 6), (2, 15), (4, 1000), (0, 2**62)]
)
@pytest.mark.parametrize("height", [7, 28, 112])
def test_some_frames_in_a_row(height, start, stop):
    def build(layers, pixels):
        inner = layers.unit(pixels, 2)
        part = operations.slice(inner, [start], [stop], [1], [2]).output(0)
        return layers.unit(part, 2)

    assert_rewritten(network(build, height=height))


def test_a_part_of_a_part():
    def build(layers, pixels):
        part = operations.slice(layers.unit(pixels, 2), [2], [16], [1], [2])
        part = operations.slice(part, [3], [12], [1], [2])
        return layers.unit(part, 2)

    assert_rewritten(network(build))


@pytest.mark.parametrize(
    ("start", "stop", "step", "axis"),
    [
        *[(0, 17, 2, 2), (16, 0, -1, 2), (-9, -2, 1, 2), (2, 9, 1, -3)],
        *[(1, 4, 1, 1), (3, 20, 1, 3), (0, 3, 1, 4)],
    ],
)
def test_other_slices(start, stop, step, axis):
    def build(layers, pixels):
        part = operations.slice(layers.unit(pixels, 4), [start], [stop], [step], [axis])
        return layers.unit(part, 2, (1, 1, 1))

    assert_rewritten(network(build))


def test_slices_without_axes_and_of_several():
    def build(layers, pixels):
        inner = layers.unit(pixels, 4)
        one = operations.slice(inner, [0, 0, 3], [1, 4, 9], [1, 1, 1])
        other = operations.slice(inner, [3, 1], [9, 9], [1, 1], [2, 3])
        return [layers.unit(one, 2, (1, 1, 1)), layers.unit(other, 2, (1, 1, 1))]

    assert_rewritten(network(build))


def test_a_slice_after_the_end_stays():
    def build(layers, pixels):
        inner = layers.unit(pixels, 2)
        return [inner, operations.slice(inner, [17], [20], [1], [2]).output(0)]

    model = network(build)
    assert list(rewrite(model).output(1).shape) == list(model.output(1).shape)


@pytest.mark.parametrize("num_carried", [1, 2, 7])
@pytest.mark.parametrize("place", ["before", "after", "on both sides"])
@pytest.mark.parametrize("height", [7, 28, 112])
def test_frames_of_another_video_on_the_sides(height, place, num_carried):
    def build(layers, pixels):
        inner = layers.unit(pixels, 2)
        shape = [1, 2, num_carried, *inner.get_shape()[3:]]
        other = operations.constant(np.random.default_rng(2).normal(size=shape).astype(np.float32))
        parts = {
            "before": [other, inner],
            "after": [inner, other],
            "on both sides": [other, inner, other],
        }
        return layers.unit(operations.concat(parts[place], 2), 2)

    assert_rewritten(network(build, height=height))


def test_two_videos_after_each_other():
    def build(layers, pixels):
        one = layers.unit(pixels, 2)
        other = layers.unit(one, 2)
        joined = operations.concat([other, one, other], 2)
        return layers.unit(operations.slice(joined, [5], [40], [1], [2]), 2)

    assert_rewritten(network(build))


def scaled_network(shape, *, first=False, num_frames=17, height=28):
    """Return a network in which frames are multiplied by its second input."""
    factors = operations.parameter(list(shape), np.float32)

    def build(layers, pixels):
        inner = layers.unit(pixels, 2)
        operands = (factors, inner) if first else (inner, factors)
        return layers.unit(operations.multiply(*operands), 2)

    pixels = operations.parameter([1, 2, num_frames, height, WIDTH], np.float32)
    return openvino.Model([build(RandomLayers(), pixels)], [pixels, factors], "scaled")


def assert_scaled(model, factors):
    rewritten = rewrite(model)
    inputs = random_pixels(model), np.float32(factors).reshape(model.input(1).get_shape())
    assert largest_difference(model, rewritten, *inputs) <= TOLERANCE
    return rewritten


@pytest.mark.parametrize("num_frames", [16, 17, 41])
@pytest.mark.parametrize("height", [7, 28, 56, 112])
def test_each_frame_is_multiplied_by_a_number(height, num_frames):
    model = scaled_network((1, 1, num_frames, 1, 1), num_frames=num_frames, height=height)

    rewritten = assert_scaled(model, np.arange(num_frames) - 3.5)

    # They stay frames: nothing is put into the order of time between the layers.
    windows = [each for each in rewritten.get_ops() if each.get_type_name() == "Multiply"]
    assert {len(each.output(0).get_shape()) for each in windows} == {4}


def test_frames_that_the_video_does_not_have_become_zero():
    exist = np.repeat([0, 1, 0, 1], [3, 6, 3, 5])

    assert_scaled(scaled_network((1, 1, 17, 1, 1)), exist)


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        *[((1, 1, 17, 1, 1), True), ((1, 1, 1, 1, 1), False), ((1, 2, 1, 1, 1), False)],
        *[((1, 2, 17, 1, 1), False), ((17, 1, 1), False), ((1, 1, 17, 28, WIDTH), False)],
    ],
    ids=str,
)
def test_other_products(shape, first):
    model = scaled_network(shape, first=first)

    assert_scaled(model, np.random.default_rng(3).normal(size=shape))


# Other operations in the middle.


@pytest.mark.parametrize(
    "operation",
    [
        operations.sigmoid,
        lambda inner: operations.multiply(inner, np.float32(-2)),
        lambda inner: operations.reverse_sequence(
            inner, operations.constant(np.array([9])), batch_axis=0, seq_axis=2
        ),
        lambda inner: operations.avg_pool(
            inner, (1, 1, 1), (1, 1, 1), (1, 1, 1), (3, 3, 3), exclude_pad=True
        ),
        lambda inner: operations.transpose(inner, np.array([0, 2, 1, 3, 4])),
    ],
    ids=["sigmoid", "multiply", "reverse", "average", "transpose"],
)
@pytest.mark.parametrize("height", [28, 112])
def test_an_operation_that_is_not_of_the_network(height, operation):
    def build(layers, pixels):
        return layers.convolution(operation(layers.unit(pixels, 3)), 2, (3, 3, 3))

    assert_rewritten(network(build, height=height))
