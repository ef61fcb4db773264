"""Make one convolution of those that read the same input, which OpenVINO does not do by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["merge_convolutions"]

_POINT = (1, 1, 1)


def merge_convolutions(model: Any) -> int:
    """Merge the 1x1x1 convolutions that read the same input, with their biases and ReLUs.

    In every Mixed block three branches begin with one: as one, they read the input once and
    are wide enough to keep the cores busy. The sums are those of before, in the same order::

                 +- conv - add - relu -            +- split -
        input ---+- conv - add - relu -   =>   input - conv - add - relu - split -
                 +- conv - add - relu -            +- split -

    An INT8 network stays as it is: its branches have ranges of their own.

    Parameters
    ----------
    model
        An ``openvino.Model``; it is changed.

    Returns
    -------
    int
        How many groups were merged.
    """
    nodes = model.get_ordered_ops()
    if any(node.get_type_name() == "FakeQuantize" for node in nodes):
        return 0
    by_source: dict[tuple[str, int], list[tuple[Any, Any, Any]]] = {}
    for node in nodes:
        chain = _chain(node)
        if chain:
            source = node.input_value(0)
            key = (source.get_node().get_name(), source.get_index())
            by_source.setdefault(key, []).append(chain)
    groups = [group for group in by_source.values() if len(group) > 1]
    for group in groups:
        _merge(group)
    model.validate_nodes_and_infer_types()
    return len(groups)


def _chain(node: Any) -> tuple[Any, Any, Any] | None:
    """Return a 1x1x1 convolution with the bias and the ReLU that alone read it."""
    if node.get_type_name() != "Convolution":
        return None
    if tuple(node.input_value(1).get_shape())[2:] != _POINT or _strides(node) != _POINT:
        return None
    add = _only_reader(node, "Add")
    relu = _only_reader(add, "Relu") if add else None
    return (node, add, relu) if relu else None


def _strides(convolution: Any) -> tuple[int, ...]:
    return tuple(convolution.get_attributes()["strides"])


def _only_reader(node: Any, kind: str) -> Any:
    readers = [each.get_node() for each in node.output(0).get_target_inputs()]
    return readers[0] if [each.get_type_name() for each in readers] == [kind] else None


def _merge(group: list[tuple[Any, Any, Any]]) -> None:
    from openvino import opset8 as opset

    weights = [convolution.input_value(1) for convolution, _, _ in group]
    biases = [add.input_value(1) for _, add, _ in group]
    source = group[0][0].input_value(0)
    no_padding, step = [0, 0, 0], list(_POINT)
    joined = opset.convolution(source, opset.concat(weights, 0), step, no_padding, no_padding, step)
    relu = opset.relu(opset.add(joined, opset.concat(biases, 1)))
    num_channels = np.array([each.get_shape()[0] for each in weights])
    split = opset.variadic_split(relu, np.array(1), num_channels)
    for (_, _, old), part in zip(group, split.outputs(), strict=True):
        old.output(0).replace(part)
