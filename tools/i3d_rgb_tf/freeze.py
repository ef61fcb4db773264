"""Checkpoint -> tensors -> frozen graph: the only module that uses TensorFlow."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.architecture import (
    AVERAGE_POOL,
    BATCH_NORM_EPSILON,
    CHECKPOINT_SCOPE,
    LOGITS,
    OUTPUT_NAME,
    STAGES,
    Conv,
    MaxPool,
)
from i3d_rgb_tf.errors import DependencyError, StorageError, WeightsError, last_line
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.storage import replaced_file, replaced_folder
from i3d_rgb_tf.tensors import Tensors, check_shapes

__all__ = [
    "freeze_checkpoint",
    "freeze_tensors",
    "read_checkpoint",
    "require_tensorflow",
    "write_checkpoint",
]


def freeze_checkpoint(prefix: Path, output: Path) -> Tensors:
    """Write the frozen graph of a checkpoint of DeepMind's variables to `output`.

    Returns
    -------
    Tensors
        The 230 tensors that went into the graph.

    Raises
    ------
    DependencyError
        TensorFlow is not installed.
    WeightsError
        There is no such checkpoint, or it is not one of this network.
    StorageError
        `output` cannot be written.
    """
    tensors = read_checkpoint(prefix)
    freeze_tensors(tensors, output)
    return tensors


def freeze_tensors(tensors: Tensors, output: Path) -> None:
    """Write the inference graph with `tensors` inside to `output`.

    The graph goes from `Placeholder`, (1, 79, 224, 224, 3) float32, RGB, -1..1, to `Softmax`,
    (1, 400) float32. The same tensors give the same bytes.

    Raises
    ------
    DependencyError
        TensorFlow is not installed.
    WeightsError
        A tensor is missing, unknown, or has another shape.
    StorageError
        `output` cannot be written.
    """
    tf = require_tensorflow()
    checked = check_shapes(tensors)
    with tf.Graph().as_default() as graph:
        _build(tf, checked)
    definition = graph.as_graph_def()
    # The producer's version is the one thing in the graph that depends on who wrote it.
    definition.ClearField("versions")
    with replaced_file(output) as temporary:
        temporary.write_bytes(definition.SerializeToString(deterministic=True))


def read_checkpoint(prefix: Path) -> Tensors:
    """Read the 230 tensors of a TensorFlow checkpoint, given the path without ``.index``.

    Raises
    ------
    DependencyError
        TensorFlow is not installed.
    WeightsError
        There is no such checkpoint, it is damaged, or it is not one of this network.
    """
    tf = require_tensorflow()
    prefix = prefix.with_suffix("") if prefix.suffix == ".index" else prefix
    index = prefix.with_name(prefix.name + ".index")
    if not index.is_file():
        raise WeightsError(
            f"no checkpoint at {prefix}: {index.name} is not there; give the path up to and "
            "without .index, for example data/checkpoints/rgb_imagenet/model.ckpt"
        )
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        found = {
            name: reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()
            if name.startswith(CHECKPOINT_SCOPE)
        }
    except (tf.errors.OpError, LookupError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"cannot read the checkpoint {prefix}: {last_line(error)}; get its files again"
        ) from error
    return check_shapes(found)


def write_checkpoint(tensors: Tensors, prefix: Path) -> None:
    """Write `tensors` as a TensorFlow checkpoint, byte for byte as DeepMind published them.

    Raises
    ------
    DependencyError
        TensorFlow is not installed.
    WeightsError
        A tensor is missing, unknown, or has another shape.
    StorageError
        The files cannot be written.
    """
    tf = require_tensorflow()
    checked = check_shapes(tensors)
    names = (f"{prefix.name}.data-00000-of-00001", f"{prefix.name}.index")
    with replaced_folder(prefix.parent, names) as temporary:
        try:
            # Where the caller is building a graph it would become a part of that; a new thread
            # builds none and runs it.
            with ThreadPoolExecutor(1, "checkpoint") as pool:
                pool.submit(
                    tf.raw_ops.SaveV2,
                    prefix=str(temporary / prefix.name),
                    tensor_names=list(checked),
                    shape_and_slices=[""] * len(checked),
                    tensors=list(checked.values()),
                ).result()
        except tf.errors.OpError as error:
            # {{node ...}} path of a temporary file; reason [Op:SaveV2]
            reason = re.sub(r"\s*\[Op:\w+\]$", "", last_line(error)).rpartition("; ")[2]
            raise StorageError(
                f"cannot write {prefix}: {reason}; free some space or choose another folder"
            ) from error


def require_tensorflow() -> Any:
    """Import TensorFlow, quietly and on the CPU.

    Raises
    ------
    DependencyError
        It is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        with _silent_standard_error():
            import tensorflow
    except ImportError as error:
        raise DependencyError(
            f"freezing needs TensorFlow, which cannot be imported ({error}); "
            "install it with: pip install 'i3d-rgb-tf[freeze]'"
        ) from error
    return tensorflow


@contextmanager
def _silent_standard_error() -> Iterator[None]:
    """Keep what TensorFlow's libraries say before their log level counts off the terminal."""
    sys.stderr.flush()
    saved = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(silence)


def _build(tf: Any, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Lay the network out in the default graph."""
    spec = load_spec()
    net = tf.compat.v1.placeholder(tf.float32, spec.source_shape, name=spec.input_name)
    for stage in STAGES:
        scope = f"{CHECKPOINT_SCOPE}/{stage.name}"
        if isinstance(stage, Conv | MaxPool):
            net = _layer(tf, tensors, net, scope, stage)
            continue
        outputs = []
        for index, branch in enumerate(stage.branches):
            inner = net
            for layer in branch:
                inner = _layer(tf, tensors, inner, f"{scope}/Branch_{index}/{layer.name}", layer)
            outputs.append(inner)
        net = tf.concat(outputs, axis=-1, name=f"{scope}/concat")
    scope = f"{CHECKPOINT_SCOPE}/{LOGITS.name}"
    net = tf.nn.avg_pool3d(
        net, AVERAGE_POOL, (1, 1, 1), "VALID", name=f"{CHECKPOINT_SCOPE}/Logits/AvgPool3D"
    )
    net = _convolution(tf, tensors, net, scope, LOGITS)
    net = tf.nn.bias_add(net, _constant(tf, tensors, f"{scope}/conv_3d/b"), name=f"{scope}/BiasAdd")
    net = tf.squeeze(net, axis=(2, 3), name=f"{CHECKPOINT_SCOPE}/Logits/SpatialSqueeze")
    net = tf.reduce_mean(net, axis=1, name=f"{CHECKPOINT_SCOPE}/Mean")
    tf.nn.softmax(net, name=OUTPUT_NAME)


def _layer(
    tf: Any, tensors: Mapping[str, NDArray[np.float32]], net: Any, scope: str, layer: Conv | MaxPool
) -> Any:
    if isinstance(layer, MaxPool):
        return tf.nn.max_pool3d(net, layer.kernel, layer.stride, "SAME", name=scope)
    net = _convolution(tf, tensors, net, scope, layer)
    mean, variance, beta = (
        _constant(tf, tensors, f"{scope}/batch_norm/{name}")
        for name in ("moving_mean", "moving_variance", "beta")
    )
    net = tf.nn.batch_normalization(
        net, mean, variance, beta, None, BATCH_NORM_EPSILON, name=f"{scope}/batch_norm/batchnorm"
    )
    return tf.nn.relu(net, name=f"{scope}/Relu")


def _convolution(
    tf: Any, tensors: Mapping[str, NDArray[np.float32]], net: Any, scope: str, conv: Conv
) -> Any:
    filters = _constant(tf, tensors, f"{scope}/conv_3d/w")
    strides: tuple[int, ...] = (1, *conv.stride, 1)
    return tf.nn.conv3d(net, filters, strides, "SAME", name=f"{scope}/conv_3d/convolution")


def _constant(tf: Any, tensors: Mapping[str, NDArray[np.float32]], name: str) -> Any:
    return tf.constant(tensors[name], name=name)
