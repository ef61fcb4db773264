"""Products of a matrix of exact numbers and a vector of maps, as additions and scalings.

The matrices of `i3d_rgb_tf.ir.winograd.transforms` have pairs of rows, or of columns, that differ
only in signs, because their points come in pairs, p and -p. What such rows or columns have in
common is computed once::

    rows      a x + b y     sum = a x, difference = b y       sum + difference
              a x - b y                                       sum - difference

    columns   a x + a y     sum = x + y, difference = x - y   a sum
              b x - b y                                       b difference
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.ir.winograd.graph import Graph
from i3d_rgb_tf.ir.winograd.transforms import Matrix

__all__ = ["as_floats", "multiply"]


@dataclass(frozen=True)
class _Term:
    """An output of a graph, or its negative."""

    sign: int
    """1 or -1."""
    maps: Any
    """The output."""


_Sum = _Term | None
"""None is zero."""


def multiply(graph: Graph, matrix: Matrix, vector: Sequence[Any | None]) -> list[Any | None]:
    """Return the product of a matrix and a vector of outputs; None stands for zeros."""
    terms: list[_Sum] = [None if maps is None else _Term(1, maps) for maps in vector]
    rows, terms = _pair_columns(graph, matrix, terms)
    found: dict[int, _Sum] = {}
    for group in _equal_but_for_signs(rows):
        if len(group) == 1:
            found[group[0]] = _weighted_sum(graph, rows[group[0]], terms)
            continue
        one, other = group
        same, opposite = _split_by_sign(rows[one], rows[other])
        total = _weighted_sum(graph, same, terms)
        difference = _weighted_sum(graph, opposite, terms)
        found[one] = _add(graph, total, difference)
        found[other] = _add(graph, total, _negative(difference))
    return [_maps(graph, found[index]) for index in range(len(rows))]


def as_floats(matrix: Matrix) -> NDArray[np.float64]:
    """Return a matrix in floating point."""
    return np.array([[float(entry) for entry in row] for row in matrix])


def _pair_columns(
    graph: Graph, matrix: Matrix, terms: Sequence[_Sum]
) -> tuple[list[tuple[Fraction, ...]], list[_Sum]]:
    """Return the matrix and the terms with sums and differences in place of pairs of columns."""
    columns = list(zip(*matrix, strict=True))
    new_columns: list[tuple[Fraction, ...]] = []
    new_terms: list[_Sum] = []
    for group in _equal_but_for_signs(columns):
        if len(group) == 1:
            new_columns.append(columns[group[0]])
            new_terms.append(terms[group[0]])
            continue
        one, other = group
        new_columns += _split_by_sign(columns[one], columns[other])
        new_terms.append(_add(graph, terms[one], terms[other]))
        new_terms.append(_add(graph, terms[one], _negative(terms[other])))
    return list(zip(*new_columns, strict=True)), new_terms


def _equal_but_for_signs(vectors: Sequence[Sequence[Fraction]]) -> list[list[int]]:
    """Return the places of the vectors, alone or in pairs.

    >>> _equal_but_for_signs([(1, 2), (3, 4), (1, -2)])
    [[0, 2], [1]]
    """
    groups: dict[tuple[Fraction, ...], list[int]] = {}
    for place, vector in enumerate(vectors):
        groups.setdefault(tuple(map(abs, vector)), []).append(place)
    return [
        group[start : start + 2] for group in groups.values() for start in range(0, len(group), 2)
    ]


def _split_by_sign(
    one: Sequence[Fraction], other: Sequence[Fraction]
) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Return the part of a vector that is the same in another, and the part that is its negative.

    >>> _split_by_sign((1, 2), (1, -2))
    ((1, 0), (0, 2))
    """
    pairs = list(zip(one, other, strict=True))
    return tuple(a * (a == b) for a, b in pairs), tuple(a * (a != b) for a, b in pairs)


def _weighted_sum(graph: Graph, factors: Sequence[Fraction], terms: Sequence[_Sum]) -> _Sum:
    scaled = (_scale(graph, term, factor) for factor, term in zip(factors, terms, strict=True))
    total: _Sum = reduce(partial(_add, graph), scaled, None)
    return total


def _scale(graph: Graph, term: _Sum, factor: Fraction) -> _Sum:
    if term is None or factor == 0:
        return None
    sign = term.sign if factor > 0 else -term.sign
    if abs(factor) == 1:
        return _Term(sign, term.maps)
    scaled = graph.operations.multiply(term.maps, graph.constant(float(abs(factor))))
    return _Term(sign, scaled.output(0))


def _add(graph: Graph, one: _Sum, other: _Sum) -> _Sum:
    if one is None or other is None:
        return other if one is None else one
    if one.sign == other.sign:
        return _Term(one.sign, graph.operations.add(one.maps, other.maps).output(0))
    plus, minus = (one, other) if one.sign > 0 else (other, one)
    return _Term(1, graph.operations.subtract(plus.maps, minus.maps).output(0))


def _negative(term: _Sum) -> _Sum:
    return None if term is None else _Term(-term.sign, term.maps)


def _maps(graph: Graph, term: _Sum) -> Any | None:
    if term is None:
        return None
    if term.sign > 0:
        return term.maps
    return graph.operations.negative(term.maps).output(0)
