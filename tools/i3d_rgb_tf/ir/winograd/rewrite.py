"""Rewrite the network so that its convolutions take fewer multiplications, with the same results.

Minimal filtering along the time axis (`i3d_rgb_tf.ir.winograd.transforms`) turns a 3-D convolution
into fewer 2-D convolutions, over sums of frames::

    3x3x3   8 frames   8 x 3 = 24 convolutions 3x3 as they are, 10 rewritten
    7x7x7   8 frames   8 x 7 = 56 convolutions 7x7 of 3 channels, 11 of 6 channels

From the first convolution to the last, all maps are in batches of frames
(`i3d_rgb_tf.ir.winograd.frames`).
"""

from __future__ import annotations

from typing import Any

from i3d_rgb_tf.ir.winograd.convolutions import is_known
from i3d_rgb_tf.ir.winograd.frames import Frames, join_frames, split_frames
from i3d_rgb_tf.ir.winograd.graph import Graph
from i3d_rgb_tf.ir.winograd.layers import LAYERS

__all__ = ["can_rewrite", "rewrite"]

_QUANTIZERS = {"FakeQuantize", "FakeConvert"}
"""Operations that round to 8 bits or fewer."""


def rewrite(model: Any) -> Any:
    """Return a model that computes the same with fewer multiplications.

    What it does not know stays as it is: convolutions with dilations, of several videos, or of a
    varying number of frames, and whatever is not an operation of this network.

    Parameters
    ----------
    model
        An ``openvino.Model`` of this network in floating point, for any fixed number of frames; it
        is not changed.

    Returns
    -------
    openvino.Model

    Raises
    ------
    ValueError
        The model is quantized: the transforms would multiply its rounding errors.
    """
    if _is_quantized(model):
        raise ValueError("the model is quantized, expected one in floating point")
    model = model.clone()
    graph = Graph()
    nodes = {node.get_name(): node for node in model.get_ordered_ops()}
    found: dict[str, Frames] = {}
    for name, node in nodes.items():
        layer = LAYERS.get(node.get_type_name())
        if layer is None:
            continue
        sources = [found.get(_name(value)) for value in node.input_values()]
        if _is_convolution(node):
            if not is_known(node):
                continue
            sources[0] = sources[0] or split_frames(graph, node.input_value(0))
        frames = layer(graph, node, sources)
        if frames:
            found[name] = frames
    for name, frames in found.items():
        readers = nodes[name].output(0).get_target_inputs()
        others = [each for each in readers if each.get_node().get_name() not in found]
        if others:
            joined = join_frames(graph, frames)
            for reader in others:
                reader.replace_source_output(joined)
    model.validate_nodes_and_infer_types()
    return model


def can_rewrite(model: Any) -> bool:
    """Whether a model is in floating point and has convolutions that `rewrite` knows."""
    convolutions = [node for node in model.get_ops() if _is_convolution(node)]
    return any(map(is_known, convolutions)) and not _is_quantized(model)


def _name(output: Any) -> str:
    """Return the name of the node whose output it is; empty for a second output."""
    return "" if output.get_index() else str(output.get_node().get_name())


def _is_convolution(node: Any) -> bool:
    return bool(node.get_type_name() == "Convolution")


def _is_quantized(model: Any) -> bool:
    return any(node.get_type_name() in _QUANTIZERS for node in model.get_ops())
