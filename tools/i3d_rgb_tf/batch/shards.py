"""Parts of a list, and the key of a video: both depend on nothing but how the list names it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["WHOLE", "Shard", "list_digest", "video_key"]

_KEY_CHARACTERS = 16
"""Hexadecimal; with a million videos, two have the same key with a probability of 1 in 37
million."""


def video_key(video: str) -> str:
    """Return what names a video by its path or URL, as the list has it: 16 hexadecimal digits.

    >>> video_key("a/cricket.mp4")
    'aabe9ec94e9c7bda'
    """
    digest = hashlib.sha256(video.encode("utf-8", "surrogateescape")).hexdigest()
    return digest[:_KEY_CHARACTERS]


def list_digest(videos: Iterable[str]) -> str:
    """Return the SHA-256 of a list, whatever its order is.

    >>> list_digest(["a.mp4", "b.mp4"]) == list_digest(["b.mp4", "a.mp4"])
    True
    """
    return hashlib.sha256("".join(sorted(map(video_key, videos))).encode()).hexdigest()


@dataclass(frozen=True)
class Shard:
    """One of several parts of a list.

    Which part a video is in depends on its path or URL and on the number of parts, not on the order
    of the list, and not on the machine.
    """

    index: int = 1
    """Which, from 1 on."""
    count: int = 1
    """Of how many."""

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise ValueError(
                f"shard is {self}, expected I/N with I from 1 to N, such as 1/4 to 4/4"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard of a text.

        >>> Shard.parse("2/4")
        Shard(index=2, count=4)

        Raises
        ------
        ValueError
            The text is not I/N, with I from 1 to N.
        """
        if not re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}", text, re.ASCII):
            raise ValueError(f"shard is {text!r}, expected I/N, such as 1/4 to 4/4")
        index, _, count = text.partition("/")
        return cls(int(index), int(count))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def holds(self, video: str) -> bool:
        """Return whether a video is in this part."""
        return int(video_key(video), 16) % self.count == self.index - 1


WHOLE = Shard()
"""The whole list."""
