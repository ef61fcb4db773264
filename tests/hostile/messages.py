"""Damage protocol buffers field by field, without their schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from hostile.mutations import NUMBERS, damage_bytes, hostile_text

__all__ = ["Field", "damage_message", "join_fields", "split_fields"]

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_DEEPEST = 8
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}


@dataclass(frozen=True)
class Field:
    """A field as it stands in a message."""

    number: int
    wire: int
    content: bytes
    """Of a varint its own bytes, else what it holds."""

    def encode(self) -> bytes:
        """Return the bytes of the field."""
        head = _varint(self.number << 3 | self.wire)
        return head + (_varint(len(self.content)) if self.wire == _BYTES else b"") + self.content


def split_fields(message: bytes) -> list[Field] | None:
    """Return the fields of a message, or None if it is not one."""
    fields, place = [], 0
    while place < len(message):
        key, place = _read_varint(message, place)
        wire, start = key & 7, place
        if key < 8 or place < 0:
            return None
        if wire == _VARINT:
            _, place = _read_varint(message, place)
        elif wire == _BYTES:
            length, start = _read_varint(message, place)
            place = start + length if start >= 0 else -1
        elif wire in _FIXED:
            place += _FIXED[wire]
        else:
            return None
        if place < 0 or place > len(message):
            return None
        fields.append(Field(key >> 3, wire, message[start:place]))
    return fields


def join_fields(fields: list[Field]) -> bytes:
    """Return the message of fields."""
    return b"".join(each.encode() for each in fields)


def damage_message(rng: Random, message: bytes, depth: int = 0) -> tuple[bytes, str]:
    """Return a message with one field changed, at any depth, and what was done."""
    fields = split_fields(message) if depth < _DEEPEST else None
    if not fields:
        return _damage_leaf(rng, message)
    index = rng.randrange(len(fields))
    chosen = fields[index]
    if chosen.wire == _BYTES and rng.random() < 0.75:
        content, what = damage_message(rng, chosen.content, depth + 1)
        fields[index] = replace(chosen, content=content)
    else:
        what = rng.choice(("value", "value", *_CHANGES))
        fields[index : index + 1] = _CHANGES[what](rng, chosen)
    return join_fields(fields), what


def _other_value(rng: Random, old: Field) -> list[Field]:
    if old.wire == _VARINT:
        content = _varint(rng.choice(NUMBERS))
    elif old.wire in _FIXED:
        content = rng.randbytes(_FIXED[old.wire])
    else:
        content, _ = _damage_leaf(rng, old.content)
    return [replace(old, content=content)]


def _nested(rng: Random, old: Field) -> list[Field]:
    content = old.encode()
    for _ in range(rng.choice((1, 20, 200))):
        content = Field(old.number, _BYTES, content).encode()
    return [Field(old.number, _BYTES, content)]


_CHANGES: dict[str, Callable[[Random, Field], list[Field]]] = {
    "value": _other_value,
    "remove": lambda rng, old: [],
    "repeat": lambda rng, old: [old] * rng.choice((2, 2, 4, 300)),
    "renumber": lambda rng, old: [replace(old, number=rng.choice((1, 2, 3, 5, 7, 8, 9, 500)))],
    "nest": _nested,
}
"""What becomes of a field."""


def _damage_leaf(rng: Random, content: bytes) -> tuple[bytes, str]:
    kind = rng.random()
    if kind < 0.4:
        return hostile_text(rng).encode("utf-8", "surrogatepass"), "text"
    if kind < 0.6:
        return _varint(rng.choice(NUMBERS)), "number"
    if kind < 0.7:
        return b"", "empty"
    return damage_bytes(rng, content)


def _varint(value: int) -> bytes:
    data = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        data.append(low | (0x80 if value else 0))
        if not value:
            return bytes(data)


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number and the place after it, -1 if it does not end."""
    value = shift = 0
    while 0 <= place < len(data) and shift < 70:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    return 0, -1
