"""3-D convolutions over batches of frames: by tiles with fewer multiplications, or directly.

With a stride in time, that many frames are read as one with as many times the channels. So there is
no stride left, and a tap of the kernel is one or several frames::

    kernel of 7, stride 2      0 1 2 3 4 5 6      taps   (. 0) (1 2) (3 4) (5 6)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.ir.winograd.frames import Batch, Frames, Order, take
from i3d_rgb_tf.ir.winograd.graph import Graph, constant_value
from i3d_rgb_tf.ir.winograd.sums import as_floats, multiply
from i3d_rgb_tf.ir.winograd.tilings import POINTS, Tiling, divide
from i3d_rgb_tf.ir.winograd.transforms import make_transforms

__all__ = ["Convolution", "is_known"]

_NUM_AXES = 5
"""Of (1, channels, frames, height, width)."""


def is_known(node: Any) -> bool:
    """Whether a convolution is one over a single video of fixed size, in float32.

    It has no dilations, and a constant kernel that is longer than its padding in time.
    """
    ports = [*node.input_values(), node.output(0)]
    if any(port.partial_shape.is_dynamic or len(port.shape) != _NUM_AXES for port in ports):
        return False
    if any(port.element_type.get_type_name() != "f32" for port in ports):
        return False
    attributes, length = node.get_attributes(), ports[1].shape[2]
    pads = attributes["pads_begin"][0], attributes["pads_end"][0]
    is_usual = ports[0].shape[0] == 1 and max(attributes["dilations"]) == 1 and max(pads) < length
    return is_usual and constant_value(node.input_value(1)) is not None


@dataclass(frozen=True)
class Convolution:
    """A convolution that `is_known`, and the frames that it reads."""

    graph: Graph
    """Makes the nodes."""
    node: Any
    """The convolution of the network."""
    frames: Frames
    """What it reads."""
    kernel: NDArray[np.float32]
    """(outputs, channels, length, height, width)."""

    @property
    def num_frames(self) -> int:
        """Frames that it makes."""
        num_frames: int = self.node.output(0).shape[2]
        return num_frames

    @property
    def height(self) -> int:
        """Height of the frames that it makes."""
        height: int = self.node.output(0).shape[3]
        return height

    def can_tile(self, tiling: Tiling) -> bool:
        """Whether there are transforms for it, and enough channels to gain from them."""
        _, channels, num_taps, *_ = self._taps.shape
        return channels >= tiling.least_channels and (tiling.frames, num_taps) in POINTS

    def by_tiles(self, tiling: Tiling) -> Frames:
        """Return the frames that it makes, with few multiplications."""
        taps = self._taps
        size = tiling.frames, taps.shape[2]
        transforms = make_transforms(*size, POINTS[size])
        kernels = np.tensordot(as_floats(transforms.kernel_transform), taps, (1, 2))
        weights = list(map(self._constant, kernels))
        batches: list[Batch] = []
        for tiles in divide(self.num_frames, tiling):
            starts = [tiling.frames * tile for tile in tiles]
            inputs = self._read(starts, len(weights))
            sums = multiply(self.graph, transforms.input_transform, list(inputs))
            products = map(self._convolve, sums, weights)
            outputs = multiply(self.graph, transforms.output_transform, list(products))
            for place, output in enumerate(outputs):
                batches.append(Batch(output, tuple(start + place for start in starts)))
        # The last tile may extend beyond the video.
        batches = [batch for batch in batches if batch.order[0] < self.num_frames]
        return Frames(tuple(batches), self.num_frames)

    def directly(self, orders: Iterable[Order]) -> Frames:
        """Return the frames that it makes, in batches of the given orders."""
        return Frames(tuple(map(self._direct_batch, orders)), self.num_frames)

    def _direct_batch(self, order: Order) -> Batch:
        # The frames of all taps become channels, so that one convolution sums over them.
        _, channels, num_taps, *_ = self._taps.shape
        _, *size = self.frames.map_shape
        taps = [
            self.graph.zeros((len(order), channels, *size)) if maps is None else maps
            for maps in self._read(order, num_taps)
        ]
        return Batch(self._convolve(self.graph.concat(taps, axis=1), self._flat_kernel), order)

    def _read(self, starts: Sequence[int], num_taps: int) -> Iterator[Any | None]:
        """Yield the maps of each tap for outputs; None where all are outside the video."""
        channels, *size = self.frames.map_shape
        first = -(self._before + self._missing) // self._stride
        for tap in range(num_taps):
            places = [self._stride * (start + first + tap) for start in starts]
            wanted = [place + each for place in places for each in range(self._stride)]
            maps = take(self.graph, self.frames, wanted)
            if maps is not None and self._stride > 1:
                maps = self.graph.reshape(maps, (len(starts), self._stride * channels, *size))
            yield maps

    @cached_property
    def _taps(self) -> NDArray[np.float64]:
        """Return the kernel, (outputs, channels, taps, height, width)."""
        num_outputs, num_channels, length, *size = self.kernel.shape
        around = (self._missing, -(length + self._missing) % self._stride)
        padded = np.pad(np.float64(self.kernel), [(0, 0), (0, 0), around, (0, 0), (0, 0)])
        folded = padded.reshape(num_outputs, num_channels, -1, self._stride, *size)
        by_frame: NDArray[np.float64] = folded.transpose(0, 3, 1, 2, 4, 5)
        return by_frame.reshape(num_outputs, self._stride * num_channels, -1, *size)

    @cached_property
    def _flat_kernel(self) -> Any:
        """The kernel of all taps as one over their channels."""
        return self._constant(np.concatenate(list(np.moveaxis(self._taps, 2, 0)), axis=1))

    @property
    def _stride(self) -> int:
        stride: int = self.node.get_attributes()["strides"][0]
        return stride

    @property
    def _before(self) -> int:
        before: int = self.node.get_attributes()["pads_begin"][0]
        return before

    @property
    def _missing(self) -> int:
        """Frames of zeros before the kernel, with which it starts at a multiple of the stride."""
        return -self._before % self._stride

    def _convolve(self, maps: Any | None, weights: Any) -> Any | None:
        if maps is None:
            return None
        attributes = self.node.get_attributes()
        names = "strides", "pads_begin", "pads_end", "dilations"
        sides = (attributes[name][1:] for name in names)
        return self.graph.operations.convolution(maps, weights, *sides).output(0)

    def _constant(self, kernel: NDArray[np.float64]) -> Any:
        return self.graph.operations.constant(kernel.astype(np.float32))
