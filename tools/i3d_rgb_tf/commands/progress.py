"""Progress on standard error: bars on a terminal, and for a long list lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

__all__ = ["hourly", "progress_bar", "with_rate"]

_SECONDS_PER_LINE = 60
_Result = TypeVar("_Result")


@contextmanager
def progress_bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give what to pass as `on_progress`: it takes the number done and the number of all.

    Without a terminal, nothing is shown.
    """
    from tqdm import tqdm

    from i3d_rgb_tf.commands.terminal import exact_stream

    stream = exact_stream(sys.stderr)
    with tqdm(unit=unit, unit_scale=unit == "B", disable=None, leave=False, file=stream) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            bar.refresh()

        yield show


def hourly(num_videos: float, seconds: float) -> str:
    """Say how many videos an hour this is."""
    return f"{num_videos * 3600 / max(seconds, 1e-9):.0f} videos per hour"


def with_rate(results: Iterable[_Result], count: int) -> Iterator[_Result]:
    """Yield the result of each of `count` videos, and show how many are done and how fast.

    The caller may print while it has a result.
    """
    show = _with_bar if sys.stderr.isatty() else _with_lines
    return show(results, count)


def _with_bar(results: Iterable[_Result], count: int) -> Iterator[_Result]:
    from tqdm import tqdm

    from i3d_rgb_tf.commands.terminal import exact_stream

    stream = exact_stream(sys.stderr)
    style = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} videos, {remaining} left{postfix}"
    with tqdm(total=count, bar_format=style, file=stream) as progress:
        for result in results:
            with progress.external_write_mode(file=stream):
                yield result
            progress.update()
            rate = progress.format_dict["rate"] or 0
            progress.set_postfix_str(hourly(rate, 1), refresh=False)


def _with_lines(results: Iterable[_Result], count: int) -> Iterator[_Result]:
    from tqdm import tqdm

    from i3d_rgb_tf.commands.terminal import print_lines

    start = printed = monotonic()
    for done, result in enumerate(results, 1):
        yield result
        now = monotonic()
        if now - printed < _SECONDS_PER_LINE or done == count:
            continue
        printed = now
        left = tqdm.format_interval((now - start) * (count - done) / done)
        print_lines(
            f"{done}/{count} videos, {left} left, {hourly(done, now - start)}", file=sys.stderr
        )
