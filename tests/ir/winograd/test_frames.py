"""Frames are found in their batches, whatever the order, and neighbours are read without copies."""

from __future__ import annotations

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.ir.winograd.frames import (
    Batch,
    Frames,
    arrange,
    follow,
    join_frames,
    part,
    split_frames,
    take,
)
from i3d_rgb_tf.ir.winograd.graph import Graph, constant_integers, constant_value
from networks import count_nodes, infer_in_f32

MAP_SHAPE = (2, 3, 4)
"""Channels, height and width."""
NUM_FRAMES = 7
VIDEO = np.random.default_rng(0).normal(size=(NUM_FRAMES, *MAP_SHAPE)).astype(np.float32)
ONE_BATCH = ((0, 4, 1, 5, 2, 6, 3, 7),)
"""Phase by phase, with a frame that the video does not have."""
SEVERAL_BATCHES = ((0, 2, 1, 3), (4, 6), (5, 7))
NOT_A_FRAME = np.float32(1e6)
"""Fills the maps of frames that the video does not have: nobody may read them."""

each_batching = pytest.mark.parametrize("orders", [ONE_BATCH, SEVERAL_BATCHES])


def maps_of(order):
    """Return what a batch holds."""
    maps = [
        VIDEO[frame] if 0 <= frame < NUM_FRAMES else np.full(MAP_SHAPE, NOT_A_FRAME)
        for frame in order
    ]
    return np.stack(maps).astype(np.float32)


def make_frames(orders):
    """Return parameters, one for each batch, and the frames in them."""
    parameters = [operations.parameter([len(order), *MAP_SHAPE], np.float32) for order in orders]
    batches = tuple(
        Batch(parameter.output(0), order)
        for parameter, order in zip(parameters, orders, strict=True)
    )
    return parameters, Frames(batches, NUM_FRAMES)


def model_of(output, parameters):
    """Return a model with an output, which may be a parameter itself."""
    return openvino.Model([operations.result(output)], parameters, "frames")


def expected_maps(wanted):
    zeros = np.zeros(MAP_SHAPE, np.float32)
    return np.stack([VIDEO[each] if 0 <= each < NUM_FRAMES else zeros for each in wanted])


@each_batching
@pytest.mark.parametrize(
    "wanted",
    [
        [0],
        [6],
        [0, 4, 1, 5],
        [5, 2, 6, 3],
        [3, 6, 2, 5],
        [2, 2, 2],
        list(range(NUM_FRAMES)),
        [-1, 0],
        [-8, -4, 0, 4],
        [3, 7],
        [3, 7, 11],
        [-2, -1, 0, 1, 2],
        [0, -1, 1, 99, 2],
        [0, -1, -2, 1],
        [-1, 6, 7],
        [7, 0],
    ],
)
def test_any_frames_are_taken_and_others_are_zeros(wanted, orders):
    parameters, frames = make_frames(orders)

    output = take(Graph(), frames, wanted)

    (found,) = infer_in_f32(model_of(output, parameters), *map(maps_of, orders))
    np.testing.assert_array_equal(found, expected_maps(wanted))


@each_batching
@pytest.mark.parametrize("wanted", [[-1], [7], [-16, -8, 8, 16], []])
def test_frames_that_are_all_zeros_are_none(wanted, orders):
    _, frames = make_frames(orders)

    assert take(Graph(), frames, wanted) is None


@pytest.mark.parametrize(
    ("orders", "wanted", "slices", "concats"),
    [
        (ONE_BATCH, [0, 4], 1, 0),
        (ONE_BATCH, [4, 1, 5, 2, 6], 1, 0),
        (ONE_BATCH, [0, 1], 2, 1),
        (ONE_BATCH, [4, 0], 2, 1),
        (ONE_BATCH, [-8, -4, 0, 4], 1, 1),
        (ONE_BATCH, [2, 2], 2, 1),
        (SEVERAL_BATCHES, [0, 2, 1, 3], 0, 0),
        (SEVERAL_BATCHES, [4, 6], 0, 0),
        # All of one batch and a part of the next.
        (SEVERAL_BATCHES, [0, 2, 1, 3, 4], 1, 1),
        (SEVERAL_BATCHES, [1, 3, 4, 6], 1, 1),
    ],
)
def test_neighbours_are_read_as_one(orders, wanted, slices, concats):
    parameters, frames = make_frames(orders)

    model = model_of(take(Graph(), frames, wanted), parameters)

    nodes = count_nodes(model)
    assert (nodes["Slice"], nodes["Concat"]) == (slices, concats)


def test_zeros_that_are_neighbours_are_one_constant():
    parameters, frames = make_frames(ONE_BATCH)
    graph = Graph()

    output = graph.concat([take(graph, frames, wanted) for wanted in ([-2, -1, 0], [3, 7, 9])])

    model = model_of(output, parameters)
    maps = [node for node in model.get_ops() if tuple(node.output(0).get_shape()) == (2, 2, 3, 4)]
    assert [node.get_type_name() for node in maps] == ["Constant"]


@each_batching
@pytest.mark.parametrize(
    "wanted",
    [[(0, 1, 2, 3, 4, 5, 6)], [(6, 4, 2), (0, 7, 8), (5, 3, 1)], [(0, 2, 1, 3), (4, 6, 5)]],
)
def test_frames_are_arranged_in_batches_of_other_orders(wanted, orders):
    parameters, frames = make_frames(orders)

    arranged = arrange(Graph(), frames, wanted)

    assert [batch.order for batch in arranged.batches] == wanted
    assert arranged.count == NUM_FRAMES
    for batch in arranged.batches:
        model = model_of(batch.maps, parameters)
        (found,) = infer_in_f32(model, *map(maps_of, orders))
        np.testing.assert_array_equal(found, expected_maps(batch.order))


@each_batching
def test_frames_in_their_order_stay_as_they_are(orders):
    _, frames = make_frames(orders)

    assert arrange(Graph(), frames, list(orders)) is frames


@each_batching
def test_batches_are_joined_to_a_video_in_the_order_of_time(orders):
    parameters, frames = make_frames(orders)

    model = model_of(join_frames(Graph(), frames), parameters)

    (found,) = infer_in_f32(model, *map(maps_of, orders))
    np.testing.assert_array_equal(found, VIDEO.transpose(1, 0, 2, 3)[np.newaxis])


def test_a_video_is_split_into_frames_and_joined_again():
    channels, height, width = MAP_SHAPE
    pixels = operations.parameter([1, channels, NUM_FRAMES, height, width], np.float32)
    graph = Graph()

    frames = split_frames(graph, pixels.output(0))
    joined = join_frames(graph, frames)

    (batch,) = frames.batches
    assert (batch.order, frames.count) == (tuple(range(NUM_FRAMES)), NUM_FRAMES)
    assert frames.map_shape == MAP_SHAPE
    video = VIDEO.transpose(1, 0, 2, 3)[np.newaxis]
    model = openvino.Model([batch.maps, joined], [pixels], "split")
    split, again = infer_in_f32(model, video)
    np.testing.assert_array_equal(split, VIDEO)
    np.testing.assert_array_equal(again, video)


@each_batching
def test_an_operation_is_applied_to_every_batch(orders):
    parameters, frames = make_frames(orders)
    graph = Graph()

    model = model_of(join_frames(graph, frames.apply(graph.operations.relu)), parameters)

    assert count_nodes(model)["Relu"] == len(orders)
    (found,) = infer_in_f32(model, *map(maps_of, orders))
    np.testing.assert_array_equal(found, np.maximum(VIDEO.transpose(1, 0, 2, 3)[np.newaxis], 0))


@each_batching
@pytest.mark.parametrize(("start", "stop"), [(0, NUM_FRAMES), (0, 3), (2, NUM_FRAMES), (3, 4)])
def test_a_part_of_a_video_begins_at_0_anew(orders, start, stop):
    parameters, frames = make_frames(orders)
    graph = Graph()

    found = part(frames, start, stop)

    assert found.count == stop - start
    model = model_of(join_frames(graph, found), parameters)
    (joined,) = infer_in_f32(model, *map(maps_of, orders))
    np.testing.assert_array_equal(joined, VIDEO[start:stop].transpose(1, 0, 2, 3)[np.newaxis])


@each_batching
def test_a_part_copies_nothing(orders):
    _, frames = make_frames(orders)

    found = part(frames, 2, 5)

    assert [batch.maps for batch in found.batches] == [batch.maps for batch in frames.batches]


@pytest.mark.parametrize(
    "parts", [[(0, 7)], [(0, 7), (0, 7)], [(4, 7), (0, 4)], [(5, 6), (0, 7), (2, 3)]]
)
@each_batching
def test_videos_that_follow_each_other_are_one(orders, parts):
    parameters, frames = make_frames(orders)
    graph = Graph()

    found = follow(part(frames, *span) for span in parts)

    expected = np.concatenate([VIDEO[start:stop] for start, stop in parts])
    assert found.count == len(expected)
    model = model_of(join_frames(graph, found), parameters)
    (joined,) = infer_in_f32(model, *map(maps_of, orders))
    np.testing.assert_array_equal(joined, expected.transpose(1, 0, 2, 3)[np.newaxis])


# Constants.


def test_equal_constants_are_one_node():
    graph = Graph()

    assert graph.constant(0.5) is graph.constant(np.float32(0.5))
    assert graph.integers(0, 2, 1) is graph.integers(0, 2, 1)
    assert graph.zeros((2, 3)).get_node().get_name() == graph.zeros((2, 3)).get_node().get_name()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0.5,), (0.25,)),
        (([0.5],), (0.5,)),
        ((np.zeros((2, 3)),), (np.zeros((3, 2)),)),
        # The same bytes.
        ((0,), (0, np.int32)),
    ],
)
def test_other_constants_are_other_nodes(one, other):
    graph = Graph()

    assert graph.constant(*one) is not graph.constant(*other)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_constant_has_a_value_in_any_precision(dtype):
    values = np.array([[0.5, -2, 3]], dtype)
    constant = operations.constant(values)

    for node in (constant, operations.convert(constant, "f32")):
        found = constant_value(node.output(0))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, values)


def test_a_constant_in_bfloat16_has_no_value():
    values = np.array([[0.5, -2, 3]], np.float32)
    constant = operations.constant(values, openvino.Type.bf16)

    # NumPy has no such type: its bytes must not be read as those of another.
    assert constant_value(operations.convert(constant, "f32").output(0)) is None


def test_other_nodes_have_no_value():
    parameter = operations.parameter([1], np.float32)

    for node in (parameter, operations.relu(parameter), operations.convert(parameter, "f32")):
        assert constant_value(node.output(0)) is None


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("values", [3, [3], [1, 2, 3]])
def test_a_constant_of_integers_has_values(dtype, values):
    constant = operations.constant(np.array(values, dtype))

    assert constant_integers(constant.output(0)) == np.ravel(values).tolist()


def test_other_nodes_have_no_integers():
    parameter = operations.parameter([1], np.int64)
    numbers = operations.constant(np.array([2.0], np.float32))

    for node in (parameter, operations.relu(parameter), numbers):
        assert constant_integers(node.output(0)) is None
