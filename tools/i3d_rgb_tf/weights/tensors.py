"""The 230 tensors of the network: their shapes, and which published set they are."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.architecture import tensor_shapes
from i3d_rgb_tf.choices import WEIGHT_SETS, WeightSet
from i3d_rgb_tf.errors import WeightsError

__all__ = [
    "Tensors",
    "check_names_and_shapes",
    "check_published",
    "check_shapes",
    "crc32c",
    "differing_tensors",
    "identify",
    "published_checksums",
]

Tensors = dict[str, NDArray[np.float32]]


@lru_cache
def published_checksums(weights: WeightSet) -> Mapping[str, str]:
    """Return the CRC32C of each tensor as DeepMind's ``model.ckpt.index`` states it.

    Eight hexadecimal digits by tensor name; commit 0667e88 of the release.

    >>> published_checksums("rgb_scratch")["RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w"]
    'b59b4ccd'
    """
    path = Path(__file__).parents[1] / "data" / "crc32c.csv"
    with path.open(encoding="ascii", newline="") as file:
        return {row["tensor"]: row[weights] for row in csv.DictReader(file)}


def crc32c(tensor: NDArray[np.float32]) -> str:
    """Return the CRC32C of a tensor's little-endian bytes, eight hexadecimal digits.

    >>> crc32c(np.zeros(8, np.float32))
    '8a9136aa'
    """
    import google_crc32c

    content = np.ascontiguousarray(tensor, dtype="<f4").tobytes()
    return f"{google_crc32c.value(content):08x}"


def check_shapes(tensors: Mapping[str, NDArray[np.float32]]) -> Tensors:
    """Return `tensors` in checkpoint order, float32, batch-norm statistics as [C].

    Sonnet keeps a batch-norm statistic as [1, 1, 1, 1, C]; both shapes are accepted.

    Raises
    ------
    WeightsError
        A tensor is missing or unknown, has another shape, or is not float32.
    """
    check_names_and_shapes({name: tensor.shape for name, tensor in tensors.items()})
    return {name: _shaped(name, tensors[name], shape) for name, shape in tensor_shapes().items()}


def check_names_and_shapes(found: Mapping[str, tuple[int, ...]]) -> None:
    """Check the shape of each tensor as `check_shapes` does, before any tensor is read.

    A damaged file can claim a tensor that is larger than the memory.

    Raises
    ------
    WeightsError
        A tensor is missing or unknown, or has another shape.
    """
    shapes = tensor_shapes()
    for kind, names in (
        ("lack", shapes.keys() - found.keys()),
        ("have the unknown tensor", found.keys() - shapes.keys()),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WeightsError(
                f"the weights {kind} {min(names)}{more}; expected the {len(shapes)} tensors of "
                "the I3D RGB network for 400 actions"
            )
    for name, shape in shapes.items():
        if found[name] != shape and not _is_sonnets(name, found[name], shape):
            raise WeightsError(f"{name} has shape {found[name]}, expected {shape}")


def differing_tensors(tensors: Tensors, weights: WeightSet) -> list[str]:
    """Return the names of the tensors whose bytes are not those of a published set."""
    published = published_checksums(weights)
    return [name for name, tensor in tensors.items() if crc32c(tensor) != published[name]]


def identify(tensors: Tensors) -> WeightSet | None:
    """Return which published set all 230 tensors are, or None."""
    checksums = {name: crc32c(tensor) for name, tensor in tensors.items()}
    return next((name for name in WEIGHT_SETS if published_checksums(name) == checksums), None)


def check_published(tensors: Tensors, weights: WeightSet) -> None:
    """Raise unless every tensor is, bit for bit, that of a published set.

    Raises
    ------
    WeightsError
        A tensor differs; the message names the first, and the set they are instead, if any.
    """
    differing = differing_tensors(tensors, weights)
    if not differing:
        return
    other = identify(tensors)
    found = f"they are {other}" if other else f"{len(differing)} of {len(tensors)} tensors differ"
    raise WeightsError(
        f"the weights are not the published {weights}: {found}, the first being {differing[0]}"
    )


def _shaped(name: str, tensor: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if tensor.dtype != np.float32:
        raise WeightsError(f"{name} is {tensor.dtype}, expected float32")
    return tensor.reshape(shape)


def _is_sonnets(name: str, found: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return "/batch_norm/" in name and found == (1, 1, 1, 1, *shape)
