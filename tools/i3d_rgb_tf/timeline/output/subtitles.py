"""Segments as subtitles, WebVTT and SRT: a cue for each, which players show over the video.

Cues of different labels may overlap, as the segments do; players show one above the other. What the
formats would have to escape, no label has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from i3d_rgb_tf.timeline.output.rounding import round_span, split_time
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.segments import Segment

__all__ = ["render_srt", "render_vtt"]


def render_vtt(timelines: Iterable[Timeline]) -> Iterator[str]:
    """Yield WebVTT."""
    for timeline in timelines:
        cues = (f"\n{_times(each, '.')}\n{each.label}\n" for each in timeline.segments)
        yield "".join(["WEBVTT\n", *cues])


def render_srt(timelines: Iterable[Timeline]) -> Iterator[str]:
    """Yield SRT."""
    for timeline in timelines:
        for number, each in enumerate(timeline.segments, 1):
            yield f"{number}\n{_times(each, ',')}\n{each.label}\n\n"


def _times(segment: Segment, mark: str) -> str:
    return " --> ".join(_clock(seconds, mark) for seconds in round_span(segment))


def _clock(seconds: float, mark: str) -> str:
    """Return a time as subtitles have it.

    >>> _clock(3661.96, "."), _clock(59.96, ",")
    ('01:01:02.000', '00:01:00,000')
    """
    hours, minutes, rest, tenths = split_time(seconds)
    return f"{hours:02}:{minutes:02}:{rest:02}{mark}{tenths}00"
