"""Frozen graphs are read without TensorFlow, and those of other models are refused."""

from __future__ import annotations

import pytest

from i3d_rgb_tf.errors import ModelError, StorageError
from i3d_rgb_tf.weights.freeze import freeze_tensors
from i3d_rgb_tf.weights.frozen_graph import identify_frozen_graph, read_frozen_graph
from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from i3d_rgb_tf.weights.tensors import differing_tensors
from sonnet_graph import write_sonnet_graph


def test_tensors_are_read_as_they_were_frozen(frozen_graph):
    assert differing_tensors(read_frozen_graph(frozen_graph), "rgb_scratch") == []


def test_a_graph_of_the_original_stack_is_read(tensors, tmp_path):
    graph = tmp_path / "rgb.frozen.pb"
    write_sonnet_graph(tensors, graph)

    assert identify_frozen_graph(graph) == "rgb_scratch"


def test_fine_tuned_weights_are_unknown(tensors, tmp_path):
    graph = tmp_path / "graph.pb"
    freeze_tensors({name: tensor * 2 for name, tensor in tensors.items()}, graph)

    assert identify_frozen_graph(graph) == "unknown"


def test_a_constant_stored_as_one_repeated_value_is_read(frozen_graph, tmp_path):
    name = "RGB/inception_i3d/Conv3d_1a_7x7/batch_norm/beta"
    definition = require_tensorflow().compat.v1.GraphDef.FromString(frozen_graph.read_bytes())
    (node,) = [each for each in definition.node if each.name == name]
    # As TensorFlow stores tf.constant(3.0, shape=(64,)).
    tensor = node.attr["value"].tensor
    tensor.tensor_content = b""
    tensor.float_val.append(3)
    graph = tmp_path / "graph.pb"
    graph.write_bytes(definition.SerializeToString())

    found = read_frozen_graph(graph)[name]

    assert found.shape == (64,)
    assert (found == 3).all()


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ({"input_name": "images"}, "its inputs are images, expected Placeholder"),
        (
            {"input_shape": (1, 64, 224, 224, 3)},
            r"takes Placeholder of shape \(1, 64, 224, 224, 3\), expected \(1, 79, 224, 224, 3\)",
        ),
        ({"output_name": "Predictions"}, "it has no output Softmax"),
        ({"stages": 5}, "it has 3 Conv3D nodes, expected 58"),
    ],
)
def test_a_graph_of_another_model_is_refused_with_the_reason(
    tensors, tmp_path, difference, message
):
    graph = tmp_path / "other.pb"
    write_sonnet_graph(tensors, graph, **difference)

    with pytest.raises(ModelError, match=message):
        read_frozen_graph(graph)


def _without_content(node):
    del node.attr["value"]


def _truncated(node):
    tensor = node.attr["value"].tensor
    tensor.tensor_content = tensor.tensor_content[:-4]


def _of_integers(node):
    node.attr["value"].tensor.dtype = 3


def _cut_in_a_value(node):
    tensor = node.attr["value"].tensor
    tensor.tensor_content = tensor.tensor_content[:-1]


def _of_shape(*sizes):
    def damage(node):
        tensor = node.attr["value"].tensor
        del tensor.tensor_shape.dim[:]
        for size in sizes:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = b""
        tensor.float_val.append(3)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without_content, "has no value"),
        (_truncated, r"has 63 values, expected shape \(64,\)"),
        (_of_integers, "is not float32"),
        (_cut_in_a_value, "has 255 bytes, expected float32"),
        (_of_shape(), r"has shape \(\), expected \(64,\)"),
        (_of_shape(-1), r"has shape \(-1,\), expected \(64,\)"),
        (_of_shape(1 << 40, 1 << 40), r"has shape \(1099511627776, 1099511627776\), expected"),
        (_of_shape(*[1] * 2_000), r"has shape \(1, 1, .{,1000}, expected \(64,\)$"),
    ],
)
def test_a_graph_with_a_damaged_tensor_is_refused(frozen_graph, tmp_path, damage, message):
    name = "RGB/inception_i3d/Conv3d_1a_7x7/batch_norm/beta"
    definition = require_tensorflow().compat.v1.GraphDef.FromString(frozen_graph.read_bytes())
    damage(*(each for each in definition.node if each.name == name))
    graph = tmp_path / "graph.pb"
    graph.write_bytes(definition.SerializeToString())

    with pytest.raises(ModelError, match=f"graph.pb is not the I3D RGB model: .*{name} {message}"):
        read_frozen_graph(graph)


def test_names_and_shapes_without_end_are_cut_in_the_message(frozen_graph, tmp_path):
    definition = require_tensorflow().compat.v1.GraphDef.FromString(frozen_graph.read_bytes())
    (node,) = [each for each in definition.node if each.name == "Placeholder"]
    for _ in range(2_000):
        node.attr["shape"].shape.dim.add(size=1)
    (tmp_path / "shape.pb").write_bytes(definition.SerializeToString())
    node.name = "x" * 9_000
    (tmp_path / "name.pb").write_bytes(definition.SerializeToString())

    for name in ("shape.pb", "name.pb"):
        with pytest.raises(
            ModelError, match=rf"{name} .*, expected .*Placeholder|79, 224"
        ) as error:
            read_frozen_graph(tmp_path / name)
        assert len(str(error.value)) <= 1000


def test_a_graph_whose_input_has_no_shape_is_refused(frozen_graph, tmp_path):
    definition = require_tensorflow().compat.v1.GraphDef.FromString(frozen_graph.read_bytes())
    (node,) = [each for each in definition.node if each.name == "Placeholder"]
    del node.attr["shape"]
    graph = tmp_path / "graph.pb"
    graph.write_bytes(definition.SerializeToString())

    with pytest.raises(ModelError, match="graph.pb .*Placeholder"):
        read_frozen_graph(graph)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"has no nodes \(0 bytes\); download it again"),
        (b"<html>not found</html>", "is not a TensorFlow graph, or is damaged"),
    ],
)
def test_a_file_that_is_not_a_graph_is_refused(tmp_path, content, message):
    graph = tmp_path / "wrong.pb"
    graph.write_bytes(content)

    with pytest.raises(ModelError, match=message):
        read_frozen_graph(graph)


def test_a_truncated_graph_is_refused(frozen_graph, tmp_path):
    graph = tmp_path / "truncated.pb"
    graph.write_bytes(frozen_graph.read_bytes()[:1_000_000])

    with pytest.raises(ModelError, match=r"is damaged \(1000000 bytes\); download it again"):
        read_frozen_graph(graph)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(StorageError, match="cannot read .*missing.pb: No such file"):
        read_frozen_graph(tmp_path / "missing.pb")
