"""Make whole pictures of interlaced frames, whose two fields were recorded one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from av import VideoFrame
    from av.filter import Graph

__all__ = ["deinterlace"]


class _Times(NamedTuple):
    """What a frame says of its time."""

    pts: int | None
    dts: int | None
    duration: int
    time_base: Fraction | None


_FILTERS = (
    # Finds out which frames are interlaced: many cameras mark every frame, also whole pictures.
    ("idet", ""),
    # Gives one picture for each frame that is, no longer marked, and lets the others pass.
    ("bwdif", "mode=send_frame:deint=interlaced"),
)
"""Names and options of FFmpeg's filters."""


def deinterlace(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Yield as many frames, each a whole picture, with the timestamps they had.

    Up to the first frame that is marked as interlaced, frames are yielded as they are.
    """
    source = iter(frames)
    first: VideoFrame | None = None
    for frame in source:
        if frame.interlaced_frame:
            first = frame
            break
        yield frame
    while first is not None:
        first = yield from _filtered(first, source)


def _filtered(
    first: VideoFrame, source: Iterator[VideoFrame]
) -> Generator[VideoFrame, None, VideoFrame | None]:
    """Filter frames of one size and format; return the first frame of another, or None."""
    graph = _graph(first)
    waiting: deque[_Times] = deque()
    frame: VideoFrame | None = first
    number = 0
    while frame is not None and _size_and_format(frame) == _size_and_format(first):
        times = _Times(frame.pts, frame.dts, frame.duration, frame.time_base)
        waiting.append(times)
        # A timestamp that is missing or decreases would confuse the filters.
        frame.pts, number = number, number + 1
        graph.vpush(frame)
        yield from _pulled(graph, waiting)
        frame = next(source, None)
    graph.vpush(None)
    yield from _pulled(graph, waiting)
    return frame


def _pulled(graph: Graph, waiting: deque[_Times]) -> Iterator[VideoFrame]:
    """Yield the frames that are ready, each with its own times again."""
    import av

    while True:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        times = waiting.popleft()
        frame.time_base = times.time_base or Fraction(1)
        frame.pts, frame.dts, frame.duration = times.pts, times.dts, times.duration
        yield frame


def _graph(frame: VideoFrame) -> Graph:
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
    )
    filters = [graph.add(name, options) for name, options in _FILTERS]
    graph.link_nodes(source, *filters, graph.add("buffersink")).configure()
    return graph


def _size_and_format(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
