"""Read a live stream in a thread of its own, and connect again when it comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.inference.receptive_field import TIME_STRIDE
from i3d_rgb_tf.timeline.waiting import Block, Connected, Ended, Item, Lost, Waiting
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND
from i3d_rgb_tf.video.sections import Section, read_sections
from i3d_rgb_tf.video.sources import LiveSource

__all__ = ["Capture"]

MOST_WAITING = 25
"""Blocks that may wait, 8 seconds; when there are more, the older ones are skipped."""
KEPT_WAITING = 2
"""Blocks that wait after that, the newest ones: a chunk."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0
"""How long to wait before connecting again; each time twice as long."""
_END_SECONDS = 1.0
"""Longest wait for the thread to end; it may be waiting for frames."""


class _Clock:
    """The time of the stream: that of its frames, and between sections that of the wall clock."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Where the newest frame ends."""
        self._start = 0.0
        self._num_frames = 0
        self._section: Section | None = None

    def begin(self, section: Section) -> float:
        """Return the time of the first frame of a section."""
        self._start, self._num_frames = self.time_after_gap(section.first_arrived), 0
        self._section = section
        return self._start

    def add_frame(self) -> None:
        """Take the next frame."""
        self._num_frames += 1
        self.seconds = self._start + self._num_frames / FRAMES_PER_SECOND

    def time_after_gap(self, arrived: float) -> float:
        """Return the time of a frame that begins a section, by when it had come."""
        if self._section is None:
            return self.seconds
        # Without a gap, it comes when the last frame before it ends.
        gap = arrived - self._section.last_arrived - 1 / FRAMES_PER_SECOND
        return self.seconds + max(0.0, gap)


class Capture:
    """Reads a source in a thread, and connects again where it can come back.

    Parameters
    ----------
    source
        What is read.
    size
        Side of the frames in pixels.
    """

    def __init__(self, source: LiveSource, *, size: int) -> None:
        self._source = source
        self._size = size
        self._clock = _Clock()
        self._stop = threading.Event()
        self._is_connected = False
        self.num_damaged = 0
        """Frames that were damaged, or could not be decoded and are left out."""
        self._waiting = Waiting(most=MOST_WAITING, kept=KEPT_WAITING, sender_waits=source.ends)

    @contextmanager
    def running(self) -> Iterator[Capture]:
        """Read during the body."""
        # A thread that waits for frames, in FFmpeg, must not keep the process.
        thread = threading.Thread(target=self._run, name="capture", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._waiting.close()
            thread.join(_END_SECONDS)

    @property
    def time_seconds(self) -> float:
        """Time of the stream: where the newest frame ends."""
        return self._clock.seconds

    @property
    def next_seconds(self) -> float:
        """Time of the stream that a frame would have if it were the first after a gap."""
        return self._clock.time_after_gap(time.monotonic())

    def get(self, timeout: float) -> Item | None:
        """Return what comes next, or None if there is nothing in so many seconds."""
        return self._waiting.get(timeout)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            error = self._read_again_and_again()
        except BaseException as found:  # noqa: BLE001 - raised in the main thread.
            error = found
        self._waiting.put(Ended(error))

    def _read_again_and_again(self) -> VideoError | None:
        """Return why it does not go on; None at the end of the input."""
        pause = _FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            before = self._clock.seconds
            error = self._read()
            now = self._clock.seconds
            if self._source.ends or not now:
                return error or (None if now else self._no_frames())
            pause = _FIRST_PAUSE_SECONDS if now > before else pause
            self._stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return None

    def _no_frames(self) -> VideoError:
        return VideoError(
            f"{self._source.name} ended before the first frame; check that it sends a video"
        )

    def _read(self) -> VideoError | None:
        """Read until the source ends or fails; return the error."""
        error = None
        try:
            sections = read_sections(self._source, size=self._size, on_damaged=self._count_damaged)
            for section in sections:
                self._lose("the presentation times jump")
                self._read_section(section)
                if self._stop.is_set():
                    return None
        except VideoError as found:
            error = found
        if not self._source.ends:
            self._lose(str(error or "the source has ended"))
        return error

    def _read_section(self, section: Section) -> None:
        block: list[NDArray[np.uint8]] = []
        start, is_first = 0.0, True
        try:
            for frame in section.frames:
                if self._stop.is_set():
                    return
                if is_first and not block:
                    start = self._clock.begin(section)
                    self._is_connected = True
                    self._waiting.put(Connected(start))
                self._clock.add_frame()
                block.append(frame)
                if len(block) == TIME_STRIDE:
                    self._waiting.put(Block(start, np.stack(block), is_first))
                    block, start, is_first = [], self._clock.seconds, False
        finally:
            if block:
                self._waiting.put(Block(start, np.stack(block), is_first))

    def _count_damaged(self) -> None:
        self.num_damaged += 1

    def _lose(self, reason: str) -> None:
        if self._is_connected:
            self._waiting.put(Lost(reason))
        self._is_connected = False
