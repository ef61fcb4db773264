"""The operations of the network, over batches of frames.

Each function takes a node of the network and the frames that it reads, and returns the frames that
it makes, or None if it does not know such a node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from i3d_rgb_tf.ir.winograd.convolutions import Convolution
from i3d_rgb_tf.ir.winograd.frames import (
    Batch,
    Frames,
    Order,
    arrange,
    follow,
    part,
    split_frames,
    take,
)
from i3d_rgb_tf.ir.winograd.graph import Graph, constant_integers, constant_value
from i3d_rgb_tf.ir.winograd.tilings import TILINGS, frame_orders

__all__ = ["LAYERS", "Layer"]

_TIME = 2
"""Axis of (1, channels, frames, height, width)."""

Layer = Callable[[Graph, Any, Sequence[Frames | None]], Frames | None]


def _convolution(graph: Graph, node: Any, sources: Sequence[Frames | None]) -> Frames | None:
    frames, kernel = sources[0], constant_value(node.input_value(1))
    if frames is None or kernel is None:
        return None
    convolution = Convolution(graph, node, frames, kernel)
    tiling = TILINGS.get(convolution.height)
    if tiling and convolution.can_tile(tiling):
        return convolution.by_tiles(tiling)
    return convolution.directly(_orders(convolution.num_frames, convolution.height))


def _add(graph: Graph, node: Any, sources: Sequence[Frames | None]) -> Frames | None:
    """Return the sum of frames and of a number for each channel."""
    frames, bias = sources[0], constant_value(node.input_value(1))
    if frames is None or bias is None or bias.shape != (1, frames.map_shape[0], 1, 1, 1):
        return None
    values = graph.constant(bias[..., 0])
    return frames.apply(lambda maps: graph.operations.add(maps, values))


def _relu(graph: Graph, _: Any, sources: Sequence[Frames | None]) -> Frames | None:
    frames = sources[0]
    return frames and _in_order(graph, frames.apply(graph.operations.relu))


def _max_pool(graph: Graph, node: Any, sources: Sequence[Frames | None]) -> Frames | None:
    """Return the maxima of neighbouring frames, and pool these: with a stride they are fewer."""
    # The first version of the operation has no dilations.
    frames, attributes = sources[0], {"dilations": [1, 1, 1], **node.get_attributes()}
    is_usual = attributes["dilations"][0] == 1 and attributes["rounding_type"] == "floor"
    if frames is None or not is_usual:
        return None
    length, stride = attributes["kernel"][0], attributes["strides"][0]
    before = attributes["pads_begin"][0]
    _, _, count, height, _ = node.output(0).get_shape()

    def maxima(frames: Frames, order: Order) -> Batch:
        # The maximum of a window at an end is that of the frames it has there.
        windows = (
            [_clamp(stride * frame - before + place, frames.count) for frame in order]
            for place in range(length)
        )
        result, *others = (take(graph, frames, window) for window in windows)
        for each in others:
            result = graph.operations.maximum(result, each).output(0)
        return Batch(result, order)

    if length > 1 or stride > 1:
        batches = (maxima(frames, order) for order in _orders(count, height))
        frames = Frames(tuple(batches), count)
    names = "strides", "dilations", "pads_begin", "pads_end", "kernel"
    sides = [attributes[name][1:] for name in names]
    return _in_order(graph, frames.apply(lambda maps: graph.operations.max_pool(maps, *sides)))


def _multiply(graph: Graph, node: Any, sources: Sequence[Frames | None]) -> Frames | None:
    """Return frames, each multiplied by a number."""
    frames, factors = sources[0], node.input_value(1)
    if frames is None or list(factors.get_shape()) != [1, 1, frames.count, 1, 1]:
        return None
    orders = [batch.order for batch in frames.batches]
    alike = arrange(graph, split_frames(graph, factors), orders)
    batches = (
        Batch(graph.operations.multiply(batch.maps, numbers.maps).output(0), batch.order)
        for batch, numbers in zip(frames.batches, alike.batches, strict=True)
    )
    return Frames(tuple(batches), frames.count)


def _slice(_: Graph, node: Any, sources: Sequence[Frames | None]) -> Frames | None:
    """Return some frames in a row."""
    frames = sources[0]
    match [constant_integers(value) for value in node.input_values()[1:]]:
        case [[start], [stop], [1], [axis]] if frames and axis == _TIME:
            stop = min(stop, frames.count)
            return part(frames, start, stop) if 0 <= start < stop else None
    return None


def _concat(graph: Graph, node: Any, sources: Sequence[Frames | None]) -> Frames | None:
    """Return the channels, or the frames, of several sources as those of one."""
    axis = node.get_attributes()["axis"]
    if axis == _TIME and any(sources):
        values = zip(sources, node.input_values(), strict=True)
        return follow(frames or split_frames(graph, value) for frames, value in values)
    known = [frames for frames in sources if frames]
    if len(known) < len(sources) or axis != 1:
        return None
    orders = [batch.order for batch in known[0].batches]
    alike = [arrange(graph, frames, orders) for frames in known]
    batches = (
        Batch(graph.concat([batch.maps for batch in same], axis=1), same[0].order)
        for same in zip(*(frames.batches for frames in alike), strict=True)
    )
    return Frames(tuple(batches), known[0].count)


LAYERS: dict[str, Layer] = {
    "Convolution": _convolution,
    "Add": _add,
    "Multiply": _multiply,
    "Relu": _relu,
    "MaxPool": _max_pool,
    "Concat": _concat,
    "Slice": _slice,
}
"""By the type of a node."""


def _in_order(graph: Graph, frames: Frames) -> Frames:
    """Return frames in the order in which the next convolution reads them."""
    _, height, _ = frames.map_shape
    return arrange(graph, frames, _orders(frames.count, height))


def _orders(count: int, height: int) -> list[Order]:
    tiling = TILINGS.get(height)
    return frame_orders(count, tiling) if tiling else [tuple(range(count))]


def _clamp(frame: int, count: int) -> int:
    return min(max(frame, 0), count - 1)
