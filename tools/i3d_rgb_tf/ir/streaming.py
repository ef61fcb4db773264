"""Change the network to infer a long video in chunks, without computing any frame twice.

A layer with a kernel longer than a frame needs frames from the chunk before. The changed network
returns the last frames that each such layer reads, and takes them with the next chunk::

    chunk 1    new frames 0 1 2 3      a layer reads  . . 0 1 2 3    and makes  . 0 1 2
    chunk 2    new frames 4 5 6 7                     2 3 4 5 6 7               3 4 5 6

So each layer lags behind the frames. What the video does not have must be zero in every layer, as
in TensorFlow's ``SAME`` padding. (A max pool does not notice zeros: it follows a ReLU.) Which
frames the video has is an input. Thus one network serves the beginning, the middle and the end of
a video, and several videos one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from i3d_rgb_tf.ir.layouts import change_layout
from i3d_rgb_tf.ir.opset import load_operations
from i3d_rgb_tf.ir.winograd.graph import constant_value

__all__ = ["make_streaming"]

_TIME = 2
"""Axis of (1, channels, frames, height, width)."""
_WINDOWS = {"Convolution", "MaxPool", "AvgPool"}
"""Operations that may read several frames at once."""


def make_streaming(model: Any, num_frames: int) -> Any:
    """Return a network that infers the next chunk of a video.

    Parameters
    ----------
    model
        An ``openvino.Model`` that `i3d_rgb_tf.ir.positions.with_positions_as_output` has changed;
        it is used up.
    num_frames
        Frames in a chunk, a multiple of 8 and at least 16.

    Returns
    -------
    openvino.Model
        Inputs: the frames, (1, 6 + num_frames, 224, 224, 3), the first 6 from the chunk before; of
        the last (56 + num_frames,) frames, 1 for each that the video has and 0 for the others; then
        what the layers carry over from the chunk before, zeros at first. Outputs: rows, as those of
        the model, (1, num_frames / 8, 1424), which lag by 7 positions; then what the layers carry
        over, in the order of the inputs.
    """
    change_layout(model, "NDHWC")
    # Here OpenVINO computes the padding, which depends on the number of frames.
    _set_num_frames(model, num_frames)
    plan = _plan(model)
    _set_num_frames(model, plan.num_repeated + num_frames)
    streaming = _Streaming(plan, num_frames)
    model.add_parameters([streaming.exists])
    for node in model.get_ordered_ops():
        if streaming.convert(node) == _Place():
            # The shapes of all that follows have changed.
            model.validate_nodes_and_infer_types()
    return streaming.finish(model)


def _set_num_frames(model: Any, num_frames: int) -> None:
    shape = model.input(0).partial_shape
    shape[1] = num_frames
    model.reshape({model.input(0): shape})


@dataclass(frozen=True)
class _Place:
    """Where in time the frames of an output are."""

    stride: int = 1
    """Frames of the video for one of the output."""
    lag: int = 0
    """By how many frames of the output a chunk of it ends before the chunk of the video."""


@dataclass(frozen=True)
class _Window:
    """Which frames an operation reads for each frame that it makes."""

    length: int
    """How many it reads."""
    stride: int
    """From the first of one to the first of the next."""
    before: int
    """How many of the first ones are before the beginning of the video."""

    def place(self, place: _Place) -> _Place:
        """Return where its output is, if its input is at a place."""
        lag = -(-(place.lag + self.length - self.before) // self.stride) - 1
        return _Place(place.stride * self.stride, lag)

    def num_carried(self, place: _Place) -> int:
        """Return how many frames before a chunk of its input it still needs."""
        return self.stride * self.place(place).lag + self.before - place.lag


def _find_window(node: Any) -> _Window | None:
    """Return the window of an operation; None if it reads one frame for each that it makes."""
    if node.get_type_name() not in _WINDOWS:
        return None
    attributes = node.get_attributes()
    is_convolution = node.get_type_name() == "Convolution"
    length = node.input_value(1).get_shape()[_TIME] if is_convolution else attributes["kernel"][0]
    window = _Window(length, attributes["strides"][0], attributes["pads_begin"][0])
    return None if window == _Window(1, 1, 0) else window


@dataclass(frozen=True)
class _Plan:
    """What the nodes of the network, by their names, have to do with time."""

    places: dict[str, _Place]
    """Where their outputs are."""
    windows: dict[str, _Window]
    """What those read that read several frames at once."""
    num_repeated: int
    """Frames of the chunk before that the network reads again."""
    history: int
    """Frames before a chunk of which some layer has to know whether the video has them."""


def _plan(model: Any) -> _Plan:
    places: dict[str, _Place] = {}
    windows: dict[str, _Window] = {}
    for node in model.get_ordered_ops():
        name = node.get_name()
        sources = [
            places[source]
            for value in node.input_values()
            if (source := value.get_node().get_name()) in places
        ]
        window = _find_window(node)
        if node.get_type_name() == "Parameter":
            places[name] = _Place()
        elif sources:
            place = max(sources, key=lambda place: place.lag)
            if window:
                windows[name] = window
                place = window.place(place)
            places[name] = place
    end = places[model.get_results()[0].get_name()]
    first = next(iter(windows.values()))
    return _Plan(places, windows, first.num_carried(_Place()), end.lag * end.stride)


@dataclass
class _Streaming:
    """The network while it is being changed."""

    plan: _Plan
    """What its nodes have to do with time."""
    num_frames: int
    """Frames in a chunk."""
    carried: list[tuple[Any, Any]] = field(default_factory=list)
    """The input and the output of what each layer carries over."""

    def __post_init__(self) -> None:
        self.operations = load_operations()
        shape = [self.plan.history + self.num_frames]
        self.exists = self.operations.parameter(shape, np.float32, name="exists")

    def convert(self, node: Any) -> _Place | None:
        """Let a node read frames of the chunk before where it needs them.

        Returns
        -------
        _Place or None
            Where its input is, if it reads several frames at once.
        """
        plan, name = self.plan, node.get_name()
        window, place = plan.windows.get(name), None
        for port in node.inputs():
            value = port.get_source_output()
            place = plan.places.get(value.get_node().get_name())
            if place is None:
                continue
            if window:
                port.replace_source_output(self._window(value, place, window))
                break
            port.replace_source_output(self._delay(value, plan.places[name].lag - place.lag))
        if not window:
            return None
        unpadded = self._without_padding(node)
        plan.places[unpadded.get_name()] = plan.places[name]
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(unpadded.output(0))
        return place

    def finish(self, model: Any) -> Any:
        """Return the changed network."""
        import openvino

        inputs, outputs = zip(*self.carried, strict=True)
        rows, (frames, exists) = model.get_results(), model.get_parameters()
        model = openvino.Model([*rows, *outputs], [frames, exists, *inputs], "streaming")
        model.validate_nodes_and_infer_types()
        return model

    def _window(self, value: Any, place: _Place, window: _Window) -> Any:
        """Return the frames that a window reads."""
        frames = self._without_missing(value, place)
        if place == _Place():
            # They are in the input.
            return frames
        return self._carry(frames, value, window.num_carried(place))

    def _without_missing(self, value: Any, place: _Place) -> Any:
        """Return frames with zeros instead of those that the video does not have."""
        count = value.get_shape()[_TIME]
        # A frame of a layer exists where any frame of the video does that it stands for.
        groups = self.operations.reshape(self.exists, [-1, place.stride], special_zero=False)
        exist = self.operations.reduce_max(groups, [1], keep_dims=False).output(0)
        stop = (self.plan.history + self.num_frames) // place.stride - place.lag
        exist = self._slice(exist, stop - count, stop, axis=0)
        factors = self.operations.reshape(exist, [1, 1, count, 1, 1], special_zero=False)
        return self._quantized_like(value, self.operations.multiply(value, factors).output(0))

    def _carry(self, frames: Any, like: Any, count: int) -> Any:
        """Return the last frames of the chunk before, then those of this one."""
        if not count:
            return frames
        shape = list(frames.get_shape())
        length, shape[_TIME] = shape[_TIME], count
        before = self.operations.parameter(shape, np.float32, name=f"carried_{len(self.carried)}")
        parts = [self._quantized_like(like, before.output(0)), frames]
        joined = self.operations.concat(parts, _TIME).output(0)
        after = self._slice(joined, length, length + count)
        self.carried.append((before, self.operations.result(after)))
        return joined

    def _delay(self, value: Any, count: int) -> Any:
        """Return frames as many frames later."""
        if not count:
            return value
        length = value.get_shape()[_TIME]
        return self._slice(self._carry(value, value, count), 0, length)

    def _without_padding(self, node: Any) -> Any:
        """Return a node that does the same without padding in time."""
        attributes = node.get_attributes()
        before, after = ([0, *attributes[name][1:]] for name in ("pads_begin", "pads_end"))
        source, strides = node.input_value(0), attributes["strides"]
        if node.get_type_name() == "Convolution":
            dilations = attributes["dilations"]
            weights = node.input_value(1)
            made = self.operations.convolution(source, weights, strides, before, after, dilations)
        elif node.get_type_name() == "MaxPool":
            ones, kernel = [1] * len(strides), attributes["kernel"]
            made = self.operations.max_pool(source, strides, ones, before, after, kernel)
        else:
            made = self.operations.avg_pool(
                source, strides, before, after, attributes["kernel"], exclude_pad=True
            )
        made.set_friendly_name(node.get_friendly_name())
        return made

    def _quantized_like(self, value: Any, frames: Any) -> Any:
        """Return frames with the levels of a value, so that an INT8 layer reads them as integers.

        They have these levels already: this changes no value.
        """
        quantizer = _find_quantizer(value)
        if quantizer is None:
            return frames
        levels = quantizer.get_attributes()["levels"]
        ranges = quantizer.input_values()[1:]
        return self.operations.fake_quantize(frames, *ranges, levels).output(0)

    def _slice(self, output: Any, start: int, stop: int, axis: int = _TIME) -> Any:
        return self.operations.slice(output, [start], [stop], [1], [axis]).output(0)


def _find_quantizer(value: Any) -> Any | None:
    """Return a node ``FakeQuantize`` whose levels a value has; None if it has no known ones."""
    node = value.get_node()
    kind = node.get_type_name()
    if kind == "FakeQuantize":
        return node
    if kind in ("MaxPool", "Slice", "Transpose"):
        return _find_quantizer(node.input_value(0))
    if kind == "Concat":
        found = [_find_quantizer(source) for source in node.input_values()]
        if all(found) and len(set(map(_levels, found))) == 1:
            return found[0]
    return None


def _levels(quantizer: Any) -> tuple[Any, ...]:
    """Return the number of levels, and their ranges."""
    ranges = [constant_value(source) for source in quantizer.input_values()[1:]]
    return (quantizer.get_attributes()["levels"], *(np.asarray(each).tobytes() for each in ranges))
