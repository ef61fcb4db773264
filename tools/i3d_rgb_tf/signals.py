"""Signals that ask a process to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["STOP_SIGNALS", "handled", "stop_signals_later"]

STOP_SIGNALS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
"""Signals that end a process, and how it says so; Windows has no SIGHUP."""


@contextmanager
def handled(
    names: Iterable[str],
    handler: Callable[[int, FrameType | None], object],
    *,
    instead_of: Callable[[Any], bool],
) -> Iterator[dict[int, Any]]:
    """Let a function handle signals during the body.

    Handlers can only be set in the main thread; in another, nothing changes.

    Parameters
    ----------
    names
        Of the signals; those that the system does not have are left out.
    handler
        What handles them.
    instead_of
        Says of the handler of a signal whether it is replaced. A signal that is ignored should
        stay ignored, as nohup wants it.

    Yields
    ------
    dict
        The handlers that are replaced, by the number of the signal.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        found = {number: signal.getsignal(number) for number in numbers}
        before = {number: old for number, old in found.items() if instead_of(old)}
    try:
        for number in before:
            signal.signal(number, handler)
        yield before
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def stop_signals_later() -> Iterator[Callable[[], bool]]:
    """Let the first signal that asks to stop wait until the body has ended; give whether it came.

    A signal that is ignored stays ignored. A second one is handled at once, and so is each in a
    process that is forked meanwhile.
    """
    received: list[int] = []
    process = os.getpid()

    def receive(number: int, frame: FrameType | None) -> None:
        if received or os.getpid() != process:
            before[number](number, frame)
        received.append(number)

    with handled(STOP_SIGNALS, receive, instead_of=callable) as before:
        yield lambda: bool(received)
    if received:
        before[received[0]](received[0], None)
