"""The ticks of an axis of time."""

from __future__ import annotations

from dataclasses import dataclass

from i3d_rgb_tf.timeline.output.rounding import MINUTE_SECONDS, clock

__all__ = ["STEPS_SECONDS", "Tick", "time_ticks"]

_HOUR_SECONDS = 60 * MINUTE_SECONDS
STEPS_SECONDS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(MINUTE_SECONDS * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(_HOUR_SECONDS * hours for hours in (1, 2, 3, 6, 12, 24)),
)
"""From one tick to the next; the page of a timeline draws an axis by the same rules."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis of time."""

    seconds: float
    """Where it is."""
    text: str
    """What is written there."""


def time_ticks(duration_seconds: float, *, most: int) -> list[Tick]:
    """Return at most so many ticks, and one more at 0, at round times.

    Examples
    --------
    >>> [tick.text for tick in time_ticks(3, most=4)]
    ['0:00', '0:01', '0:02', '0:03']
    >>> [tick.text for tick in time_ticks(0.5, most=4)]
    ['0:00.0', '0:00.2', '0:00.4']
    >>> [tick.text for tick in time_ticks(9000, most=4)]
    ['0:00', '1:00:00', '2:00:00']
    """
    fitting = (step for step in STEPS_SECONDS if duration_seconds / step <= most)
    step = next(fitting, duration_seconds)
    times = [index * step for index in range(int(duration_seconds / step + 1e-9) + 1)]
    return [Tick(seconds, _text(seconds, step)) for seconds in times]


def _text(seconds: float, step: float) -> str:
    text = clock(seconds)
    return text if step < 1 else text.removesuffix(".0")
