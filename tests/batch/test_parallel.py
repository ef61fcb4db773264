from __future__ import annotations

import itertools
import threading
import time

import pytest

from i3d_rgb_tf.batch.parallel import map_in_order


@pytest.mark.parametrize("num_threads", [1, 3])
def test_results_are_in_the_order_of_the_items(num_threads: int) -> None:
    assert list(map_in_order(lambda item: item * 2, range(100), num_threads)) == list(
        range(0, 200, 2)
    )


def test_items_are_taken_as_they_are_needed() -> None:
    taken = itertools.count()

    results = map_in_order(lambda item: item, (next(taken) for _ in itertools.count()), 2)

    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert next(taken) < 30


def test_several_are_done_at_once() -> None:
    meeting = threading.Barrier(3, timeout=20)

    assert len(list(map_in_order(lambda _: meeting.wait(), range(3), 3))) == 3


def test_what_an_item_raises_is_raised_in_its_place() -> None:
    results = map_in_order(lambda item: 1 // item, [1, 0], 2)

    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_nobody_waits_for_the_rest_where_the_caller_stops() -> None:
    begun, held = threading.Event(), threading.Event()
    items: list[int] = []

    def work(item: int) -> int:
        items.append(item)
        if item:
            begun.set()
            held.wait(20)
        return item

    results = map_in_order(work, range(1000), 1)
    next(results)
    assert begun.wait(20)
    begin = time.monotonic()
    results.close()

    assert time.monotonic() - begin < 10
    held.set()
    assert items == [0, 1]
