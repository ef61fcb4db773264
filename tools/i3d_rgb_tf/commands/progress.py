"""A progress bar on standard error for what reports its progress, none without a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give what to pass as `on_progress`: it takes the number done and the number of all."""
    from tqdm import tqdm

    from i3d_rgb_tf.commands.terminal import exact_stream

    stream = exact_stream(sys.stderr)
    with tqdm(unit=unit, unit_scale=unit == "B", disable=None, leave=False, file=stream) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            bar.refresh()

        yield show
