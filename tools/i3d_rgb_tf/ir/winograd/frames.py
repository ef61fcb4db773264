"""The feature maps of a video as batches of frames, in any order.

A 3-D operation over (1, channels, frames, height, width) is several 2-D operations over (frames,
channels, height, width). There the frames may have any order, and be in several batches. If all
that an operation reads together are neighbours in a batch, they are read without a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from i3d_rgb_tf.ir.winograd.graph import Graph

__all__ = [
    "Batch",
    "Frames",
    "Order",
    "arrange",
    "follow",
    "join_frames",
    "part",
    "split_frames",
    "take",
]

Order = tuple[int, ...]
"""The number of the frame at each place of a batch. Those that the video does not have, negative
or too large, stand for maps that nobody reads."""

_NOBODY = -1
"""The number of a frame that no video has."""

_TO_FRAMES_FIRST = (0, 2, 1, 3, 4)


@dataclass(frozen=True)
class Batch:
    """Feature maps of some frames."""

    maps: Any
    """(frames, channels, height, width): an output of a node of a graph."""
    order: Order
    """Which frames they are of."""


@dataclass(frozen=True)
class Frames:
    """Feature maps of all frames of a video."""

    batches: tuple[Batch, ...]
    """Together they have every frame."""
    count: int
    """Frames in the video."""

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a frame."""
        _, channels, height, width = self.batches[0].maps.get_shape()
        return channels, height, width

    def apply(self, operation: Callable[[Any], Any]) -> Frames:
        """Return the frames after an operation on each batch."""
        batches = (Batch(operation(batch.maps).output(0), batch.order) for batch in self.batches)
        return Frames(tuple(batches), self.count)


def split_frames(graph: Graph, output: Any) -> Frames:
    """Return the frames of an output of shape (1, channels, frames, height, width)."""
    _, channels, count, height, width = output.get_shape()
    maps = graph.transpose(output, _TO_FRAMES_FIRST)
    maps = graph.reshape(maps, (count, channels, height, width))
    return Frames((Batch(maps, tuple(range(count))),), count)


def join_frames(graph: Graph, frames: Frames) -> Any:
    """Return an output of shape (1, channels, frames, height, width), in the order of time."""
    maps = take(graph, frames, range(frames.count))
    maps = graph.reshape(maps, (1, frames.count, *frames.map_shape))
    return graph.transpose(maps, _TO_FRAMES_FIRST)


def take(graph: Graph, frames: Frames, wanted: Sequence[int]) -> Any | None:
    """Return the maps of some frames as one batch.

    Parameters
    ----------
    graph
        Makes the nodes.
    frames
        Where to take them from.
    wanted
        The numbers of the frames. Maps of zeros stand for frames that the video does not have.

    Returns
    -------
    openvino.Output or None
        (frames, channels, height, width); None if all are zeros.
    """
    places = {
        number: (batch, place)
        for batch in frames.batches
        for place, number in enumerate(batch.order)
        if 0 <= number < frames.count
    }
    found = [places.get(number) for number in wanted]
    if not any(found):
        return None
    pieces = [
        graph.zeros((stop - start, *frames.map_shape))
        if batch is None
        else graph.part(batch.maps, start, stop)
        for batch, start, stop in _runs(found)
    ]
    return graph.concat(pieces)


def arrange(graph: Graph, frames: Frames, orders: Sequence[Order]) -> Frames:
    """Return the frames in batches of the given orders, which together have every frame."""
    if [batch.order for batch in frames.batches] == list(orders):
        return frames
    batches = (Batch(take(graph, frames, order), order) for order in orders)
    return Frames(tuple(batches), frames.count)


def part(frames: Frames, start: int, stop: int) -> Frames:
    """Return the frames from one number to another; they begin at 0 anew."""
    count = stop - start
    return Frames(tuple(_numbered(frames, -start, range(start, stop))), count)


def follow(videos: Iterable[Frames]) -> Frames:
    """Return the frames of several videos as those of one, one after the other."""
    batches: list[Batch] = []
    count = 0
    for frames in videos:
        batches += _numbered(frames, count, range(frames.count))
        count += frames.count
    return Frames(tuple(batches), count)


def _numbered(frames: Frames, step: int, kept: range) -> Iterator[Batch]:
    """Yield the batches with other numbers; frames that are not kept get one of no video."""
    for batch in frames.batches:
        order = (number + step if number in kept else _NOBODY for number in batch.order)
        yield Batch(batch.maps, tuple(order))


def _runs(
    places: Sequence[tuple[Batch, int] | None],
) -> Iterator[tuple[Batch | None, int, int]]:
    """Yield the longest runs of neighbours: their batch, first place, and place after the last."""
    batch: Batch | None = None
    start = stop = 0
    for each in places:
        next_batch, place = each or (None, stop if batch is None else 0)
        if stop > start and (next_batch is not batch or place != stop):
            yield batch, start, stop
            start = stop = place
        elif stop == start:
            start = stop = place
        batch, stop = next_batch, stop + 1
    yield batch, start, stop
