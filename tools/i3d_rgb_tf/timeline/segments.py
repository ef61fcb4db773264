"""Find when actions happen: hysteresis over the probabilities of each label, position by position.

A segment of a label lasts while its probability is at least ``leave``, if it somewhere reaches
``enter``. Here ``enter`` is 0.5 and ``leave`` is 0.25::

    probability    .1  .3  .6  .4  .2  .4  .1  .2  .7  .1
    segments           |---------|                 |-|

Segments with a short gap between them are joined, then short ones are left out. All of it is
decided as the positions come, so that live streams have the segments of files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.settings import SegmentSettings

__all__ = ["Change", "Segment", "SegmentFinder", "find_segments", "is_longer"]

_Row = NDArray[np.float32]

_Kind = Literal["open", "grow", "close"]

_GROW_SECONDS = 1.0
"""How much longer a segment has become when that is a change."""

_TOLERANCE_SECONDS = 1e-6


@dataclass(frozen=True)
class Segment:
    """When an action happens."""

    label: str
    """Name of the action."""
    start_seconds: float
    """Where it begins, from the first frame of the video on."""
    end_seconds: float
    """Where it ends; half-open."""
    mean_score: float
    """Mean probability, 0..1."""
    peak_score: float
    """Largest probability, 0..1."""

    @property
    def duration_seconds(self) -> float:
        """How long it lasts."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True)
class Change:
    """What became of a segment."""

    kind: _Kind
    """``open``: it is known to be one; ``grow``: it has become longer; ``close``: it has ended."""
    segment: Segment
    """As it is now."""


def is_longer(seconds: float, other_seconds: float) -> bool:
    """Return whether a time is longer than another, where both may have rounding errors.

    >>> 0.1 + 0.2 > 0.3, is_longer(0.1 + 0.2, 0.3)
    (True, False)
    """
    return seconds - other_seconds > _TOLERANCE_SECONDS


def find_segments(
    start_seconds: NDArray[np.float64],
    end_seconds: NDArray[np.float64],
    probabilities: NDArray[np.float32],
    settings: SegmentSettings | None = None,
) -> tuple[Segment, ...]:
    """Return the segments of a video, by their starts.

    Parameters
    ----------
    start_seconds, end_seconds
        (positions,) float64: which time each position stands for, half-open; each ends where the
        next begins.
    probabilities
        (positions, 400) float32, 0..1.
    settings
        How segments are found.
    """
    finder = SegmentFinder(settings)
    changes: list[Change] = []
    for start, end, row in zip(start_seconds, end_seconds, probabilities, strict=True):
        changes += finder.add(float(start), float(end), row)
    changes += finder.finish()
    found = (each.segment for each in changes if each.kind == "close")
    return tuple(sorted(found, key=lambda each: (each.start_seconds, each.end_seconds)))


class SegmentFinder:
    """Takes positions one by one, and reports what becomes of segments."""

    def __init__(self, settings: SegmentSettings | None = None) -> None:
        self._settings = settings or SegmentSettings()
        self._smoother = _Smoother(self._settings.smooth_seconds)
        chosen = self._settings.labels
        self._columns = [load_labels().index(label) for label in chosen] if chosen else None
        self._runs: dict[int, _Run] = {}

    def add(self, start: float, end: float, row: _Row) -> list[Change]:
        """Take the next position: its time, and (400,) float32 probabilities."""
        return self._take_all(self._smoother.add(start, end, row))

    def finish(self) -> list[Change]:
        """Take the end of the video, or of what is known of it: all segments close."""
        changes = self._take_all(self._smoother.finish())
        for run in self._runs.values():
            changes += run.close()
        self._runs.clear()
        return changes

    def _take_all(self, rows: Iterable[tuple[float, float, _Row]]) -> list[Change]:
        changes: list[Change] = []
        for start, end, row in rows:
            changes += self._take(start, end, row)
        return changes

    def _take(self, start: float, end: float, row: _Row) -> Iterator[Change]:
        for column in np.flatnonzero(row >= self._settings.leave).tolist():
            if column not in self._runs and (self._columns is None or column in self._columns):
                self._runs[column] = _Run(load_labels()[column], self._settings)
        for column, run in list(self._runs.items()):
            yield from run.add(start, end, float(row[column]))
            if run.is_over:
                del self._runs[column]


class _Smoother:
    """Averages each row with its neighbours, as far as there are any."""

    def __init__(self, seconds: float) -> None:
        self._reach = seconds / 2 + _TOLERANCE_SECONDS if seconds else 0
        self._rows: deque[tuple[float, float, _Row]] = deque()
        self._next = 0

    def add(self, start: float, end: float, row: _Row) -> Iterator[tuple[float, float, _Row]]:
        """Take a row, and yield those whose neighbours are all known."""
        if not self._reach:
            yield start, end, row
            return
        self._rows.append((start, end, row))
        while self._next < len(self._rows) and self._middle(self._next) + self._reach <= end:
            yield self._mean()

    def finish(self) -> Iterator[tuple[float, float, _Row]]:
        """Yield the other rows."""
        while self._next < len(self._rows):
            yield self._mean()

    def _middle(self, index: int) -> float:
        start, end, _ = self._rows[index]
        return (start + end) / 2

    def _mean(self) -> tuple[float, float, _Row]:
        middle = self._middle(self._next)
        while self._middle(0) < middle - self._reach:
            self._rows.popleft()
            self._next -= 1
        near = [row for start, end, row in self._rows if (start + end) / 2 <= middle + self._reach]
        start, end, _ = self._rows[self._next]
        self._next += 1
        return start, end, np.mean(near, axis=0, dtype=np.float32)


@dataclass
class _Stretch:
    """Positions that follow each other."""

    start: float
    end: float = 0.0
    total: float = 0.0
    """Sum of the probabilities."""
    count: int = 0
    peak: float = 0.0

    def add(self, end: float, probability: float) -> None:
        self.end = end
        self.total += probability
        self.count += 1
        self.peak = max(self.peak, probability)

    def join(self, later: _Stretch | None) -> None:
        """Append what follows, if there is any."""
        if later:
            self.end = later.end
            self.total += later.total
            self.count += later.count
            self.peak = max(self.peak, later.peak)


class _Run:
    """What is going on with one label: a segment, the gap after it, and what may be the next.

    ::

        probability    .3  .6  .4  .2  .1  .4  .4
                       |segment|  | gap | |rise|
    """

    def __init__(self, label: str, settings: SegmentSettings) -> None:
        self._label = label
        self._settings = settings
        self._segment: _Stretch | None = None
        self._gap: _Stretch | None = None
        self._rise: _Stretch | None = None
        """At least ``leave``, and not yet ``enter``."""
        self._told: float | None = None
        """Until when the segment lasted when it was last told of; None if it was not."""

    @property
    def is_over(self) -> bool:
        """Whether nothing is left that may be a segment."""
        return self._segment is None and self._rise is None

    def add(self, start: float, end: float, probability: float) -> Iterator[Change]:
        if probability < self._settings.leave:
            yield from self._add_low(start, end, probability)
        elif self._segment and not self._gap:
            self._segment.add(end, probability)
            yield from self._tell()
        else:
            self._rise = self._rise or _Stretch(start)
            self._rise.add(end, probability)
            if probability >= self._settings.enter:
                yield from self._enter(self._rise)

    def close(self) -> Iterator[Change]:
        """End the segment, if there is one."""
        if self._segment and self._told is not None:
            yield Change("close", self._as_segment(self._segment))
        self._segment = self._gap = self._rise = self._told = None

    def _add_low(self, start: float, end: float, probability: float) -> Iterator[Change]:
        if self._segment:
            self._gap = self._gap or _Stretch(start)
            self._gap.join(self._rise)
            self._gap.add(end, probability)
            if is_longer(end - self._segment.end, self._settings.merge_seconds):
                yield from self.close()
        self._rise = None

    def _enter(self, rise: _Stretch) -> Iterator[Change]:
        if self._segment:
            # A gap that is too long has closed it.
            self._segment.join(self._gap)
            self._segment.join(rise)
        else:
            self._segment = rise
        self._gap = self._rise = None
        yield from self._tell()

    def _tell(self) -> Iterator[Change]:
        segment = self._segment
        if not segment or is_longer(self._settings.min_seconds, segment.end - segment.start):
            return
        if self._told is None or not is_longer(_GROW_SECONDS, segment.end - self._told):
            kind: _Kind = "grow" if self._told is not None else "open"
            yield Change(kind, self._as_segment(segment))
            self._told = segment.end

    def _as_segment(self, stretch: _Stretch) -> Segment:
        mean = stretch.total / stretch.count
        return Segment(self._label, stretch.start, stretch.end, mean, stretch.peak)
