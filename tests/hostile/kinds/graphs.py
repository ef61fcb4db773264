"""Frozen graphs: the structure of the real one, each tensor one number that stands for all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from hostile.cases import Case, Kind, Setting
from hostile.messages import Field, damage_message, join_fields, split_fields
from hostile.mutations import damage_bytes

__all__ = ["KINDS", "write_small_graph"]

_SHARE_CONVERTED = 0.15
"""Of the cases; OpenVINO takes most of a second for a graph of over a thousand nodes."""


def write_small_graph(path: Path) -> None:
    """Write the frozen graph of the network with zeros, which TensorFlow's format keeps as one."""
    import numpy as np
    from google.protobuf import descriptor_pb2  # noqa: F401 (before TensorFlow's own)

    from i3d_rgb_tf.architecture import tensor_shapes
    from i3d_rgb_tf.weights.tensorflow import require_tensorflow
    from sonnet_graph import write_sonnet_graph

    tf = require_tensorflow()
    tensors = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes().items()}
    write_sonnet_graph(tensors, path)
    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    for node in graph.node:
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        if tensor is not None and len(tensor.tensor_content) > 64:
            tensor.ClearField("tensor_content")
            tensor.float_val.append(0)
    path.write_bytes(graph.SerializeToString(deterministic=True))


@dataclass(frozen=True)
class _Templates:
    content: bytes
    nodes: list[Field]


def _load(folder: Path) -> _Templates:
    # The first use imports OpenVINO and makes the classes of the messages.
    from i3d_rgb_tf.ir.convert import convert_graph

    path = folder / "graph.pb"
    convert_graph(path, allow_unknown=True)
    content = path.read_bytes()
    nodes = split_fields(content)
    assert nodes
    return _Templates(content, nodes)


def _make(rng: Random, setting: Setting) -> Case:
    templates: _Templates = setting.templates
    if rng.random() < 0.2:
        data, what = damage_bytes(rng, templates.content)
    else:
        nodes, done = list(templates.nodes), []
        for _ in range(rng.choice((1, 1, 2, 5))):
            index = rng.randrange(len(nodes))
            content, what = damage_message(rng, nodes[index].content)
            nodes[index] = Field(1, 2, content)
            done.append(what)
        if rng.random() < 0.1:
            done.append("node")
            action = rng.choice((nodes.pop, lambda index: nodes.insert(index, rng.choice(nodes))))
            action(rng.randrange(len(nodes)))
        data, what = join_fields(nodes), "+".join(done)
    path = setting.folder / "graph.pb"
    path.write_bytes(data)
    return Case(path, what, data={"convert": rng.random() < _SHARE_CONVERTED})


def _use(case: Case) -> None:
    from i3d_rgb_tf.ir.convert import convert_graph
    from i3d_rgb_tf.weights.frozen_graph import identify_frozen_graph

    if case.data["convert"]:
        convert_graph(case.path, allow_unknown=True)
    else:
        identify_frozen_graph(case.path)


KINDS = {
    "graph": Kind(
        "frozen graphs (.pb)",
        "`download`, `convert`, `verify`",
        _make,
        _use,
        make_templates=lambda folder: write_small_graph(folder / "graph.pb"),
        load=_load,
        imports=("numpy", "google.protobuf", "google_crc32c", "i3d_rgb_tf.weights.frozen_graph"),
    )
}
