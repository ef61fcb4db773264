"""Read the files of a TensorFlow checkpoint, because TensorFlow ends the process at damaged ones.

The index is a table of LevelDB (its ``doc/table_format.md``) with a message of TensorFlow's
``tensor_bundle.proto`` for each tensor, and the data files have the numbers::

    table    block, compression byte, masked CRC32C uint32; ...; footer of 48 bytes
    footer   handle of the meta index, handle of the block of handles, padding, magic number
    handle   offset varint, size varint
    block    entry, ..., offset of each restart uint32, number of restarts uint32
    entry    shared varint, rest varint, length varint, rest of the key, value
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import WeightsError
from i3d_rgb_tf.weights.messages import message_class

__all__ = ["TensorBundle"]

_FOOTER_BYTES = 48
_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_BLOCK_END = struct.Struct("<BI")
"""After a block: its compression, and its CRC32C."""
_MOST_INDEX_BYTES = 1 << 24
"""The published index has 10,953 bytes; a checkpoint of a training run, with more tensors, tens of
thousands."""
_FLOAT32 = 1

_MESSAGES = {
    "Header": {"num_shards": (1, "int32"), "endianness": (2, "int32")},
    "Entry": {
        "dtype": (1, "int32"),
        "shape": (2, "TensorShape"),
        "shard_id": (3, "int32"),
        "offset": (4, "int64"),
        "size": (5, "int64"),
        "crc32c": (6, "fixed32"),
        "slices": (7, "repeated TensorShape"),
    },
    "TensorShape": {"dim": (2, "repeated Dimension")},
    "Dimension": {"size": (1, "int64")},
}
"""The part of tensor_bundle.proto that is read: field numbers and types."""


class TensorBundle:
    """The tensors of a checkpoint, whose shapes are known before they are read.

    Parameters
    ----------
    prefix
        The path of the index without ``.index``.

    Raises
    ------
    WeightsError
        The index is damaged.
    OSError
        It cannot be read.
    """

    def __init__(self, prefix: Path) -> None:
        from google.protobuf.message import DecodeError

        self._prefix = prefix
        content = _read_limited(Path(f"{prefix}.index"))
        try:
            values = dict(_pairs_of_table(content))
            # The empty key has the header.
            header = _message("Header").FromString(values.pop(b""))
            # The key of a part of a tensor is not text.
            self._entries = {
                key.decode(errors="replace"): _message("Entry").FromString(value)
                for key, value in values.items()
            }
        except (DecodeError, LookupError, ValueError, struct.error) as error:
            raise WeightsError(f"its index is damaged: {error}") from error
        if header.endianness:
            raise WeightsError("its numbers are big-endian, expected little-endian")
        self._num_shards = int(header.num_shards)
        self.shapes: Mapping[str, tuple[int, ...]] = {
            name: tuple(dimension.size for dimension in entry.shape.dim)
            for name, entry in self._entries.items()
        }
        """Shape of each tensor by its name."""

    def read(self, name: str) -> NDArray[np.float32]:
        """Return a tensor, checked by its CRC32C.

        Raises
        ------
        WeightsError
            Its bytes are not those that the index states, or it is not float32 in one piece.
        OSError
            A data file cannot be read.
        """
        entry, shape = self._entries[name], self.shapes[name]
        if entry.slices:
            raise WeightsError(f"{name} is stored in parts, expected one variable")
        if entry.dtype != _FLOAT32 or not 0 <= entry.size == 4 * prod(shape):
            raise WeightsError(f"{name} is not a float32 tensor of shape {shape}")
        shard = f"{self._prefix}.data-{entry.shard_id:05d}-of-{self._num_shards:05d}"
        with Path(shard).open("rb") as file:
            file.seek(max(entry.offset, 0))
            content = file.read(entry.size)
        if len(content) != entry.size or _masked_crc32c(content) != entry.crc32c:
            raise WeightsError(f"{name} is damaged")
        return np.frombuffer(content, "<f4").reshape(shape)


@lru_cache
def _message(name: str) -> Any:
    return message_class(_MESSAGES, name)


def _read_limited(index: Path) -> bytes:
    with index.open("rb") as file:
        content = file.read(_MOST_INDEX_BYTES + 1)
    if len(content) > _MOST_INDEX_BYTES:
        raise WeightsError(f"its index has more than {_MOST_INDEX_BYTES:,} bytes")
    return content


def _pairs_of_table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    footer = content[-_FOOTER_BYTES:]
    if not footer.endswith(_MAGIC):
        raise ValueError("it is not the index of a TensorFlow checkpoint")
    # The handle of the meta index comes first.
    place = _varint(footer, _varint(footer, 0)[1])[1]
    for _, handle in _pairs_of_block(_block(content, footer, place)):
        yield from _pairs_of_block(_block(content, handle, 0))


def _block(content: bytes, handle: bytes, place: int) -> bytes:
    """Return the block whose handle is at a place."""
    offset, place = _varint(handle, place)
    size, _ = _varint(handle, place)
    end = offset + size
    compression, crc32c = _BLOCK_END.unpack_from(content[end : end + _BLOCK_END.size])
    if compression:
        raise ValueError("it is compressed")
    if _masked_crc32c(content[offset : end + 1]) != crc32c:
        raise ValueError("a checksum differs")
    return content[offset:end]


def _pairs_of_block(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys, of which each has a beginning in common with the one before, and values."""
    (num_restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 - 4 * num_restarts
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        rest, place = _varint(block, place)
        length, place = _varint(block, place)
        key_end, value_end = place + rest, place + rest + length
        if value_end > end:
            raise ValueError("an entry is longer than its block")
        key = key[:shared] + block[place:key_end]
        yield key, block[key_end:value_end]
        place = value_end


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number of 7 bits a byte, the lowest first, and the place after it."""
    value = 0
    for shift in range(0, 64, 7):
        byte = data[place + shift // 7]
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, place + shift // 7 + 1
    raise ValueError("a number does not end")


def _masked_crc32c(content: bytes) -> int:
    """Return the CRC32C as LevelDB stores it."""
    import google_crc32c

    crc32c = int(google_crc32c.value(content))
    return ((crc32c >> 15 | crc32c << 17) + 0xA282EAD8) & 0xFFFFFFFF
