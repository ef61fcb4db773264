"""Do something with each of many items in several threads, with the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["map_in_order"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD = 4
"""Items per thread that are begun before the first result is taken: one may take long."""


def map_in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], num_threads: int
) -> Iterator[_Result]:
    """Yield what a function returns for each item, in order; few items are held at once.

    Where the caller stops early, or is interrupted, what has not begun is left out, and nobody
    waits for the rest.

    Parameters
    ----------
    function
        It is called in other threads; what it raises is raised.
    items
        They are taken as they are needed.
    num_threads
        How many at once, 1 or more.
    """
    pool = ThreadPoolExecutor(num_threads)
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > _AHEAD * num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
