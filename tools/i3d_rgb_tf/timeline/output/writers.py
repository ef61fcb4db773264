"""Every format of a timeline behind one table: its file, and its text for standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from i3d_rgb_tf.choices import TimelineFormat
from i3d_rgb_tf.errors import DependencyError
from i3d_rgb_tf.timeline.output.documents import (
    as_json,
    render_activitynet,
    render_json,
    render_json_lines,
    render_label_studio,
    timeline_document,
)
from i3d_rgb_tf.timeline.output.subtitles import render_srt, render_vtt
from i3d_rgb_tf.timeline.output.tables import render_table
from i3d_rgb_tf.timeline.output.text import render_text
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.video.files import ANNOTATED_SUFFIX

__all__ = ["WRITERS", "Writer", "check_packages"]

_Render = Callable[[Iterable[Timeline]], Iterator[str]]


@dataclass(frozen=True)
class Writer:
    """How timelines are written in one format."""

    suffix: str
    """The file of a video has the name of the video without its ending, and this."""
    write: Callable[[Timeline, Path], None]
    """Writes the file of a timeline, under this or a temporary name, in the folder it is for."""
    render: _Render | None = None
    """Yields the text of timelines in parts, as early as the format allows; None for what is not
    text."""
    holds_many: bool = True
    """Whether one text can be of several videos."""
    packages: dict[str, str] = field(default_factory=dict)
    """The optional modules that it needs, each with the name of its package."""


def check_packages(formats: Iterable[TimelineFormat]) -> None:
    """Raise unless all formats can be written, before minutes are spent on the videos.

    Raises
    ------
    DependencyError
        A package is not installed.
    """
    for name in formats:
        for module, package in WRITERS[name].packages.items():
            if find_spec(module) is None:
                raise DependencyError(
                    f"the format {name} needs {package}, which is not installed; install it: "
                    "pip install 'i3d-rgb-tf[timeline]'"
                )


def _write_text(timeline: Timeline, path: Path, *, render: _Render) -> None:
    _write("".join(render([timeline])), path)


def _write_document(timeline: Timeline, path: Path) -> None:
    _write(as_json(timeline_document(timeline)), path)


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_page(timeline: Timeline, path: Path) -> None:
    from i3d_rgb_tf.timeline.output.page import write_page

    write_page(timeline, path)


def _write_plot(timeline: Timeline, path: Path) -> None:
    from i3d_rgb_tf.timeline.output.plot import write_plot

    write_plot(timeline, path)


def _write_annotated(timeline: Timeline, path: Path) -> None:
    from i3d_rgb_tf.timeline.output.annotate import write_annotated

    write_annotated(timeline, path)


def _text(suffix: str, render: _Render, *, holds_many: bool = True) -> Writer:
    return Writer(suffix, partial(_write_text, render=render), render, holds_many)


_PILLOW = {"PIL": "Pillow"}

WRITERS: dict[TimelineFormat, Writer] = {
    "text": _text(".txt", render_text),
    "json": Writer(".json", _write_document, render_json),
    "jsonl": _text(".jsonl", render_json_lines),
    "csv": _text(".csv", partial(render_table, separator=",")),
    "tsv": _text(".tsv", partial(render_table, separator="\t")),
    "vtt": _text(".vtt", render_vtt, holds_many=False),
    "srt": _text(".srt", render_srt, holds_many=False),
    "activitynet": _text(".activitynet.json", render_activitynet),
    "label-studio": _text(".label-studio.json", render_label_studio),
    "html": Writer(".html", _write_page),
    "png": Writer(".png", _write_plot, packages=_PILLOW),
    "mp4": Writer(ANNOTATED_SUFFIX, _write_annotated, packages=_PILLOW),
}
"""The JSON in a file is the document of its video; as a text it is a list of documents."""
