"""Into which tiles of frames each layer is divided: one table, chosen by measurement."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["POINTS", "TILINGS", "Tiling", "divide", "frame_orders"]


@dataclass(frozen=True)
class Tiling:
    """How the frames of one resolution are computed."""

    frames: int
    """Frames in a tile."""
    at_once: int | None = None
    """Tiles in a batch, few if they should stay in the processor's cache; None: all."""
    least_channels: int = 1
    """Channels from which on the transforms cost less than they save."""


TILINGS = {
    112: Tiling(8, at_once=1),
    56: Tiling(8, at_once=1),
    28: Tiling(8, at_once=5, least_channels=64),
    14: Tiling(4, at_once=5, least_channels=64),
}
"""By the height of the frames that a layer makes; measured in bench/README.md. Layers of other
heights, and those with fewer channels, are computed directly."""


def _with_negatives(*points: str) -> tuple[Fraction, ...]:
    """Return 0, 1, -1, and each point with its negative."""
    pairs = [Fraction(1), *map(Fraction, points)]
    return (Fraction(0), *(sign * point for point in pairs for sign in (1, -1)))


POINTS = {
    (4, 3): _with_negatives("2"),
    (8, 3): _with_negatives("1/3", "4/3", "5/2"),
    (8, 4): (*_with_negatives("2/5", "3/4", "5/3"), Fraction(4)),
}
"""By frames in a tile and taps of the filter: the points with the smallest rounding error in
float32, to two digits, of those that bench/points.py tries."""


def divide(num_frames: int, tiling: Tiling) -> list[list[int]]:
    """Return the tiles of each batch, every second one first.

    A pool that halves the number of frames then reads neighbours.

    >>> divide(40, Tiling(8, at_once=3))
    [[0, 2, 1], [3, 4]]
    """
    total = -(-num_frames // tiling.frames)
    step = tiling.at_once or total
    batches = (range(start, min(start + step, total)) for start in range(0, total, step))
    return [[*batch[::2], *batch[1::2]] for batch in batches]


def frame_orders(num_frames: int, tiling: Tiling) -> list[tuple[int, ...]]:
    """Return the order of the frames in each batch: the first of each tile, then the second.

    >>> frame_orders(6, Tiling(2))
    [(0, 4, 2, 1, 5, 3)]
    """
    return [
        tuple(tiling.frames * tile + place for place in range(tiling.frames) for tile in tiles)
        for tiles in divide(num_frames, tiling)
    ]
