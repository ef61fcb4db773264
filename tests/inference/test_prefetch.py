"""Sources are read at the same time, their items are in order, and reading can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from i3d_rgb_tf.inference.prefetch import prefetch

NUM_SOURCES = 5
TIMEOUT_SECONDS = 60
"""How long to wait for an event; only a failing test waits so long."""


def _threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("read")]


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
def test_items_are_in_order_for_any_number_of_workers(workers: int) -> None:
    at_once = min(workers, NUM_SOURCES)
    is_read = [threading.Event() for _ in range(NUM_SOURCES)]
    order: list[int] = []

    def source(number: int) -> Callable[[], Iterator[str]]:
        def give() -> Iterator[str]:
            # Of the sources that are started together, the last one is read first.
            if number + 1 < at_once:
                assert is_read[number + 1].wait(TIMEOUT_SECONDS)
            order.append(number)
            is_read[number].set()
            for index in range(3):
                yield f"{number}.{index}"

        return give

    found = list(prefetch([source(number) for number in range(NUM_SOURCES)], workers))

    assert found == [f"{number}.{index}" for number in range(NUM_SOURCES) for index in range(3)]
    assert order[:at_once] == list(reversed(range(at_once)))


def test_at_most_two_items_of_a_source_are_read_ahead() -> None:
    workers, num_items = 3, 6
    taken = [0] * NUM_SOURCES
    made: set[tuple[int, int]] = set()
    most_ahead = 0
    changed = threading.Condition()

    def source(number: int) -> Callable[[], Iterator[int]]:
        def give() -> Iterator[int]:
            nonlocal most_ahead
            # A source starts only when a worker is free.
            assert number < workers or taken[number - workers] == num_items
            for index in range(num_items):
                with changed:
                    made.add((number, index))
                    most_ahead = max(most_ahead, index - taken[number])
                    changed.notify_all()
                yield number

        return give

    items = prefetch([source(number) for number in range(NUM_SOURCES)], workers)
    taken[next(items)] += 1

    # Of the first source one item is taken, one is ready and one is read; of the others, no item
    # is taken.
    ahead = {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1)}
    with changed:
        assert changed.wait_for(lambda: ahead <= made, TIMEOUT_SECONDS)
        assert made == ahead
    for number in items:
        taken[number] += 1

    assert taken == [num_items] * NUM_SOURCES
    # One item is passed on, one is ready and one is read.
    assert most_ahead <= 2


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def good() -> Iterator[str]:
        return iter("abc")

    def fail() -> Iterator[str]:
        yield "x"
        raise OSError("broken")

    found = []
    with pytest.raises(OSError, match="broken"):
        for item in prefetch([good, fail, good], 3):
            found.append(item)  # noqa: PERF402

    assert found == ["a", "b", "c", "x"]
    assert _threads() == []


def test_no_thread_is_left_when_the_reader_stops_early() -> None:
    items = prefetch([lambda: iter("abc")] * NUM_SOURCES, 3)

    assert next(items) == "a"
    assert _threads()
    items.close()

    assert _threads() == []
