"""The layout of a model's input is known from its shape, and can be changed."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import openvino
import pytest
from openvino import opset13 as operations

from i3d_rgb_tf.choices import LAYOUTS
from i3d_rgb_tf.ir.layouts import change_layout, find_layout, input_shape

FRAMES = np.arange(2 * 4 * 5 * 3, dtype=np.float32).reshape(2, 4, 5, 3)
"""Two frames of 4x5 pixels; every value is different."""
AS_INPUT = {
    "NDCHW": FRAMES.transpose(0, 3, 1, 2)[np.newaxis],
    "NDHWC": FRAMES[np.newaxis],
    "NSTHWC": FRAMES[np.newaxis, np.newaxis],
}


def identity(layout, num_frames=2):
    """Return a model that gives its input as its output."""
    shape = list(AS_INPUT[layout].shape)
    shape[layout.replace("T", "D").index("D")] = num_frames
    pixels = operations.parameter(shape, np.float32, name="Placeholder")
    pixels.output(0).get_tensor().set_names({"Placeholder", "Placeholder:0"})
    output = operations.multiply(pixels, np.float32(1))
    return openvino.Model([output], [pixels], "identity")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("num_frames", [2, -1, openvino.Dimension(9, 384)])
def test_the_layout_of_a_model_is_found(layout, num_frames):
    assert find_layout(identity(layout, num_frames)) == layout


@pytest.mark.parametrize(
    "shape",
    [
        (1, 3, 224, 224),
        (1, 3, 79, 224, 224),
        (2, 79, 3, 9, 9),
        (1, 1, 3, 79, 224, 224),
        (1, 2, 79, 9, 9, 3),
    ],
)
def test_another_layout_is_none(shape):
    pixels = operations.parameter(shape, np.float32)

    assert find_layout(openvino.Model([pixels], [pixels])) is None


def test_the_layout_is_that_of_the_first_input():
    shapes = input_shape("NDHWC"), (7,)
    inputs = [operations.parameter(shape, np.float32) for shape in shapes]

    assert find_layout(openvino.Model(inputs, inputs)) == "NDHWC"
    assert find_layout(openvino.Model(inputs, inputs[::-1])) is None


@pytest.mark.parametrize(("old", "new"), list(permutations(LAYOUTS, 2)))
@pytest.mark.parametrize("num_frames", [2, -1])
def test_the_network_gets_the_same_pixels_in_another_layout(old, new, num_frames):
    model = identity(old, num_frames)

    change_layout(model, new)

    assert find_layout(model) == new
    assert model.input("Placeholder").names == {"Placeholder", "Placeholder:0"}
    assert model.get_parameters()[0].friendly_name == "Placeholder"
    assert model.get_parameters()[0].layout == openvino.Layout(new)
    found = openvino.Core().compile_model(model, "CPU")(AS_INPUT[new])[0]
    np.testing.assert_array_equal(found, AS_INPUT[old])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_present_layout_changes_nothing(layout):
    model = identity(layout)

    change_layout(model, layout)

    assert len(model.get_ops()) == len(identity(layout).get_ops())


def test_the_layout_of_another_network_cannot_be_changed():
    pixels = operations.parameter([1, 3, 224, 224], np.float32)

    with pytest.raises(ValueError, match=r"1,3,224,224.*, expected one of NDCHW, NDHWC, NSTHWC"):
        change_layout(openvino.Model([pixels], [pixels]), "NDHWC")
