"""A product of a matrix and maps is the product that NumPy gives, with few operations."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.ir.winograd.graph import Graph
from i3d_rgb_tf.ir.winograd.sums import as_floats, multiply
from i3d_rgb_tf.ir.winograd.tilings import POINTS
from i3d_rgb_tf.ir.winograd.transforms import make_transforms
from networks import count_nodes, infer_in_f32

SHAPE = (2, 3)
TOLERANCE = 1e-6
"""Of the largest sum of magnitudes."""


def matrix_of(*rows):
    return tuple(tuple(map(Fraction, row.split())) for row in rows)


def model_of(matrix, zeros=()):
    """Return a model of a product, and which of its rows are zeros; some maps may be None."""
    parameters = [operations.parameter(SHAPE, np.float32) for _ in matrix[0]]
    vector = [
        None if place in zeros else parameter.output(0)
        for place, parameter in enumerate(parameters)
    ]
    sums = multiply(Graph(), matrix, vector)
    results = [operations.result(each) for each in sums if each is not None]
    rows = [row for row, each in enumerate(sums) if each is None]
    return openvino.Model(results, parameters, "product"), rows


def assert_product(matrix, zeros=()):
    vector = np.random.default_rng(0).normal(size=(len(matrix[0]), *SHAPE)).astype(np.float32)
    model, rows_of_zeros = model_of(matrix, zeros)

    found = infer_in_f32(model, *vector)

    vector[list(zeros)] = 0
    floats = np.array([[each.numerator / each.denominator for each in row] for row in matrix])
    expected = np.tensordot(floats, np.float64(vector), 1)
    magnitudes = np.tensordot(np.abs(floats), np.abs(vector), 1)
    assert not expected[rows_of_zeros].any()
    rows = [row for row in range(len(matrix)) if row not in rows_of_zeros]
    assert np.abs(expected[rows] - found).max() <= TOLERANCE * magnitudes.max()
    return rows_of_zeros


@pytest.mark.parametrize("which", ["input_transform", "output_transform"])
@pytest.mark.parametrize(("size", "points"), POINTS.items())
def test_the_transforms_of_the_network_are_products(size, points, which):
    matrix = getattr(make_transforms(*size, points), which)

    assert assert_product(matrix) == []


@pytest.mark.parametrize(
    "row",
    [
        "1 1 1 1",
        "-1 -1 -1 -1",
        "-1 1 0 0",
        "1 -1 1 -1",
        "2 -2 1 -1",
        "-2 2 -1 1",
        "-3 0 0 0",
        "0 0 1 0",
        "0 0 -1 0",
        "-1/2 -1/2 -3 1/2",
        "1/3 -2/3 5/7 -1",
        "-1/2 -1/3 1/2 1/3",
    ],
)
def test_a_row_of_any_signs_and_factors_is_a_product(row):
    assert assert_product(matrix_of(row)) == []


def test_maps_that_are_zeros_are_left_out():
    matrix = matrix_of("1 2 3", "0 0 -3", "-1 0 0", "0 0 0", "0 2 0")

    assert assert_product(matrix, zeros=[1]) == [3, 4]
    assert assert_product(matrix, zeros=[0, 2]) == [1, 2, 3]
    assert assert_product(matrix) == [3]


def test_a_product_of_zeros_is_none():
    assert multiply(Graph(), matrix_of("1 2", "3 -4"), [None, None]) == [None, None]


@pytest.mark.parametrize("which", ["input_transform", "output_transform"])
@pytest.mark.parametrize("size", [(4, 3), (8, 3)])
def test_what_rows_have_in_common_is_computed_once(size, which):
    matrix = getattr(make_transforms(*size, POINTS[size]), which)

    nodes = count_nodes(model_of(matrix)[0])

    factors = [[abs(entry) for entry in row if entry] for row in matrix]
    one_by_one = sum(len(row) - 1 + sum(entry != 1 for entry in row) for row in factors)
    operations_of_sums = ("Add", "Subtract", "Multiply", "Negative")
    # These points come with their negatives, whose rows are a sum and a difference.
    assert sum(nodes[kind] for kind in operations_of_sums) <= 0.8 * one_by_one


@pytest.mark.parametrize("row", ["0 1 0 0", "1 0 0 0"])
def test_a_row_that_picks_its_maps_takes_no_operation(row):
    assert set(count_nodes(model_of(matrix_of(row))[0])) == {"Parameter", "Result"}


def test_equal_factors_of_several_rows_are_one_constant():
    nodes = count_nodes(model_of(matrix_of("3 0 5", "5 3 0", "3 0 -5"))[0])

    assert nodes["Constant"] == 2


def test_a_matrix_is_rounded_to_floats():
    matrix = matrix_of("1/3 -2", "0 5/4")

    np.testing.assert_array_equal(as_floats(matrix), [[1 / 3, -2], [0, 1.25]])
