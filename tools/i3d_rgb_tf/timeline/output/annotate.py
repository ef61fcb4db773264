"""Draw what happens at each moment into a video: the labels, each with its probability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.colors import label_colors
from i3d_rgb_tf.timeline.output.drawing import (
    Box,
    Color,
    pillow,
    rgb,
    rounded_bars,
    shortened,
    text_font,
)
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.video.overlay import Overlay
from i3d_rgb_tf.video.rewrite import Canvas, rewrite_video

__all__ = ["write_annotated"]

_MOST_ROWS = 4
"""Labels that are drawn at once: the strongest of the video."""
_LARGEST_SHARE = 0.5
"""Of the height, and of the width, that is covered; of a very small picture it may be more."""
_LEAST_WIDTH = 60
"""Pixels for text, if the picture has them."""

_PANEL: Color = (14, 16, 20, 190)
_TEXT: Color = (255, 255, 255, 255)
_TRACK: Color = (255, 255, 255, 64)


def write_annotated(timeline: Timeline, path: Path) -> None:
    """Write the video of a timeline with the labels of each moment drawn in.

    It is H.264 in MP4, with the frames and the sound of the video at their times.

    Parameters
    ----------
    timeline
        Of a video that is still there.
    path
        File to write; when an error is raised, it is not complete.

    Raises
    ------
    VideoError
        The video cannot be read or encoded.
    StorageError
        The file cannot be written.
    DependencyError
        Pillow is not installed.
    """
    pillow()
    rewrite_video(Path(timeline.video), path, _Labels(timeline).at)


@dataclass(frozen=True)
class _Row:
    """A label of the moment."""

    label: str
    score: float
    """Its probability, 0..1."""
    color: str
    """As in CSS."""


class _Labels:
    """What is drawn at each moment of a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._colors = label_colors(timeline)
        starts = [each.start_seconds for each in timeline.segments]
        ends = [each.end_seconds for each in timeline.segments]
        changes = np.concatenate([timeline.start_seconds, starts, ends])
        self._changes = np.unique(changes)
        """When what is drawn may change, seconds."""
        self._probabilities = timeline.probabilities
        self._rows = lru_cache(maxsize=1)(self._rows_after)

    def at(self, seconds: float, canvas: Canvas) -> Overlay | None:
        """Return what is drawn at a time; None for nothing."""
        rows = self._rows(int(np.searchsorted(self._changes, seconds, "right")) - 1)
        return _draw(rows, canvas) if rows else None

    def _rows_after(self, change: int) -> tuple[_Row, ...]:
        """Return the rows from a change to the next."""
        seconds = float(self._changes[max(change, 0)])
        now = {
            each.label
            for each in self._timeline.segments
            if each.start_seconds <= seconds < each.end_seconds
        }
        position = int(np.searchsorted(self._timeline.start_seconds, seconds, "right")) - 1
        scores = self._probabilities[max(position, 0)].tolist()
        strongest = [label for label in self._colors if label in now][:_MOST_ROWS]
        columns = map(load_labels().index, strongest)
        return tuple(
            _Row(label, scores[column], self._colors[label])
            for label, column in zip(strongest, columns, strict=True)
        )


@lru_cache(maxsize=1)
def _draw(rows: tuple[_Row, ...], canvas: Canvas) -> Overlay:
    """Return the labels on a dark panel, each with a bar under it, for the upper left corner.

    ::

        +--------------------+
        | walking the dog    |    text
        | ==========-------- |    bar
        | training dog       |
        | ====-------------- |
        +--------------------+
    """
    from PIL import ImageDraw

    # Pixels may not be square: it is drawn as it is seen, and then scaled.
    shown_width = float(canvas.width * canvas.sample_aspect_ratio)
    size = _font_size(min(shown_width, canvas.height))
    font = text_font(size)
    margin, padding, bar = 0.5 * size, round(0.55 * size), max(2, round(0.2 * size))
    row_height = round(1.3 * size) + bar + round(0.45 * size)
    rows = rows[: max(1, int((_LARGEST_SHARE * canvas.height - padding) / row_height))]

    most = min(max(_LARGEST_SHARE * shown_width, _LEAST_WIDTH), shown_width) - 2 * padding
    texts = [shortened(row.label, font, most) for row in rows]
    inner = round(min(max(7 * size, *(font.getlength(text) for text in texts)), most))
    width, height = inner + 2 * padding, padding + len(rows) * row_height + round(0.2 * size)
    bars: list[tuple[Box, Color]] = []
    for index, row in enumerate(rows):
        bottom = padding + (index + 1) * row_height - round(0.45 * size)
        for share, color in ((1, _TRACK), (row.score, (*rgb(row.color), 255))):
            bars.append(((padding, bottom - bar, padding + share * inner, bottom), color))
    panel = rounded_bars((width, height), [((0, 0, width, height), _PANEL)], radius=0.4 * size)
    panel.alpha_composite(rounded_bars((width, height), bars))
    draw = ImageDraw.Draw(panel)
    for index, text in enumerate(texts):
        baseline = padding + index * row_height + round(0.95 * size)
        draw.text((padding, baseline), text, _TEXT, font, anchor="ls")
    if canvas.sample_aspect_ratio != 1:
        panel = panel.resize((max(1, round(width / canvas.sample_aspect_ratio)), height))
    left = round(margin / canvas.sample_aspect_ratio)
    return Overlay(np.array(panel), left, round(margin))


def _font_size(side: float) -> int:
    """Return the height of the text for pictures whose shorter side has so many pixels.

    >>> _font_size(64), _font_size(240), _font_size(1080), _font_size(4320)
    (9, 12, 35, 72)
    """
    return min(max(9, round(5 + 0.028 * side)), 72)
