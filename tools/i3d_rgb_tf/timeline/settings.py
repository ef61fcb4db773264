"""When an action begins and ends, by the probabilities over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from i3d_rgb_tf.labels import check_labels

__all__ = ["SegmentSettings"]

_LEAVE = 0.25


@dataclass(frozen=True)
class SegmentSettings:
    """How segments are found; checked at construction. docs/timeline.md has how it was chosen."""

    enter: float = 0.5
    """A segment has a position whose probability is at least this, 0..1."""
    leave: float = None  # type: ignore[assignment]
    """It lasts as long as the probability is at least this, 0..`enter`. If it is not given, 0.25,
    or `enter` if that is lower."""
    min_seconds: float = 1.0
    """Shorter segments are left out."""
    merge_seconds: float = 1.0
    """Segments of one label become one if the gap between them is not longer."""
    smooth_seconds: float = 0.0
    """Over how long probabilities are averaged before; 0 for not."""
    labels: Sequence[str] | None = None
    """Labels that are looked for; None for all 400. The probabilities stay those among all 400."""

    def __post_init__(self) -> None:
        if not 0 < self.enter <= 1:
            raise ValueError(f"enter is {self.enter}, expected more than 0 and at most 1")
        if cast("float | None", self.leave) is None:
            object.__setattr__(self, "leave", min(_LEAVE, self.enter))
        if not 0 < self.leave <= self.enter:
            raise ValueError(
                f"leave is {self.leave}, expected more than 0 and at most enter, {self.enter}"
            )
        for name in ("min_seconds", "merge_seconds", "smooth_seconds"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name} is {value}, expected 0 or more, and finite")
        if self.labels is not None:
            if isinstance(self.labels, str) or not self.labels:
                raise ValueError(
                    f"labels is {self.labels!r}, expected a tuple of names, such as "
                    "('smoking',), or None for all"
                )
            object.__setattr__(self, "labels", check_labels(self.labels))
