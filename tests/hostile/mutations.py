"""Damage bytes, text and documents, each in ways that depend only on a random source."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

__all__ = [
    "NUMBERS",
    "TEXTS",
    "damage_bytes",
    "damage_document",
    "damage_text",
    "encode_document",
    "hostile_text",
]

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
NUMBERS += (0xFFFFFFFE, 1 << 33, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
"""Lengths, counts and offsets at the borders of their types."""

TEXTS = (
    *("", " ", "\0", "\n", "\x1b[31mred\x1b[0m", "\x07\b\r", "\u202e\u2028", "\ud800", "é́", "%s%n"),
    *(
        "../outside/secret.mp4",
        "../../../etc/passwd",
        "/etc/passwd",
        "C:\\nul",
        "file:///etc/passwd",
    ),
    *("http://127.0.0.1:9/x", "concat:a|b", "subfile,,start,0,end,0,,:x", "pipe:0", "-", "~"),
    *("nan", "inf", "-inf", "1e999", "-0", "0x10", "1_000", "9" * 5000, "null", "{}", "[]", '"'),
    *("a" * 300, "b/" * 3000, "c" * 70000, "é" * 200),
)
"""Texts that mean something to some reader."""

Operation = Callable[[Random, bytearray, Sequence[bytes]], None]


def damage_bytes(
    rng: Random, data: bytes, others: Sequence[bytes] = (), *, tags: Sequence[bytes] = ()
) -> tuple[bytes, str]:
    """Return damaged data, and the names of what was done to it.

    Parameters
    ----------
    rng
        The source of chance.
    data
        What to damage.
    others
        Other files, to splice with.
    tags
        Byte strings of the format after which lengths and counts stand.
    """
    damaged, names = bytearray(data), []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        if tags and rng.random() < 0.35:
            names.append("field")
            _field_after_tag(rng, damaged, tags)
            continue
        name, operation = rng.choice(_OPERATIONS)
        names.append(name)
        operation(rng, damaged, others)
    return bytes(damaged), "+".join(names)


def _place(rng: Random, data: bytearray) -> int:
    """Return an index, more often near the start or the end, where headers and indexes are."""
    if not data:
        return 0
    near = min(len(data), 600)
    kind = rng.random()
    if kind < 0.35:
        return rng.randrange(near)
    if kind < 0.55:
        return len(data) - 1 - rng.randrange(near)
    return rng.randrange(len(data))


def _span(rng: Random, data: bytearray) -> slice:
    start = _place(rng, data)
    length = rng.choice((1, 2, 4, 8, 16, 64, 188, 512, 2048, 10000))
    return slice(start, min(len(data), start + rng.randint(1, length)))


def _flip(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        if data:
            data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _replace(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if data:
            data[_place(rng, data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _number(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    _write_number(rng, data, _place(rng, data))


def _write_number(rng: Random, data: bytearray, start: int) -> None:
    width = rng.choice((2, 4, 4, 4, 8))
    value = rng.choice((*NUMBERS, len(data), rng.getrandbits(32))) & ((1 << 8 * width) - 1)
    data[start : start + width] = value.to_bytes(width, rng.choice(("big", "little")))


def _field_after_tag(rng: Random, data: bytearray, tags: Sequence[bytes]) -> None:
    found = [place for tag in tags if (place := data.find(tag)) >= 0]
    if not found:
        return _number(rng, data, ())
    # The length of a box stands before its tag, counts and times stand behind it.
    start = rng.choice(found) + rng.choice((-8, -4, 4, 8, 12, 16, 20, 24, 28, 32, 40))
    if rng.random() < 0.5:
        return _write_number(rng, data, max(0, start))
    start = min(max(0, start), len(data) - 1)
    data[start] ^= 1 << rng.randrange(8)
    return None


def _cut(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _behead(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[: min(_place(rng, data), len(data) // 2)]


def _delete(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_span(rng, data)]


def _double(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    span = _span(rng, data)
    data[span.start : span.start] = data[span] * rng.choice((1, 1, 1, 3, 20))


def _swap(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    first, second = _span(rng, data), _span(rng, data)
    data[first], data[second] = bytes(data[second]), bytes(data[first])


def _zero(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    span = _span(rng, data)
    data[span] = bytes(span.stop - span.start)


def _noise(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    span = _span(rng, data)
    data[span] = rng.randbytes(span.stop - span.start)


def _insert(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = _place(rng, data)
    data[start:start] = rng.randbytes(rng.choice((1, 4, 17, 188, 1000)))


def _splice(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    if not others:
        return _noise(rng, data, others)
    other = bytearray(rng.choice(others))
    place, start = _place(rng, data), _place(rng, other)
    if rng.random() < 0.5:
        data[place:] = other[start:]
    else:
        data[place:place] = other[start : start + rng.choice((16, 300, 5000))]
    return None


_OPERATIONS: tuple[tuple[str, Operation], ...] = (
    ("flip", _flip),
    ("flip", _flip),
    ("replace", _replace),
    ("number", _number),
    ("number", _number),
    ("cut", _cut),
    ("behead", _behead),
    ("delete", _delete),
    ("double", _double),
    ("swap", _swap),
    ("zero", _zero),
    ("noise", _noise),
    ("insert", _insert),
    ("splice", _splice),
)


def hostile_text(rng: Random) -> str:
    """Return a text or a number as text that a reader may not expect."""
    if rng.random() < 0.4:
        return str(rng.choice((1, -1)) * rng.choice(NUMBERS))
    return rng.choice(TEXTS)


def damage_text(rng: Random, text: str, *, separators: str = ' ,"\n') -> tuple[bytes, str]:
    """Return damaged text as bytes, and the names of what was done to it."""
    names = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(("word", "word", "word", "delete", "double", "swap", "cut", "nest"))
        names.append(name)
        text = _damage_text_once(rng, text, name, separators)
    data = text.encode("utf-8", "surrogatepass")
    kind = rng.random()
    if kind < 0.1:
        names.append("mark")
        data = b"\xef\xbb\xbf" + data
    elif kind < 0.15:
        names.append("utf-16")
        data = text.encode("utf-16", "surrogatepass")
    elif kind < 0.3:
        data, name = damage_bytes(rng, data)
        names.append(name)
    return data, "+".join(names)


def _damage_text_once(rng: Random, text: str, name: str, separators: str) -> str:
    borders = [index for index, letter in enumerate(text) if letter in separators]
    start, stop = sorted(rng.choices([0, *borders, len(text)], k=2))
    if name == "cut":
        return text[:start]
    if name == "double":
        return text[:stop] + text[start:stop] * rng.choice((1, 1, 2, 30)) + text[stop:]
    if name == "nest":
        opening = rng.choice(("[", "{", "(", '"', "<a>", "- ", "&a [*a,", "{a: "))
        return text[:start] + opening * rng.choice((1, 3, 100, 5000)) + text[start:]
    # The rest work on one word.
    start = rng.choice([0, *borders]) if borders else 0
    end = next((each for each in borders if each > start), len(text))
    start += bool(borders and start)
    if name == "delete":
        return text[:start] + text[end:]
    if name == "swap":
        other = rng.randrange(len(text) + 1)
        return text[:start] + text[other : other + end - start] + text[end:]
    return text[:start] + hostile_text(rng) + text[end:]


def damage_document(rng: Random, document: Any) -> tuple[Any, str]:
    """Return a copy of a document with other values in it, and what was done."""
    root = [copy.deepcopy(document)]
    names = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        container, key = rng.choice(list(_places(root)))
        name = rng.choice(("value", "value", "value", "remove", "wrap", "double"))
        names.append(name)
        if name == "remove" and container is not root:
            del container[key]
        elif name == "wrap":
            container[key] = rng.choice(([container[key]], {"x": container[key]}))
        elif name == "double" and isinstance(container, list) and container is not root:
            container.append(copy.deepcopy(container[key]))
        else:
            container[key] = _value(rng)
    return root[0], "+".join(names)


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    """Return every list or dictionary of a document with each of its indexes or keys."""
    found: list[tuple[Any, Any]] = []
    waiting: list[Any] = [root]
    while waiting:
        container = waiting.pop()
        pairs = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in pairs:
            found.append((container, key))
            if isinstance(value, list | dict):
                waiting.append(value)
    return found


def _value(rng: Random) -> Any:
    simple = (None, True, False, 0.5, float("nan"), float("inf"), -1e308, [], {}, [[]], [None])
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(simple)
    if kind < 0.6:
        return rng.choice((1, -1)) * rng.choice((*NUMBERS, 10**30, 10**400))
    return rng.choice(TEXTS)


def encode_document(rng: Random, document: Any) -> tuple[bytes, str]:
    """Return a damaged document as JSON, sometimes damaged again as text."""
    damaged, what = damage_document(rng, document)
    text = json.dumps(damaged, indent=rng.choice((None, 1)), ensure_ascii=rng.random() < 0.7)
    if rng.random() < 0.3:
        data, more = damage_text(rng, text)
        return data, f"{what}+{more}"
    return text.encode("utf-8", "surrogatepass"), what
