"""Read several videos at once and give what they hold in order, in bounded memory."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["read_ahead"]

_Item = TypeVar("_Item")

_SECONDS = 0.1
"""How often a thread that waits looks whether it is still wanted."""


def read_ahead(
    sources: Iterable[Callable[[], Iterator[_Item]]], workers: int = 1
) -> Generator[_Item, None, None]:
    """Yield what each source gives, one source after the other, however they are read.

    Decoders and image libraries let other threads run while they work, so threads do. One worker
    is the thread of the caller.

    Parameters
    ----------
    sources
        Each is called once, and consumed in the thread that called it.
    workers
        How many are read at once; of each, one item is ready and one in the making.

    Examples
    --------
    >>> list(read_ahead([lambda: iter("ab"), lambda: iter("c")], workers=2))
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
    """What comes after the last item of a source."""

    error: BaseException | None = None
    """Why there are no more, if not all were given."""


def _fill(
    items: queue.Queue[Any], source: Callable[[], Iterator[Any]], stop: threading.Event
) -> None:
    end = _End()
    try:
        for item in source():
            if not _put(items, item, stop):
                return
    except BaseException as error:  # noqa: BLE001 - the thread that asked raises it.
        end = _End(error)
    _put(items, end, stop)


def _put(items: queue.Queue[Any], item: object, stop: threading.Event) -> bool:
    """Wait until there is room; return False when nobody wants more."""
    while not stop.is_set():
        try:
            items.put(item, timeout=_SECONDS)
        except queue.Full:
            continue
        return True
    return False


def _drain(items: queue.Queue[Any]) -> Iterator[Any]:
    while not isinstance(item := items.get(), _End):
        yield item
    if item.error:
        raise item.error
