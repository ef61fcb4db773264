"""Follow a live stream: what becomes of segments, as soon as it is known.

After a gap of more than the time that segments are merged over, open segments are closed. Where
inference is slower than the stream, what waits too long is skipped, and counted. From an input that
ends, such as standard input, nothing is skipped, because its sender waits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.inference.dense_pass import DensePass, End, Output
from i3d_rgb_tf.inference.pipeline import VideoInput
from i3d_rgb_tf.inference.receptive_field import TIME_STRIDE, border_frame, count_logits
from i3d_rgb_tf.labels import NUM_LABELS
from i3d_rgb_tf.timeline.capture import Capture
from i3d_rgb_tf.timeline.output.rounding import round_seconds, segment_document
from i3d_rgb_tf.timeline.result import softmax
from i3d_rgb_tf.timeline.segments import Change, Segment, SegmentFinder, is_longer
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.timeline.waiting import Block, Connected, Ended, Item, Lost, Skipped
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND

__all__ = ["CHUNK_FRAMES", "LiveCounts", "LiveEvent", "follow"]

CHUNK_FRAMES = 16
"""Frames in a chunk, the fewest that there can be: a position is known at most 62 frames, 2.5
seconds, after its centre has come, and what their inference takes; with 24 it would be 2.8."""

_TICK_SECONDS = 0.02
"""Longest wait for frames; then outputs that have come are given."""

_EventName = Literal["connect", "open", "grow", "close", "skip", "lost", "end"]


@dataclass(frozen=True)
class LiveCounts:
    """What was inferred of a stream, and what was not."""

    num_positions: int
    """Positions that were inferred."""
    num_skipped: int
    """Positions that were skipped. What still waited when it was stopped is in neither."""
    num_damaged: int
    """Frames that were damaged, or could not be decoded."""


@dataclass(frozen=True)
class LiveEvent:
    """Something that happens in a stream."""

    event: _EventName
    """What it is:

    - ``connect``: frames come, or come again.
    - ``open``: an action was found; ``grow``: it goes on, about once a second; ``close``: it has
      ended.
    - ``skip``: inference was slower than the stream, and 8 seconds waited; all but the newest 0.64
      were left out.
    - ``lost``: no more frames for now. It connects again after 1, 2, 4 .. 30 seconds.
    - ``end``: the end of the input, or it was stopped.
    """
    time_seconds: float
    """Time of the stream: from its first frame to where the newest one ended that had come; of
    ``connect``, to where the next one begins. It goes on by the wall clock while none come."""
    segment: Segment | None = None
    """Of ``open``, ``grow`` and ``close``: as known so far."""
    skipped: Skipped | None = None
    """Of ``skip``: what was left out."""
    reason: str | None = None
    """Of ``lost``: why."""
    counts: LiveCounts | None = None
    """Of ``end``."""

    def document(self) -> dict[str, str | float]:
        """Return it as a line of JSON has it.

        Beside ``event`` and ``time_seconds``, a line has the fields of its segment, of what was
        skipped, or of the counts, or the reason.
        """
        document: dict[str, str | float] = {
            "event": self.event,
            "time_seconds": round_seconds(self.time_seconds),
        }
        if self.segment:
            document |= segment_document(self.segment)
        if self.skipped:
            document |= _skipped_document(self.skipped)
        if self.reason is not None:
            document["reason"] = self.reason
        if self.counts:
            document |= asdict(self.counts)
        return document


def _skipped_document(skipped: Skipped) -> dict[str, float]:
    return {
        "start_seconds": round_seconds(skipped.start_seconds),
        "end_seconds": round_seconds(skipped.end_seconds),
        "num_positions": skipped.num_positions,
    }


def follow(
    compiled: Any,
    capture: Capture,
    settings: SegmentSettings,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Generator[LiveEvent, None, None]:
    """Yield what happens in a stream, until it ends.

    Parameters
    ----------
    compiled
        The network for chunks of `CHUNK_FRAMES` frames, an ``openvino.CompiledModel``.
    capture
        The stream, while it is read.
    settings
        How segments are found.
    is_stopped
        Says whether to stop: then, open segments are closed.

    Raises
    ------
    VideoError
        The source could not be read at first; or its input, which ends, was damaged.
    DeviceError
        The device fails.
    """
    error: BaseException | None = None
    with closing(DensePass(compiled)) as dense:
        follower = _Follower(dense, capture, settings)
        while not is_stopped():
            item = capture.get(_TICK_SECONDS)
            if isinstance(item, Ended):
                yield from follower.flush()
                error = item.error
                break
            yield from follower.take(item)
    if follower.is_begun or not error:
        yield from follower.end()
    if error:
        raise error


@dataclass
class _Run:
    """Frames that follow each other without a gap: a video of the dense pass."""

    start_seconds: float
    """Time of the stream at which they begin."""
    num_frames: int = 0

    def span(self, position: int) -> tuple[float, float]:
        """Return the time of the stream that a position stands for, as for a video file."""
        is_last = position == count_logits(self.num_frames) - 1
        start = border_frame(position - 1, TIME_STRIDE) if position else 0
        end = self.num_frames if is_last else border_frame(position, TIME_STRIDE)
        return self._seconds(start), self._seconds(end)

    def _seconds(self, frame: float) -> float:
        return self.start_seconds + frame / FRAMES_PER_SECOND


class _SegmentsWithGaps:
    """Finds segments where positions may be missing.

    A gap of at most the time that segments are merged over changes nothing; after a longer one, all
    segments are closed.
    """

    def __init__(self, settings: SegmentSettings) -> None:
        self._settings = settings
        self._finder = SegmentFinder(settings)
        self._end: float | None = None

    def add(self, span: tuple[float, float], row: NDArray[np.float32]) -> list[Change]:
        """Take the next position: its time, and (400,) float32 probabilities."""
        changes = self.pass_gap(span[0])
        self._end = span[1]
        return changes + self._finder.add(*span, row)

    def pass_gap(self, until_seconds: float) -> list[Change]:
        """Close the segments if there is no position for too long."""
        if self._end is not None and is_longer(
            until_seconds - self._end, self._settings.merge_seconds
        ):
            return self.finish()
        return []

    def finish(self) -> list[Change]:
        """Close all segments; others may follow."""
        changes = self._finder.finish()
        self._finder, self._end = SegmentFinder(self._settings), None
        return changes


class _Follower:
    """Takes what a stream gives, and reports what happens."""

    def __init__(self, dense: DensePass, capture: Capture, settings: SegmentSettings) -> None:
        self._dense = dense
        self._capture = capture
        self._segments = _SegmentsWithGaps(settings)
        self._run: _Run | None = None
        self._skipped: Skipped | None = None
        self._is_connected = self.is_begun = False
        self._num_positions = self._num_skipped = 0
        self._takers: dict[type, Callable[[Any], Iterator[LiveEvent]]] = {
            Connected: self._connect,
            Block: self._infer,
            Skipped: self._skip,
            Lost: self._lose,
            type(None): self._wait,
        }

    def take(self, item: Item | None) -> Iterator[LiveEvent]:
        """Take the next item, or None if there is none yet."""
        yield from self._takers[type(item)](item)

    def flush(self) -> Iterator[LiveEvent]:
        """Infer what has come: no more does for now."""
        yield from self._tell_skipped(0)
        yield from self._end_run()
        yield from self._positions(self._dense.flush())

    def end(self) -> Iterator[LiveEvent]:
        """Close all segments; what was not inferred is left out."""
        yield from self._tell(self._segments.finish())
        counts = LiveCounts(self._num_positions, self._num_skipped, self._capture.num_damaged)
        yield LiveEvent("end", self._capture.time_seconds, counts=counts)

    def _connect(self, item: Connected) -> Iterator[LiveEvent]:
        self._is_connected = self.is_begun = True
        yield LiveEvent("connect", item.time_seconds)

    def _infer(self, block: Block) -> Iterator[LiveEvent]:
        # Its first block gives a position only together with the one before.
        yield from self._tell_skipped(0 if block.is_first else 1)
        self._run = self._run or _Run(block.start_seconds)
        self._run.num_frames += len(block.frames)
        yield from self._positions(self._dense.add(VideoInput(self._run, block.frames, 0)))

    def _skip(self, item: Skipped) -> Iterator[LiveEvent]:
        yield from self._end_run()
        self._skipped = item.joined(self._skipped) if self._skipped else item

    def _lose(self, item: Lost) -> Iterator[LiveEvent]:
        yield from self.flush()
        self._is_connected = False
        yield LiveEvent("lost", self._capture.time_seconds, reason=item.reason)

    def _wait(self, _: None) -> Iterator[LiveEvent]:
        yield from self._positions(self._dense.ready())
        if not self._is_connected:
            yield from self._tell(self._segments.pass_gap(self._capture.next_seconds))

    def _end_run(self) -> Iterator[LiveEvent]:
        run, self._run = self._run, None
        if run:
            yield from self._positions(self._dense.add(VideoInput(run)))

    def _tell_skipped(self, num_more: int) -> Iterator[LiveEvent]:
        skipped, self._skipped = self._skipped, None
        if skipped:
            skipped = replace(skipped, num_positions=skipped.num_positions + num_more)
            self._num_skipped += skipped.num_positions
            yield LiveEvent("skip", self._capture.time_seconds, skipped=skipped)

    def _positions(self, outputs: Iterable[Output]) -> Iterator[LiveEvent]:
        for use, rows in outputs:
            if isinstance(use, End):
                continue
            self._num_positions += 1
            probabilities = softmax(rows[:, -NUM_LABELS:])[0]
            yield from self._tell(self._segments.add(use.video.span(use.number), probabilities))

    def _tell(self, changes: Iterable[Change]) -> Iterator[LiveEvent]:
        for change in changes:
            time_seconds = self._capture.time_seconds
            yield LiveEvent(change.kind, time_seconds, segment=change.segment)
