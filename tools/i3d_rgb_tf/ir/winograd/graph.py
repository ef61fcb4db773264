"""Nodes of a graph: make them, and read the constants among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.ir.opset import load_operations

__all__ = ["Graph", "constant_integers", "constant_value"]


@dataclass
class Graph:
    """Makes nodes of a graph; equal small constants are one node."""

    operations: Any = field(default_factory=load_operations)
    """OpenVINO's operation set."""
    _constants: dict[tuple[str, tuple[int, ...], bytes], Any] = field(
        default_factory=dict, init=False, repr=False
    )

    def constant(self, values: Any, dtype: type = np.float32) -> Any:
        """Return a constant."""
        array: NDArray[Any] = np.asarray(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.operations.constant(array)
        return self._constants[key]

    def integers(self, *values: int) -> Any:
        """Return a constant of axes, sizes or places."""
        return self.constant(values, np.int64)

    def concat(self, outputs: Sequence[Any], axis: int = 0) -> Any:
        """Return the outputs one after the other."""
        return outputs[0] if len(outputs) == 1 else self.operations.concat(outputs, axis).output(0)

    def reshape(self, output: Any, shape: Sequence[int]) -> Any:
        """Return an output with another shape."""
        return self.operations.reshape(output, self.integers(*shape), special_zero=False).output(0)

    def transpose(self, output: Any, axes: Sequence[int]) -> Any:
        """Return an output with its axes in another order."""
        return self.operations.transpose(output, self.integers(*axes)).output(0)

    def part(self, output: Any, start: int, stop: int) -> Any:
        """Return some places of the first axis."""
        if (start, stop) == (0, output.get_shape()[0]):
            return output
        step, axis = self.integers(1), self.integers(0)
        places = self.integers(start), self.integers(stop)
        return self.operations.slice(output, *places, step, axis).output(0)

    def zeros(self, shape: Sequence[int]) -> Any:
        """Return zeros."""
        return self.constant(np.zeros(shape, np.float32)).output(0)


def constant_value(output: Any) -> NDArray[np.float32] | None:
    """Return the value of a constant in float32, or in float16 and converted; None of others."""
    node = output.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    if node.get_element_type().get_type_name() not in ("f16", "f32"):
        return None
    return np.asarray(node.data, np.float32)


def constant_integers(output: Any) -> list[int] | None:
    """Return the values of a constant of integers; None of other nodes."""
    node = output.get_node()
    if node.get_type_name() != "Constant" or not node.get_element_type().is_integral_number():
        return None
    return [int(value) for value in np.ravel(node.data)]
