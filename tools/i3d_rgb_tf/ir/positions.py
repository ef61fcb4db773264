"""Cut the network before its mean over time: features and logits of every position in time.

The cut is made when a model is compiled. It never goes into an IR on disk, because the tools that
read it expect one output.
"""

from __future__ import annotations

from typing import Any

from i3d_rgb_tf.architecture import AVERAGE_POOL
from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.ir.opset import load_operations
from i3d_rgb_tf.labels import NUM_LABELS

__all__ = ["NUM_FEATURES", "with_positions_as_output"]

NUM_FEATURES = 1024
"""Features of a position: channels after the average pool, before the classifier."""


def with_positions_as_output(model: Any) -> None:
    """Change an ``openvino.Model`` to return the features and logits of each position in time.

    The mean over time and the softmax are removed. They are found by their types, because their
    names differ between converters.

    Parameters
    ----------
    model
        From `i3d_rgb_tf.ir.files.read_ir`; it is changed. Its output becomes (1, positions, 1424):
        of each position the 1024 features, then the 400 logits.

    Raises
    ------
    ModelError
        The model does not end with the average pool, the classifier and a mean over time.
    """
    operations = load_operations()
    result = model.get_results()[0]
    mean = _find_upwards(result, {"ReduceMean"})
    classifier = _find_upwards(mean, {"Convolution"})
    pool = _find_upwards(classifier, {"AvgPool"})
    if mean is None or pool is None or tuple(pool.get_attributes()["kernel"]) != AVERAGE_POOL:
        raise ModelError(
            "the model has no average pool, classifier and mean over time at its end, so it "
            "cannot infer a whole video; convert it again with: i3d-rgb-tf convert"
        )
    rows = [
        _rows(operations, pool.output(0), NUM_FEATURES),
        _rows(operations, mean.input_value(0), NUM_LABELS),
    ]
    model.add_results([operations.result(operations.concat(rows, axis=2))])
    model.remove_result(result)


def _find_upwards(node: Any | None, types: set[str]) -> Any | None:
    """Return the nearest node of a type, following first inputs; None without one."""
    while node is not None and node.get_input_size():
        node = node.input_value(0).get_node()
        if node.get_type_name() in types:
            return node
    return None


def _rows(operations: Any, output: Any, num_channels: int) -> Any:
    """Return an output, whose only axes longer than 1 are time and channels, as rows."""
    axes = list(range(len(output.partial_shape)))
    sizes = [output.partial_shape[axis] for axis in axes]
    channels = next(axis for axis in axes if sizes[axis] == num_channels)
    order = [*(axis for axis in axes if axis != channels), channels]
    return operations.reshape(
        operations.transpose(output, order), [1, -1, num_channels], special_zero=False
    )
