r"""Segments as CSV and TSV: a row for each segment of each video, and one head for all.

The columns are ``video, start_seconds, end_seconds, label, mean_score, peak_score``. A row is one
line: control characters of the path of a video, line breaks among them, are escapes such as ``\n``.
A field with a quotation mark or the separator is in quotation marks, as spreadsheets expect it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from i3d_rgb_tf.errors import escape_controls
from i3d_rgb_tf.timeline.output.rounding import round_span
from i3d_rgb_tf.timeline.result import Timeline

__all__ = ["render_table"]

_COLUMNS = ("video", "start_seconds", "end_seconds", "label", "mean_score", "peak_score")


def render_table(timelines: Iterable[Timeline], *, separator: str) -> Iterator[str]:
    """Yield the head, and then the rows of each timeline."""
    yield _formatted([_COLUMNS], separator)
    for timeline in timelines:
        yield _formatted(_rows(timeline), separator)


def _rows(timeline: Timeline) -> Iterator[tuple[str, ...]]:
    video = escape_controls(timeline.video)
    for each in timeline.segments:
        start, end = (f"{seconds:.1f}" for seconds in round_span(each))
        yield video, start, end, each.label, f"{each.mean_score:.3f}", f"{each.peak_score:.3f}"


def _formatted(rows: Iterable[tuple[str, ...]], separator: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue()
