"""Minimal filtering gives the sums of the direct filter, exactly and in floating point."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from i3d_rgb_tf.ir.winograd.sums import as_floats
from i3d_rgb_tf.ir.winograd.tilings import POINTS
from i3d_rgb_tf.ir.winograd.transforms import make_transforms

OTHERS = {
    (1, 1): (),
    (1, 3): ("0", "1"),
    (3, 1): ("0", "1"),
    (2, 2): ("0", "7/3"),
    (2, 3): ("2", "-3", "1/5"),
    (5, 3): ("0", "1", "-1", "2", "-2", "1/2"),
    (4, 4): ("0", "1", "-1", "2", "-2", "1/2"),
    (3, 7): ("0", "1", "-1", "2", "-2", "3", "-3", "1/2"),
}
"""Sizes and points that the network does not use; (2, 3) with others than its own."""
CASES = [
    *POINTS.items(),
    *((size, tuple(map(Fraction, points))) for size, points in OTHERS.items()),
]
LARGEST_EXACT = 2**24
"""Of the whole numbers that float32 has without gaps."""

each_case = pytest.mark.parametrize(("size", "points"), CASES)


def apply_exactly(transforms, inputs, kernel):
    """Return the outputs of a tile in fractions."""

    def multiply(matrix, vector):
        return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]

    sums = multiply(transforms.input_transform, inputs)
    weights = multiply(transforms.kernel_transform, kernel)
    products = [a * b for a, b in zip(sums, weights, strict=True)]
    return multiply(transforms.output_transform, products)


@each_case
def test_the_outputs_are_exactly_the_direct_sums(size, points):
    num_outputs, num_taps = size
    random = np.random.default_rng(0)
    inputs, kernel = (
        [Fraction(int(a), int(b)) for a, b in random.integers(1, 100, (length, 2))]
        for length in (num_outputs + num_taps - 1, num_taps)
    )

    found = apply_exactly(make_transforms(*size, points), inputs, kernel)

    direct = [
        sum(kernel[tap] * inputs[place + tap] for tap in range(num_taps))
        for place in range(num_outputs)
    ]
    assert found == direct


@each_case
def test_the_outputs_in_float64_are_the_direct_sums(size, points):
    num_outputs, num_taps = size
    random = np.random.default_rng(0)
    inputs = random.normal(size=num_outputs + num_taps - 1)
    kernel = random.normal(size=num_taps)
    transforms = make_transforms(*size, points)

    weights = as_floats(transforms.kernel_transform) @ kernel
    products = weights * (as_floats(transforms.input_transform) @ inputs)
    found = as_floats(transforms.output_transform) @ products

    direct = np.convolve(inputs, kernel[::-1], "valid")
    assert found == pytest.approx(direct, abs=1e-11)


@each_case
def test_a_tile_takes_one_multiplication_for_each_input(size, points):
    num_outputs, num_taps = size
    num_inputs = num_outputs + num_taps - 1

    transforms = make_transforms(*size, points)

    assert as_floats(transforms.input_transform).shape == (num_inputs, num_inputs)
    assert as_floats(transforms.kernel_transform).shape == (num_inputs, num_taps)
    assert as_floats(transforms.output_transform).shape == (num_outputs, num_inputs)


@each_case
def test_the_factors_of_the_inputs_are_whole_numbers_that_float32_has(size, points):
    entries = [each for row in make_transforms(*size, points).input_transform for each in row]

    assert {each.denominator for each in entries} == {1}
    assert max(map(abs, entries)) <= LARGEST_EXACT


@pytest.mark.parametrize(
    "points",
    [
        (),
        (0, 1),
        (0, 1, -1, 2),
        (0, 1, 1),
        (Fraction(1, 2), 0, Fraction(2, 4)),
        # As many different ones as it takes, and one of them twice.
        (0, 1, -1, -1),
    ],
)
def test_fewer_more_or_equal_points_are_an_error(points):
    with pytest.raises(ValueError, match=r"^the points are \(.*\), expected 3 different ones$"):
        make_transforms(2, 3, tuple(map(Fraction, points)))
