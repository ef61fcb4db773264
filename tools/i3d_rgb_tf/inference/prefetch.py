"""Prefetch: read several sources at once and yield their items in order, in bounded memory."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["prefetch"]

_Item = TypeVar("_Item")

_WAIT_SECONDS = 0.1
"""Longest single wait of a thread; between waits it checks whether it should stop."""


def prefetch(
    sources: Iterable[Callable[[], Iterator[_Item]]], workers: int = 1
) -> Generator[_Item, None, None]:
    """Yield the items of each source in order, while the next sources are read.

    Decoders release the GIL, so threads are enough. With one worker, the caller's thread reads.

    Parameters
    ----------
    sources
        Functions that return an iterator. Each is called once, and the thread that calls it also
        reads the iterator.
    workers
        Number of sources read at once. For each, at most one item is ready while another is read.

    Examples
    --------
    >>> list(prefetch([lambda: iter("ab"), lambda: iter("c")], workers=2))
    ['a', 'b', 'c']
    """
    if workers <= 1:
        for source in sources:
            yield from source()
        return
    stop = threading.Event()
    started: deque[queue.Queue[Any]] = deque()
    with ThreadPoolExecutor(workers, "read") as pool:
        try:
            for source in sources:
                items: queue.Queue[Any] = queue.Queue(maxsize=1)
                pool.submit(_fill, items, source, stop)
                started.append(items)
                if len(started) == workers:
                    yield from _drain(started.popleft())
            while started:
                yield from _drain(started.popleft())
        finally:
            stop.set()


@dataclass(frozen=True)
class _End:
    """The end of a source."""

    error: BaseException | None = None
    """What stopped the source; None if it is complete."""


def _fill(
    items: queue.Queue[Any], source: Callable[[], Iterator[Any]], stop: threading.Event
) -> None:
    end = _End()
    try:
        for item in source():
            if not _put(items, item, stop):
                return
    except BaseException as error:  # noqa: BLE001 - raised in the caller's thread.
        end = _End(error)
    _put(items, end, stop)


def _put(items: queue.Queue[Any], item: object, stop: threading.Event) -> bool:
    """Add an item when there is room; return False if reading should stop."""
    while not stop.is_set():
        try:
            items.put(item, timeout=_WAIT_SECONDS)
        except queue.Full:
            continue
        return True
    return False


def _drain(items: queue.Queue[Any]) -> Iterator[Any]:
    while not isinstance(item := items.get(), _End):
        yield item
    if item.error:
        raise item.error
