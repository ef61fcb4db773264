"""TensorFlow checkpoints: the index and the data, of a few tensors or of the whole network.

The data of the whole network are zeros, so its 50 MB are a hole in the file that costs nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from random import Random

from hostile.cases import Case, Kind, Setting
from hostile.messages import damage_message
from hostile.mutations import damage_bytes

__all__ = ["KINDS"]

_DATA = "model.ckpt.data-00000-of-00001"
_SHARE_WHOLE = 0.4


@dataclass(frozen=True)
class _Templates:
    small_index: bytes
    small_data: bytes
    whole_index: bytes
    whole_bytes: int


def _make_templates(folder: Path) -> None:
    import numpy as np

    from i3d_rgb_tf.architecture import tensor_shapes
    from i3d_rgb_tf.weights.checkpoint import write_checkpoint
    from i3d_rgb_tf.weights.tensorflow import require_tensorflow

    shapes = tensor_shapes()
    whole = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    write_checkpoint(whole, folder / "whole" / "model.ckpt")
    tf = require_tensorflow()
    few = list(shapes)[:6]
    small = folder / "small"
    small.mkdir()
    tf.raw_ops.SaveV2(
        prefix=str(small / "model.ckpt"),
        tensor_names=few,
        shape_and_slices=[""] * len(few),
        tensors=[np.arange(12, dtype=np.float32).reshape(3, 4) for _ in few],
    )


def _load(folder: Path) -> _Templates:
    from i3d_rgb_tf.weights.checkpoint import read_checkpoint

    read_checkpoint(folder / "whole" / "model.ckpt")
    return _Templates(
        (folder / "small" / "model.ckpt.index").read_bytes(),
        (folder / "small" / _DATA).read_bytes(),
        (folder / "whole" / "model.ckpt.index").read_bytes(),
        (folder / "whole" / _DATA).stat().st_size,
    )


def _make(rng: Random, setting: Setting) -> Case:
    templates: _Templates = setting.templates
    whole = rng.random() < _SHARE_WHOLE
    content = templates.whole_index if whole else templates.small_index
    index, data = setting.folder / "model.ckpt.index", setting.folder / _DATA
    what = "as it is"
    kind = rng.random()
    if kind < 0.35:
        content, what = damage_bytes(rng, content)
    elif kind < 0.8:
        content, what = _damage_block(rng, content)
    index.write_bytes(content)
    if whole:
        what += f" whole {_write_holes(rng, data, templates.whole_bytes)}"
    else:
        small = templates.small_data
        if kind >= 0.7:
            small, more = damage_bytes(rng, small)
            what += f" data {more}"
        data.write_bytes(small)
    if rng.random() < 0.02:
        data.unlink()
    return Case(
        setting.folder / "model.ckpt",
        what,
        names=("model.ckpt", "RGB/inception_i3d"),
        reads=(index.name, data.name),
    )


def _write_holes(rng: Random, data: Path, num_bytes: int) -> str:
    """Write zeros as a hole, with a few other bytes or another length."""
    what = rng.choice(("zeros", "zeros", "bytes", "short", "long"))
    with data.open("wb") as file:
        size = {"short": rng.randrange(num_bytes), "long": num_bytes + 9}.get(what, num_bytes)
        os.ftruncate(file.fileno(), size)
        if what == "bytes":
            for _ in range(rng.choice((1, 5))):
                os.pwrite(file.fileno(), rng.randbytes(8), rng.randrange(num_bytes - 8))
    return what


def _damage_block(rng: Random, content: bytes) -> tuple[bytes, str]:
    """Change entries of the first block of the index, and write its checksum anew.

    An index is a table of LevelDB: blocks of ``shared(varint) rest(varint) length(varint) key
    value``, each block followed by its compression and a masked CRC32C; a footer of 48 bytes
    ends the file.
    """
    footer = content[-48:]
    start = _start_of_index(footer)
    block = bytearray(content[:start])
    changed = bytes(block[:-5])
    if rng.random() < 0.7:
        entries = _entries(changed)
        if entries:
            first, last = rng.choice(entries)
            message, what = damage_message(rng, changed[first:last])
            # The length of the value is kept, so that the table itself stays whole.
            message = message[: last - first].ljust(last - first, b"\0")
            changed = changed[:first] + message + changed[last:]
        else:
            what = "no entries"
    else:
        damaged, what = damage_bytes(rng, changed)
        changed = damaged[: len(changed)].ljust(len(changed), b"\0")
    return _sealed(changed) + content[start : len(content) - 48] + footer, f"block {what}"


def _start_of_index(footer: bytes) -> int:
    """Return where the block before the index of blocks begins, from its handle."""
    start, _ = _read_varint(footer, 0)
    return start


def _entries(block: bytes) -> list[tuple[int, int]]:
    """Return where the values of a block are."""
    found, place = [], 0
    while place + 3 < len(block):
        _, place = _read_varint(block, place)
        rest, place = _read_varint(block, place)
        length, place = _read_varint(block, place)
        start = place + rest
        if start + length > len(block) or not length:
            break
        found.append((start, start + length))
        place = start + length
    return found


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            break
    return value, place


def _sealed(block: bytes) -> bytes:
    import google_crc32c

    value = google_crc32c.value(block + b"\0")
    masked = ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return block + b"\0" + masked.to_bytes(4, "little")


def _use(case: Case) -> None:
    from i3d_rgb_tf.weights.checkpoint import read_checkpoint
    from i3d_rgb_tf.weights.tensors import identify

    identify(read_checkpoint(case.path))


KINDS: dict[str, Kind] = {
    "checkpoint": Kind(
        "checkpoints",
        "`read_checkpoint`, `freeze`",
        _make,
        _use,
        make_templates=_make_templates,
        load=_load,
        imports=("google_crc32c", "i3d_rgb_tf.weights.checkpoint"),
    )
}
