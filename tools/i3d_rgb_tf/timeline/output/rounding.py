"""Times and scores as every output has them, with as many digits as they deserve."""

from __future__ import annotations

from i3d_rgb_tf.timeline.segments import Segment

__all__ = [
    "MINUTE_SECONDS",
    "clock",
    "round_score",
    "round_seconds",
    "round_span",
    "segment_document",
    "split_time",
    "write_time",
]

MINUTE_SECONDS = 60
_STEP_SECONDS = 0.1


def round_seconds(seconds: float) -> float:
    """Return a time with one decimal: positions are 0.32 s apart.

    >>> round_seconds(12.3456)
    12.3
    """
    return round(float(seconds), 1)


def round_score(score: float) -> float:
    """Return a probability with three decimals.

    >>> round_score(0.98765)
    0.988
    """
    return round(float(score), 3)


def round_span(segment: Segment) -> tuple[float, float]:
    """Return where a segment begins and ends; it is never empty.

    >>> round_span(Segment("juggling", 0.0, 0.04, 0.9, 0.9))
    (0.0, 0.1)
    """
    start = round_seconds(segment.start_seconds)
    return start, max(round_seconds(segment.end_seconds), round_seconds(start + _STEP_SECONDS))


def split_time(seconds: float) -> tuple[int, int, int, int]:
    """Return the hours, minutes, seconds and tenths of a second of a time.

    >>> split_time(3661.96)
    (1, 1, 2, 0)
    """
    minutes, tenths = divmod(round(10 * round_seconds(seconds)), 10 * MINUTE_SECONDS)
    return (*divmod(minutes, 60), *divmod(tenths, 10))


def clock(seconds: float) -> str:
    """Return a time as players show it, with a tenth of a second.

    >>> clock(9.96), clock(75), clock(3600.04)
    ('0:10.0', '1:15.0', '1:00:00.0')
    """
    hours, minutes, rest, tenths = split_time(seconds)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{rest:02}.{tenths}"


def write_time(seconds: float) -> str:
    """Return a time as people write it: in seconds, from a minute on as a clock.

    >>> write_time(3.24), write_time(59.96), write_time(3661)
    ('3.2 s', '1:00.0', '1:01:01.0')
    """
    rounded = round_seconds(seconds)
    return f"{rounded} s" if rounded < MINUTE_SECONDS else clock(rounded)


def segment_document(segment: Segment) -> dict[str, str | float]:
    """Return what JSON has of a segment."""
    start, end = round_span(segment)
    return {
        "label": segment.label,
        "start_seconds": start,
        "end_seconds": end,
        "mean_score": round_score(segment.mean_score),
        "peak_score": round_score(segment.peak_score),
    }
