"""Rewrites of the network that OpenVINO does not make itself and that keep the predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fold_first_convolution", "merge_convolutions", "separate_pools"]

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
    if _is_quantized(model):
        return 0
    by_source: dict[tuple[str, int], list[tuple[Any, Any, Any]]] = {}
    for node in model.get_ordered_ops():
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


def fold_first_convolution(model: Any, folds: tuple[int, int, int]) -> int:
    """Give the first convolution more channels and less to stride over.

    It reads 3 channels, which fills no vector register. Where it strides by 2, two neighbours
    can become channels of one: the kernel of 7 (8 with a row of zeros) becomes one of 4.

    Parameters
    ----------
    model
        An ``openvino.Model`` in floating point; it is changed.
    folds
        2 for each of time, height and width that is folded, 1 for those that stay.

    Returns
    -------
    int
        How many convolutions were changed: 1, or 0 of a quantized network.
    """
    from openvino import opset8 as opset

    if _is_quantized(model):
        return 0
    convolution = next(
        node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"
    )
    attributes = convolution.get_attributes()
    source = convolution.input_value(0)
    kernel = _value(convolution.input_value(1))
    begins, sizes, strides = [], [], []
    for axis, fold in enumerate(folds):
        # A first tap in the middle of a pair needs a tap of zeros before it.
        before = attributes["pads_begin"][axis] % fold
        width = [(0, 0)] * kernel.ndim
        width[axis + 2] = (before, -(kernel.shape[axis + 2] + before) % fold)
        kernel = np.pad(kernel, width)
        begins.append((attributes["pads_begin"][axis] + before) // fold)
        sizes.append(-(-source.get_shape()[axis + 2] // fold))
        strides.append(attributes["strides"][axis] // fold)
    kernel = _space_to_channels(kernel, folds)
    outputs = convolution.output(0).get_shape()[2:]
    ends = [
        (output - 1) * stride + taps - size - begin
        for output, stride, taps, size, begin in zip(
            outputs, strides, kernel.shape[2:], sizes, begins, strict=True
        )
    ]
    missing = [
        size * fold - old
        for size, fold, old in zip(sizes, folds, source.get_shape()[2:], strict=True)
    ]
    nothing = np.zeros(5, np.int64)
    padded = opset.pad(source, nothing, np.array([0, 0, *missing]), "constant", np.float32(0))
    pairs = [side for pair in zip(sizes, folds, strict=True) for side in pair]
    split = opset.reshape(padded, np.array([1, 3, *pairs]), special_zero=False)
    channels = opset.transpose(split, np.array([0, 3, 5, 7, 1, 2, 4, 6]))
    folded = opset.reshape(channels, np.array([1, kernel.shape[1], *sizes]), special_zero=False)
    replacement = opset.convolution(folded, kernel, strides, begins, ends, [1, 1, 1])
    convolution.output(0).replace(replacement.output(0))
    model.validate_nodes_and_infer_types()
    return 1


def separate_pools(model: Any) -> int:
    """Replace each maximum over a 3-D window by three over one axis each: 9 readings for 27.

    Parameters
    ----------
    model
        An ``openvino.Model``; it is changed.

    Returns
    -------
    int
        How many pools were replaced.
    """
    from openvino import opset8 as opset

    pools = [node for node in model.get_ordered_ops() if node.get_type_name() == "MaxPool"]
    for pool in pools:
        attributes = pool.get_attributes()
        result = pool.input_value(0)
        for axis in range(3):
            if attributes["kernel"][axis] == 1:
                continue
            kernel, strides = [1, 1, 1], [1, 1, 1]
            kernel[axis] = attributes["kernel"][axis]
            strides[axis] = attributes["strides"][axis]
            none = [0, 0, 0]
            result = opset.max_pool(
                result, strides, [1, 1, 1], none, none, kernel, "floor", "same_upper"
            ).output(0)
        pool.output(0).replace(result)
    model.validate_nodes_and_infer_types()
    return len(pools)


def _is_quantized(model: Any) -> bool:
    return any(node.get_type_name() == "FakeQuantize" for node in model.get_ops())


def _space_to_channels(
    kernel: NDArray[np.float32], folds: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Move `folds` neighbours along (time, height, width) in front of the input channels."""
    num_outputs, num_inputs, *sides = kernel.shape
    pairs = [part for side, fold in zip(sides, folds, strict=True) for part in (side // fold, fold)]
    split = kernel.reshape(num_outputs, num_inputs, *pairs).transpose(0, 3, 5, 7, 1, 2, 4, 6)
    return split.reshape(num_outputs, -1, *pairs[::2])


def _value(output: Any) -> NDArray[np.float32]:
    """Return what a constant, perhaps compressed to FP16, amounts to."""
    node = output.get_node()
    constant = node if node.get_type_name() == "Constant" else node.input_value(0).get_node()
    return np.asarray(constant.data, np.float32)


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
