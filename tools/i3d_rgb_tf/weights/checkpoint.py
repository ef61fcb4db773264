"""DeepMind's TensorFlow checkpoints: read one into tensors, write one."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE
from i3d_rgb_tf.errors import StorageError, WeightsError, last_line
from i3d_rgb_tf.storage import replaced_folder
from i3d_rgb_tf.weights.tensor_bundle import TensorBundle
from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from i3d_rgb_tf.weights.tensors import Tensors, check_names_and_shapes, check_shapes

__all__ = ["read_checkpoint", "write_checkpoint"]


def read_checkpoint(prefix: Path) -> Tensors:
    """Read the 230 tensors of a TensorFlow checkpoint, given the path without ``.index``.

    Raises
    ------
    WeightsError
        There is no such checkpoint, it is damaged, or it is not one of this network.
    """
    prefix = prefix.with_suffix("") if prefix.suffix == ".index" else prefix
    index = Path(f"{prefix}.index")
    if not index.is_file():
        raise WeightsError(
            f"no checkpoint at {prefix}: {index.name} is not there; give the path up to and "
            "without .index, for example data/checkpoints/rgb_imagenet/model.ckpt"
        )
    try:
        bundle = TensorBundle(prefix)
        shapes = {
            name: shape
            for name, shape in bundle.shapes.items()
            if name.startswith(CHECKPOINT_SCOPE)
        }
    except (OSError, WeightsError) as error:
        raise _damaged(prefix, error) from error
    try:
        check_names_and_shapes(shapes)
    except WeightsError as error:
        raise WeightsError(
            f"{prefix} is not a checkpoint of the I3D RGB model: {error}; give another"
        ) from error
    try:
        return check_shapes({name: bundle.read(name) for name in shapes})
    except (OSError, WeightsError) as error:
        raise _damaged(prefix, error) from error


def _damaged(prefix: Path, error: OSError | WeightsError) -> WeightsError:
    reason = error.strerror if isinstance(error, OSError) else error
    return WeightsError(f"cannot read the checkpoint {prefix}: {reason}; get its files again")


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
