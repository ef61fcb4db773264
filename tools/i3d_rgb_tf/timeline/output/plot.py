r"""A timeline as one picture: frames of the video, and below them a lane for each strong label.

::

    name of the video
              [frame] [frame] [frame] [frame]
    label     ___/-----\______________________
    label     ___________/--------\____________
              0:00      0:10      0:20
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.timeline.output.drawing import (
    Color,
    fitting_font,
    pillow,
    printable,
    rgb,
    rounded_bars,
    shortened,
    text_font,
)
from i3d_rgb_tf.timeline.output.lanes import Lane, draw_lane, timeline_lanes
from i3d_rgb_tf.timeline.output.rounding import write_time
from i3d_rgb_tf.timeline.output.ticks import Tick, time_ticks
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.video.thumbnails import Thumbnail, read_thumbnails

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

__all__ = ["write_plot"]

_WIDTH = 1600
_LEFT, _RIGHT = 336, 1560
"""Columns between which time runs."""
_MARGIN = 40
_HEADER = 108
_FRAMES, _MOST_HEIGHT = 116, 160
"""Height of the frames if they fill the row then, and at most."""
_BETWEEN, _MOST_FRAMES = 6, 24
_LANE, _CURVE, _BAR = 74, 48, 6
"""Heights of a lane with the space around it, of its curve, and of its segments."""
_AXIS = 64
_MOST_TICKS = 12

_INK, _QUIET, _LINE = "#1f2530", "#6b7280", "#d9dce1"
_TITLE_SIZE, _LABEL_SIZES, _NOTE_SIZE = 28, (20, 18, 16, 15), 16


def write_plot(timeline: Timeline, path: Path) -> None:
    """Write the picture of a timeline as PNG, 1600 pixels wide.

    Parameters
    ----------
    timeline
        Of a video that is still there.
    path
        File to write, whatever its suffix is.

    Raises
    ------
    VideoError
        The video cannot be read.
    StorageError
        The file cannot be written.
    DependencyError
        Pillow is not installed.
    """
    image = _draw(timeline)
    with storage_errors(path):
        image.save(path, format="PNG")


def _draw(timeline: Timeline) -> Image:
    from PIL import ImageDraw

    lanes = timeline_lanes(timeline)
    (first,) = _thumbnails(timeline, [0.0])
    row = _frame_row(first.aspect_ratio)
    top = _HEADER + row.height + 24
    bottom = top + len(lanes) * _LANE
    image: Image = pillow().new("RGB", (_WIDTH, bottom + _AXIS), "white")
    draw = ImageDraw.Draw(image)
    ticks = time_ticks(timeline.duration_seconds, most=_MOST_TICKS)
    _draw_header(draw, timeline, lanes)
    _draw_frames(image, timeline, row)
    for index, lane in enumerate(lanes):
        _draw_lane(image, draw, lane, timeline, top + index * _LANE)
    _draw_axis(draw, ticks, timeline, bottom)
    return image


def _column(seconds: float, timeline: Timeline) -> float:
    """Return where a time is, in pixels from the left."""
    return _LEFT + (_RIGHT - _LEFT) * seconds / timeline.duration_seconds


def _draw_header(draw: ImageDraw, timeline: Timeline, lanes: list[Lane]) -> None:
    font = text_font(_TITLE_SIZE)
    name = shortened(printable(Path(timeline.video).name), font, _RIGHT - _MARGIN)
    draw.text((_MARGIN, 52), name, _INK, font, anchor="ls")
    facts = [write_time(timeline.duration_seconds), _count(len(timeline.segments), "segment")]
    others = {each.label for each in timeline.segments} - {lane.label for lane in lanes}
    if others:
        facts.append(f"{_count(len(others), 'weaker label')} not drawn")
    facts.append(f"weights {timeline.network.weights}")
    draw.text((_MARGIN, 82), "   ·   ".join(facts), _QUIET, text_font(_NOTE_SIZE), anchor="ls")


def _count(number: int, what: str) -> str:
    """Return a number of things.

    >>> _count(1, "segment"), _count(0, "segment")
    ('1 segment', 'no segments')
    """
    return f"{number or 'no'} {what}{'s' * (number != 1)}"


def _draw_frames(image: Image, timeline: Timeline, row: _FrameRow) -> None:
    """Draw frames side by side, each in the middle of the time that it stands for."""
    times = [timeline.duration_seconds * (index + 0.5) / row.count for index in range(row.count)]
    for index, each in enumerate(_thumbnails(timeline, times)):
        middle = _LEFT + (index + 0.5) * (_RIGHT - _LEFT + _BETWEEN) / row.count - _BETWEEN / 2
        size = (row.width, row.height)
        picture = pillow().fromarray(each.pixels).resize(size, pillow().LANCZOS)
        image.paste(picture, (round(middle - row.width / 2), _HEADER))


@dataclass(frozen=True)
class _FrameRow:
    """How frames fill a row."""

    count: int
    """Frames side by side."""
    width: int
    """Of each, in pixels."""
    height: int
    """Of each, in pixels."""


def _frame_row(aspect_ratio: float) -> _FrameRow:
    """Return the row of frames of a shape that is about as high as wanted.

    >>> _frame_row(16 / 9)
    _FrameRow(count=6, width=199, height=112)
    >>> _frame_row(9 / 16)
    _FrameRow(count=17, width=66, height=118)
    """
    room = _RIGHT - _LEFT + _BETWEEN
    count = max(1, round(room / (_FRAMES * aspect_ratio + _BETWEEN)))
    count = min(count, _MOST_FRAMES)
    width = min(room / count - _BETWEEN, _MOST_HEIGHT * aspect_ratio)
    return _FrameRow(count, max(1, round(width)), max(1, round(width / aspect_ratio)))


def _thumbnails(timeline: Timeline, times_seconds: list[float]) -> list[Thumbnail]:
    return read_thumbnails(
        Path(timeline.video),
        times_seconds,
        duration_seconds=timeline.duration_seconds,
        short_side=_FRAMES,
    )


def _draw_lane(image: Image, draw: ImageDraw, lane: Lane, timeline: Timeline, top: int) -> None:
    room = _LEFT - _MARGIN - 36
    font = fitting_font(lane.label, room, _LABEL_SIZES)
    draw.text((_MARGIN + 24, top + 23), shortened(lane.label, font, room), _INK, font, anchor="ls")
    note = _count(len(lane.segments), "segment")
    if lane.segments:
        note = f"{write_time(lane.total_seconds)} in {note}"
    draw.text((_MARGIN + 24, top + 44), note, _QUIET, text_font(_NOTE_SIZE), anchor="ls")
    color: Color = (*rgb(lane.color), 255)
    width = _RIGHT - _LEFT
    curve = draw_lane(lane, timeline, width, _CURVE)
    image.paste(pillow().fromarray(curve), (_LEFT, top))
    bars = [
        ((start, _CURVE + 3, max(end, start + 2), _CURVE + 3 + _BAR), color)
        for start, end in (
            (_column(each.start_seconds, timeline), _column(each.end_seconds, timeline))
            for each in lane.segments
        )
    ]
    bars.append(((_MARGIN, 9, _MARGIN + 14, 23), color))
    shapes = rounded_bars((_WIDTH, _LANE), bars)
    image.paste(shapes, (0, top), shapes)


def _draw_axis(draw: ImageDraw, ticks: list[Tick], timeline: Timeline, top: int) -> None:
    draw.line((_LEFT, top, _RIGHT, top), _LINE, 2)
    font = text_font(_NOTE_SIZE)
    for tick in ticks:
        column = round(_column(tick.seconds, timeline))
        draw.line((column, top, column, top + 7), _LINE, 2)
        draw.text((column, top + 28), tick.text, _QUIET, font, anchor="ms")
