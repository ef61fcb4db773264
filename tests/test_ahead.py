"""Sources are read at once, given in order, and left alone when nobody wants more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from i3d_rgb_tf.ahead import read_ahead


def _source(number: int, events: list[str], seconds: float = 0.0) -> Callable[[], Iterator[str]]:
    def give() -> Iterator[str]:
        for index in range(3):
            time.sleep(seconds)
            events.append(f"{number}.{index}")
            yield f"{number}.{index}"

    return give


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
def test_the_order_does_not_depend_on_the_workers(workers: int) -> None:
    sources = [_source(number, [], 0.002 * (5 - number)) for number in range(5)]

    found = list(read_ahead(sources, workers))

    assert found == [f"{number}.{index}" for number in range(5) for index in range(3)]


def test_later_sources_are_read_before_they_are_wanted_but_not_far() -> None:
    events: list[str] = []
    items = read_ahead([_source(number, events) for number in range(5)], 3)

    next(items)
    time.sleep(0.3)

    # One is taken, one is ready and one is in the making of the first; two of each other.
    assert sorted(events) == ["0.0", "0.1", "0.2", "1.0", "1.1", "2.0", "2.1"]
    items.close()


def test_an_error_is_raised_in_its_turn() -> None:
    def fail() -> Iterator[str]:
        yield "x"
        raise OSError("broken")

    found = []
    with pytest.raises(OSError, match="broken"):
        for item in read_ahead([_source(0, []), fail, _source(1, [])], 3):
            found.append(item)  # noqa: PERF402

    assert found == ["0.0", "0.1", "0.2", "x"]


def test_no_thread_is_left_when_nobody_wants_more() -> None:
    items = read_ahead([_source(number, []) for number in range(5)], 3)
    next(items)

    items.close()

    assert [each.name for each in threading.enumerate() if each.name.startswith("read")] == []
