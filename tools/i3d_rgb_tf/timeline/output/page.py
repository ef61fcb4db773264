"""A timeline as one HTML page: the video, a ribbon and a table of its segments, and curves."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import escape_controls
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.templates import render_template
from i3d_rgb_tf.timeline.output.colors import PALETTE, rank_labels
from i3d_rgb_tf.timeline.output.rounding import clock, round_span, write_time
from i3d_rgb_tf.timeline.output.ticks import STEPS_SECONDS
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.segments import Segment
from i3d_rgb_tf.video.files import check_file
from i3d_rgb_tf.video.start import first_picture_seconds

__all__ = ["render_page", "write_page"]

_MEDIA_TYPES = {
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".ogv": "video/ogg",
    ".webm": "video/webm",
}
"""The containers that browsers play, if they have the codec."""
_MOST_EMBEDDED_BYTES = 16 << 20
"""A larger video stays beside the page."""
_MOST_COLUMNS = 1000
"""Of a curve; no screen shows many more."""
_LARGEST_LEVEL = 255
"""Curves are drawn in steps of 1/255."""


def write_page(timeline: Timeline, path: Path) -> None:
    """Write the page of a timeline into the folder where it is to stay.

    Parameters
    ----------
    timeline
        Of a video that is still there. One of up to 16 MiB is put into the page; the page finds
        another by its path from the folder of the page.
    path
        File to write.

    Raises
    ------
    VideoError
        The video cannot be read.
    StorageError
        The page cannot be written.
    """
    page = render_page(timeline, path.parent)
    with storage_errors(path):
        path.write_text(page, encoding="utf-8", errors="replace")


def render_page(timeline: Timeline, folder: Path) -> str:
    """Return the page of a timeline for a folder; see `write_page`."""
    media = _media(Path(timeline.video), folder)
    ranked = rank_labels(timeline)
    found = {segment.label for segment in timeline.segments}
    lanes = [label for label in ranked if label in found]
    values = {
        "title": escape_controls(Path(timeline.video).name),
        "video": media.address,
        # Chromium shows the first picture of a video with sound only when it loads it.
        "preload": "auto" if media.is_embedded else "metadata",
        "place": "" if media.is_embedded else escape_controls(media.name),
        "duration": write_time(timeline.duration_seconds),
        "lanes": lanes,
        "rows": [_row(segment, lanes) for segment in timeline.segments],
        "settings": timeline.settings,
        "others": sorted(set(load_labels()) - set(lanes)),
        "strongest": ranked[0],
        "facts": _facts(timeline),
        "is_one_position": timeline.num_positions == 1,
        "data": {**_data(timeline, lanes), "start": round(media.start_seconds, 3)},
    }
    sources = {"media-src": "data:" if media.is_embedded else "'self' file:"}
    return render_template("timeline", values, sources=sources)


@dataclass(frozen=True)
class _Media:
    """Where a page finds its video."""

    address: str
    """A ``data:`` address, or one that is relative to the page."""
    name: str
    """Path from the folder of the page, for people."""
    start_seconds: float
    """Where its first picture is in the time of players; there a timeline begins."""
    is_embedded: bool


def _media(video: Path, folder: Path) -> _Media:
    check_file(video)
    kind = _MEDIA_TYPES.get(video.suffix.lower())
    start = first_picture_seconds(video) if kind else 0.0
    if kind and video.stat().st_size <= _MOST_EMBEDDED_BYTES:
        with storage_errors(video, "read"):
            content = base64.b64encode(video.read_bytes()).decode()
        return _Media(f"data:{kind};base64,{content}", video.name, start, is_embedded=True)
    try:
        place = Path(os.path.relpath(video, folder))
    except ValueError:
        # On Windows, the video and the page can be on different drives.
        place = video.absolute()
        return _Media(place.as_uri(), str(place), start, is_embedded=False)
    return _Media(_relative_address(place), str(place), start, is_embedded=False)


def _relative_address(place: Path) -> str:
    """Return a relative path as an address, whatever characters it has.

    >>> _relative_address(Path("../a b", "1:2#3?.mp4"))
    '../a%20b/1%3A2%233%3F.mp4'
    """
    return quote(os.fsencode(place.as_posix()))


def _row(segment: Segment, lanes: list[str]) -> dict[str, Any]:
    start, end = map(clock, round_span(segment))
    return {
        "hue": lanes.index(segment.label) % len(PALETTE),
        "label": segment.label,
        "start": start,
        "end": end,
        "mean": f"{segment.mean_score:.3f}",
        "peak": f"{segment.peak_score:.3f}",
    }


def _facts(timeline: Timeline) -> dict[str, str]:
    settings, network = timeline.settings, timeline.network
    facts = {
        "reaches a probability of": f"{settings.enter:g}",
        "lasts while it is at least": f"{settings.leave:g}",
        "shortest segment": f"{settings.min_seconds:g} s",
        "joined over gaps of up to": f"{settings.merge_seconds:g} s",
        "probabilities averaged over": f"{settings.smooth_seconds:g} s",
        "labels looked for": ", ".join(settings.labels) if settings.labels else "all 400",
        "positions in time": str(timeline.num_positions),
        "weights": network.weights,
        "model": escape_controls("/".join(Path(network.model).parts[-2:])),
        "convolution": network.convolution,
        "inference precision": network.inference_precision,
        "device": network.device,
    }
    if not settings.smooth_seconds:
        del facts["probabilities averaged over"]
    return facts


def _data(timeline: Timeline, lanes: list[str]) -> dict[str, Any]:
    """Return what the script draws."""
    edges, curves = _curves(timeline)
    return {
        "duration": round(timeline.duration_seconds, 2),
        "steps": STEPS_SECONDS,
        "hues": len(PALETTE),
        "labels": load_labels(),
        "lanes": lanes,
        "segments": [
            {"lane": lanes.index(each.label), "start": start, "end": end}
            for each in timeline.segments
            for start, end in [round_span(each)]
        ],
        "edges": edges,
        "curves": base64.b64encode(curves.tobytes()).decode(),
    }


def _curves(timeline: Timeline) -> tuple[list[float], NDArray[np.uint8]]:
    """Return where columns begin, and the largest probability in each.

    Returns
    -------
    tuple
        Seconds, one more than there are columns: where the last column ends; and
        (400, columns) uint8: 0 to 255 for probabilities of 0 to 1.
    """
    step = -(-timeline.num_positions // _MOST_COLUMNS)
    first = np.arange(0, timeline.num_positions, step)
    edges = [*timeline.start_seconds[first].tolist(), timeline.duration_seconds]
    largest = np.maximum.reduceat(timeline.probabilities, first, axis=0)
    levels = np.rint(largest.T * _LARGEST_LEVEL).astype(np.uint8)
    return [round(edge, 2) for edge in edges], np.ascontiguousarray(levels)
