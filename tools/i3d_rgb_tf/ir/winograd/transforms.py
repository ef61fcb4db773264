"""Exact transforms of minimal filtering: few multiplications for several outputs of a filter.

A filter of r taps makes m outputs from m + r - 1 inputs. Done directly this takes m * r
multiplications, by the method of Toom and Cook only m + r - 1, between two transforms that add and
scale::

    outputs = output_transform ((kernel_transform kernel) * (input_transform inputs))

The method regards inputs and outputs as polynomials and multiplies their values at chosen points;
Winograd brought it to convolutions (S. Winograd, Arithmetic Complexity of Computations, 1980;
arXiv 1509.09308).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm, prod

__all__ = ["Matrix", "Transforms", "make_transforms"]

Matrix = tuple[tuple[Fraction, ...], ...]
"""Rows of a matrix."""


@dataclass(frozen=True)
class Transforms:
    """The three matrices for m outputs of a filter of r taps, with n = m + r - 1."""

    input_transform: Matrix
    """(n, n), of whole numbers: what is multiplied, from the inputs."""
    kernel_transform: Matrix
    """(n, r): what it is multiplied by, from the filter."""
    output_transform: Matrix
    """(m, n): the outputs, from the products."""


def make_transforms(num_outputs: int, num_taps: int, points: Sequence[Fraction]) -> Transforms:
    """Return the transforms for a tile of outputs.

    Output i is the sum of ``kernel[k] * inputs[i + k]``. Exact arithmetic gives the result of the
    direct sum whatever the points are; they decide the rounding error in floating point.

    Parameters
    ----------
    num_outputs, num_taps
        m and r, at least 1.
    points
        m + r - 2 different numbers; the last point is at infinity.

    Raises
    ------
    ValueError
        There are more or fewer points, or two are equal.

    Examples
    --------
    >>> two = make_transforms(2, 3, [Fraction(0), Fraction(1), Fraction(-1)])
    >>> [[int(entry) for entry in row] for row in two.output_transform]
    [[1, 1, 1, 0], [0, 1, -1, 1]]
    """
    num_points = num_outputs + num_taps - 2
    if len(set(points)) != num_points or len(points) != num_points:
        raise ValueError(f"the points are {points}, expected {num_points} different ones")
    one, zero = Fraction(1), Fraction(0)
    input_rows, kernel_rows = [], []
    for point in points:
        others = [other for other in points if other != point]
        row = [*_polynomial(others), zero]
        # Whole numbers are exact in floating point.
        scale = lcm(*(entry.denominator for entry in row))
        divisor = scale * prod((point - other for other in others), start=one)
        input_rows.append(tuple(scale * entry for entry in row))
        kernel_rows.append(tuple(point**power / divisor for power in range(num_taps)))
    row = _polynomial(points)
    scale = lcm(*(entry.denominator for entry in row))
    input_rows.append(tuple(scale * entry for entry in row))
    kernel_rows.append((*[zero] * (num_taps - 1), one / scale))
    output_rows = [
        (*(point**power for point in points), one if power == num_outputs - 1 else zero)
        for power in range(num_outputs)
    ]
    return Transforms(tuple(input_rows), tuple(kernel_rows), tuple(output_rows))


def _polynomial(roots: Sequence[Fraction]) -> list[Fraction]:
    """Return the coefficients of the product of all (x - root), the lowest power first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        scaled = [*(-root * each for each in coefficients), Fraction(0)]
        coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return coefficients
