"""Progress on standard error: bars on a terminal, and for a long list lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

__all__ = ["hourly", "progress_bar", "with_progress", "with_rate"]

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


def with_progress(results: Iterable[_Result], count: int) -> Iterator[_Result]:
    """Yield each of `count` results while the bar is not drawn, so that it can be printed.

    Without a terminal, nothing is shown.
    """
    if count == 1:
        # A bar would show nothing, and its import would delay the first result.
        return iter(results)
    return _with_bar(results, count, unit="video", disable=None)


def hourly(num_videos: float, seconds: float) -> str:
    """Say how many videos an hour this is."""
    return f"{num_videos * 3600 / max(seconds, 1e-9):.0f} videos per hour"


def with_rate(results: Iterable[_Result], count: int) -> Iterator[_Result]:
    """Yield each of `count` results as `with_progress`, and show the videos per hour too.

    Without a terminal, they are shown in lines, at most once a minute.
    """
    if not sys.stderr.isatty():
        return _with_lines(results, count)
    style = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} videos, {remaining} left{postfix}"
    return _with_bar(results, count, on_update=_show_rate, bar_format=style)


def _with_bar(
    results: Iterable[_Result],
    count: int,
    *,
    on_update: Callable[[Any], object] = lambda _: None,
    **style: Any,
) -> Iterator[_Result]:
    from tqdm import tqdm

    from i3d_rgb_tf.commands.terminal import exact_stream

    stream = exact_stream(sys.stderr)
    with tqdm(total=count, file=stream, **style) as bar:
        for result in results:
            with bar.external_write_mode(file=stream):
                yield result
            bar.update()
            on_update(bar)


def _show_rate(bar: Any) -> None:
    bar.set_postfix_str(hourly(bar.format_dict["rate"] or 0, 1), refresh=False)


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
