"""The layout of a model's input: find out which it is, and change it."""

from __future__ import annotations

from typing import Any

import numpy as np

from i3d_rgb_tf.choices import LAYOUTS, Layout
from i3d_rgb_tf.ir.opset import load_operations
from i3d_rgb_tf.spec import load_spec

__all__ = ["change_layout", "find_layout", "input_shape"]

_TIME = str.maketrans("T", "D")
"""Frames are D in OpenVINO's layouts of five axes, and T in Model API's of six."""


def input_shape(layout: Layout) -> tuple[int, ...]:
    """Return the shape of the input of a layout.

    >>> input_shape("NDHWC"), input_shape("NSTHWC")
    ((1, 79, 224, 224, 3), (1, 1, 79, 224, 224, 3))
    """
    spec = load_spec()
    sizes = dict(zip(spec.source_layout, spec.source_shape, strict=True))
    sizes["S"] = 1
    return tuple(sizes[axis] for axis in layout.translate(_TIME))


def find_layout(model: Any) -> Layout | None:
    """Return the layout of the first input of an ``openvino.Model``.

    It is None if it has none of `choices.LAYOUTS`.

    It is found by the number of axes and by the axis of the three colours, because the IR of
    another tool may not state it. Frames may have any number and size; `input_shape` gives the
    usual shapes.
    """
    from openvino import PartialShape

    shapes = [port.partial_shape for port in model.inputs[:1]]
    for layout in LAYOUTS:
        sizes = [
            size if axis in "NSC" else -1
            for axis, size in zip(layout, input_shape(layout), strict=True)
        ]
        if shapes and shapes[0].compatible(PartialShape(sizes)):
            return layout
    return None


def change_layout(model: Any, layout: Layout) -> None:
    """Put a transpose before an ``openvino.Model``, so that its input has another layout.

    The name of the input, its type and its number of frames stay.

    Parameters
    ----------
    model
        One that `find_layout` knows; it is changed.
    layout
        The new layout.

    Raises
    ------
    ValueError
        The input has none of the layouts.
    """
    from openvino import Dimension, PartialShape
    from openvino import Layout as Axes

    found = find_layout(model)
    if found == layout:
        return
    if found is None:
        raise ValueError(f"the inputs are {model.inputs}, expected one of {', '.join(LAYOUTS)}")
    operations = load_operations()
    before = model.get_parameters()[0]
    name = before.friendly_name
    given, wanted = layout.translate(_TIME), found.translate(_TIME)
    sizes = {"S": Dimension(1), **dict(zip(wanted, before.partial_shape, strict=True))}
    shape = PartialShape([sizes[axis] for axis in given])
    after = operations.parameter(shape, before.element_type, name=name)
    after.set_layout(Axes(layout))

    def step(kind: str, node: Any, axes: list[int]) -> Any:
        # OpenVINO numbers its own names across the process, so the IR would not always be the same.
        constant = operations.constant(axes, np.int64, name=f"{name}/{kind}/axes")
        return getattr(operations, kind)(node, constant, name=f"{name}/{kind}")

    frames = step("squeeze", after, [given.index("S")]) if "S" in given else after
    given_frames, wanted_frames = given.replace("S", ""), wanted.replace("S", "")
    frames = step("transpose", frames, [given_frames.index(axis) for axis in wanted_frames])
    if "S" in wanted:
        frames = step("unsqueeze", frames, [wanted.index("S")])
    for reader in before.output(0).get_target_inputs():
        reader.replace_source_output(frames.output(0))
    model.replace_parameter(0, after)
