"""What comes of a live stream, and waits to be inferred."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND

__all__ = ["Block", "Connected", "Ended", "Item", "Lost", "Skipped", "Waiting"]


@dataclass(frozen=True)
class Connected:
    """Frames begin to come, or come again."""

    time_seconds: float
    """Time of the stream of the first of them."""


@dataclass(frozen=True)
class Block:
    """Eight frames in a row, which stand for a position; fewer at the end of a section."""

    start_seconds: float
    """Time of the stream at which they begin."""
    frames: NDArray[np.uint8]
    """(frames, 224, 224, 3) uint8, RGB, 0..255."""
    is_first: bool
    """Whether a section begins with it."""

    @property
    def end_seconds(self) -> float:
        """Time of the stream at which they end."""
        return self.start_seconds + len(self.frames) / FRAMES_PER_SECOND


@dataclass(frozen=True)
class Skipped:
    """Blocks of a section that followed each other and are left out."""

    start_seconds: float
    """Where the first begins."""
    end_seconds: float
    """Where the last ends."""
    num_positions: int
    """Positions that end with one of them: a position needs its block and the next."""

    def joined(self, before: Skipped) -> Skipped:
        """Return it with what was left out right before it."""
        count = before.num_positions + self.num_positions
        return Skipped(before.start_seconds, self.end_seconds, count)


@dataclass(frozen=True)
class Lost:
    """No more frames come for now."""

    reason: str
    """Why."""


@dataclass(frozen=True)
class Ended:
    """No more frames will come."""

    error: BaseException | None = None
    """What ended the thread, or the input; None at the end of the input."""


Item = Connected | Block | Skipped | Lost | Ended


_MOST_ITEMS = 1000
"""Items of all kinds that wait; a sender whose times jump at each frame makes three of each."""


class Waiting:
    """What has been read and waits, in order.

    When `most` blocks wait and another comes, the oldest are skipped, so that `kept` remain with
    the new one. Or the new one waits until there is room, where the sender can wait.
    """

    def __init__(self, *, most: int, kept: int, sender_waits: bool) -> None:
        self._most = most
        self._kept = kept
        self._sender_waits = sender_waits
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, item: Item) -> None:
        """Append an item; nothing after `close`."""
        with self._changed:
            while self._has_to_wait(item) and not self._is_closed:
                self._changed.wait()
            if self._is_full(item):
                self._skip()
            if not self._is_closed:
                self._items.append(item)
            self._changed.notify_all()

    def get(self, timeout: float) -> Item | None:
        """Return the first item, or None if there is none in so many seconds."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout)
            item = self._items.popleft() if self._items else None
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Forget what waits."""
        with self._changed:
            self._is_closed = True
            self._items.clear()
            self._changed.notify_all()

    def _num_blocks(self) -> int:
        return sum(isinstance(item, Block) for item in self._items)

    def _has_to_wait(self, item: Item) -> bool:
        is_full = self._sender_waits and self._is_full(item)
        return is_full or len(self._items) >= _MOST_ITEMS

    def _is_full(self, item: Item) -> bool:
        return isinstance(item, Block) and self._num_blocks() >= self._most

    def _skip(self) -> None:
        left = self._num_blocks() - (self._kept - 1)
        items: deque[Item] = deque()
        for item in self._items:
            if isinstance(item, Block) and left:
                left -= 1
                # The first block of a section ends no position.
                skipped = Skipped(item.start_seconds, item.end_seconds, 0 if item.is_first else 1)
                if items and isinstance(before := items[-1], Skipped):
                    items[-1] = skipped.joined(before)
                else:
                    items.append(skipped)
            else:
                items.append(item)
        self._items = items
