"""Which points of minimal filtering have the smallest rounding error in float32?

Points are 0, 1, -1, and fractions of numbers up to 5 with their negatives; where an odd number of
points is left, the last fraction is alone. Each choice computes the same random tiles in float32,
which are compared with the direct sums in float64. The best choices then compute more tiles, with
the additions in the order in which the rewritten network makes them.

    python bench/points.py
    python bench/points.py --size 6 3
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
from machine import machine_line
from numpy.typing import NDArray

from i3d_rgb_tf.ir.winograd.graph import Graph
from i3d_rgb_tf.ir.winograd.sums import as_floats, multiply
from i3d_rgb_tf.ir.winograd.tilings import POINTS
from i3d_rgb_tf.ir.winograd.transforms import Matrix, make_transforms

_Points = tuple[Fraction, ...]

_LARGEST = 5
"""Numerator or denominator of a point."""
_CHANNELS = 64
_FILTERS = 16
_FEW_TILES, _MANY_TILES = 48, 1024
_FINALISTS = 100

_Product = Callable[[Matrix, NDArray[np.float32]], NDArray[np.float32]]
"""Of a transform and what it is applied to, with any axes after the first."""


@dataclass(frozen=True)
class _Tiles:
    """Random tiles, and what a filter makes of them."""

    inputs: NDArray[np.float32]
    """(m + r - 1, tiles, channels), not negative, as a ReLU makes them."""
    kernels: NDArray[np.float64]
    """(r, channels, filters)."""
    expected: NDArray[np.float64]
    """(m, tiles, filters): the direct sums."""


class _ArrayOperations:
    """Does to arrays at once what the operations of OpenVINO do to outputs."""

    def __getattr__(self, name: str) -> Callable[..., _Node]:
        function = getattr(np, name)
        return lambda *arguments: _Node(function(*arguments))

    def constant(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        return array


@dataclass(frozen=True)
class _Node:
    array: NDArray[np.float32]

    def output(self, _: int) -> NDArray[np.float32]:
        return self.array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, metavar=("OUTPUTS", "TAPS"))
    parser.add_argument("--best", type=int, default=4, help="how many choices to print")
    arguments = parser.parse_args()
    print(machine_line())
    for size in [tuple(arguments.size)] if arguments.size else POINTS:
        start = time.perf_counter()
        found = _rank(*size)
        print(f"{size[0]} outputs of {size[1]} taps, {time.perf_counter() - start:.0f} s")
        for place, (points, error) in enumerate(found.items(), 1):
            is_chosen = set(points) == set(POINTS.get(size, ()))
            if place <= arguments.best or is_chosen:
                names = " ".join(map(str, points))
                print(f"  {place:2}  {error:.2e}  {names}{'  (used)' if is_chosen else ''}")


def _rank(num_outputs: int, num_taps: int) -> dict[_Points, float]:
    """Return the best choices with their errors, the smallest first; and the one that is used."""
    few, many = (_make_tiles(num_outputs, num_taps, number) for number in (_FEW_TILES, _MANY_TILES))
    choices = list(_choices(num_outputs + num_taps - 2))
    errors = {points: _rounding_error(points, few, _multiply_matrices) for points in choices}
    finalists = sorted(choices, key=errors.__getitem__)[:_FINALISTS]
    used = POINTS.get((num_outputs, num_taps))
    if used and set(used) not in map(set, finalists):
        finalists.append(used)
    exact = {points: _rounding_error(points, many, _multiply_in_order) for points in finalists}
    return dict(sorted(exact.items(), key=lambda each: each[1]))


def _choices(num_points: int) -> Iterator[_Points]:
    """Yield choices of points. That of all negatives has the same error, so a lone one is > 0."""
    numbers = range(1, _LARGEST + 1)
    fractions = sorted({Fraction(a, b) for a in numbers for b in numbers} - {Fraction(1)})
    base = (Fraction(0), Fraction(1), Fraction(-1))[:num_points]
    num_pairs, is_odd = divmod(num_points - len(base), 2)
    for positive in combinations(fractions, num_pairs):
        pairs = (sign * point for point in positive for sign in (1, -1))
        paired = (*base, *pairs)
        alone = [(each,) for each in fractions if each not in positive] if is_odd else [()]
        yield from ((*paired, *last) for last in alone)


def _make_tiles(num_outputs: int, num_taps: int, num_tiles: int) -> _Tiles:
    random = np.random.default_rng(0)
    shape = (num_outputs + num_taps - 1, num_tiles, _CHANNELS)
    inputs = np.maximum(random.normal(size=shape), 0).astype(np.float32)
    kernels = random.normal(size=(num_taps, _CHANNELS, _FILTERS))
    windows = [inputs[place : place + num_taps] for place in range(num_outputs)]
    expected = [np.sum(np.float64(window) @ kernels, axis=0) for window in windows]
    return _Tiles(inputs, kernels, np.stack(expected))


def _rounding_error(points: _Points, tiles: _Tiles, product: _Product) -> float:
    """Return the root-mean-square error of the outputs, relative to that of the outputs."""
    transforms = make_transforms(len(tiles.expected), len(tiles.kernels), points)
    kernel_transform = as_floats(transforms.kernel_transform)
    kernels = np.float32(np.tensordot(kernel_transform, tiles.kernels, 1))
    sums = product(transforms.input_transform, tiles.inputs)
    outputs = product(transforms.output_transform, sums @ kernels)
    error = np.linalg.norm(outputs - tiles.expected) / np.linalg.norm(tiles.expected)
    return float(error)


def _multiply_matrices(matrix: Matrix, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    rounded = as_floats(matrix).astype(np.float32)
    return (rounded @ maps.reshape(len(maps), -1)).reshape(-1, *maps.shape[1:])


def _multiply_in_order(matrix: Matrix, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.array(multiply(Graph(_ArrayOperations()), matrix, list(maps)))


if __name__ == "__main__":
    main()
