"""A timeline for people: a line about the video, and one for each segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from i3d_rgb_tf.errors import escape_controls
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.rounding import (
    MINUTE_SECONDS,
    clock,
    round_score,
    round_span,
    write_time,
)
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.segments import Segment

__all__ = ["render_text"]


def render_text(timelines: Iterable[Timeline]) -> Iterator[str]:
    r"""Yield the lines of each timeline; a control character of a name is an escape, as ``\n``."""
    for timeline in timelines:
        yield "".join(f"{line}\n" for line in _lines(timeline))


def _lines(timeline: Timeline) -> Iterator[str]:
    yield (
        f"{escape_controls(timeline.video)}: {write_time(timeline.duration_seconds)}, "
        f"{timeline.num_frames} frames, {timeline.num_positions} "
        f"{'position' if timeline.num_positions == 1 else 'positions'}, "
        f"weights {timeline.network.weights}"
    )
    if timeline.num_positions == 1:
        yield "  up to 79 frames: one position stands for the whole video"
    for each in timeline.segments:
        yield f"{_span(each, timeline.duration_seconds)}  {each.mean_score:.2f}  {each.label}"
    if not timeline.segments:
        yield f"  no segments: {_reason(timeline)}"


def _span(segment: Segment, duration_seconds: float) -> str:
    """Return when a segment is: in seconds, or in a video of a minute or more as a clock.

    >>> segment = Segment("juggling", 2.0, 9.04, 0.9, 0.9)
    >>> _span(segment, 10), _span(segment, 3600)
    ('     2.0 -    9.0 s', '    0:02.0 -    0:09.0')
    """
    start, end = round_span(segment)
    if duration_seconds < MINUTE_SECONDS:
        return f"{start:8.1f} - {end:6.1f} s"
    return f"{clock(start):>10} - {clock(end):>9}"


def _reason(timeline: Timeline) -> str:
    """Return why there are no segments, and what to do to get some."""
    settings = timeline.settings
    short = timeline.with_settings(replace(settings, min_seconds=0)).segments
    if short:
        longest = max(short, key=lambda each: each.duration_seconds)
        return (
            f"the longest, {longest.label} at {write_time(longest.start_seconds)}, lasts "
            f"{longest.duration_seconds:.2f} s, under --min-seconds {settings.min_seconds:g}; "
            "lower that"
        )
    score, when = _highest(timeline)
    enter = f"under --enter {settings.enter:g}"
    if score < settings.enter:
        is_close = round_score(score) >= settings.enter
        number = f"almost {settings.enter:g}" if is_close else f"{score:.3f}"
        return f"the highest probability is {number}, {when}, {enter}; lower that"
    return (
        f"the highest probability is {score:.3f}, {when}, but {enter} when averaged over "
        f"--smooth-seconds {settings.smooth_seconds:g}; lower one of them"
    )


def _highest(timeline: Timeline) -> tuple[float, str]:
    """Return the highest probability of the labels looked for, and of which and when it is."""
    labels = timeline.settings.labels or load_labels()
    probabilities = timeline.probabilities[:, [load_labels().index(label) for label in labels]]
    position, best = divmod(int(probabilities.argmax()), len(labels))
    when = write_time(timeline.times_seconds[position])
    return float(probabilities[position, best]), f"{labels[best]} at {when}"
