"""A dense pass over a long video, clips, and overlapping windows of it take turns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from machine import load_line, wait_for_idle_cores
from numpy.typing import NDArray

from i3d_rgb_tf.inference.pipeline import infer_in_order
from i3d_rgb_tf.inference.receptive_field import TIME_STRIDE
from i3d_rgb_tf.spec import load_spec

__all__ = ["Spent", "Turns"]

_CLIP = load_spec().num_frames
_PART = 10 * 80
"""Frames of the dense pass between two turns, whole chunks: half a minute."""
_GLANCE = 0.05
"""Seconds without work after which what was begun is done."""


@dataclass(frozen=True)
class Spent:
    """What some frames took."""

    num_frames: int
    """Frames of the video."""
    seconds: float
    """Wall-clock time."""
    processor_seconds: float
    """Time of all threads on processors."""


@dataclass
class Turns:
    """The dense pass, clips and windows in turns."""

    frames: NDArray[np.uint8]
    """The video."""
    compiled: Any
    """The network for clips and windows."""
    num_windows: int
    """Windows in a turn; their time is extrapolated."""
    spent: dict[str, list[Spent]] = field(
        default_factory=lambda: {"dense": [], "clips": [], "windows": []}
    )
    """Of each turn."""

    def read(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames for the dense pass; between two parts, the others have their turn."""
        self._start, self._watch = 0, _Watch()
        for stop in (*range(_PART, len(self.frames), _PART), len(self.frames)):
            yield from self.frames[self._start : stop]
            # The turn of the last part ends when its results are there.
            if stop < len(self.frames):
                self.take(stop)

    def take(self, stop: int) -> None:
        """End the turn of the dense pass, which is at a frame, and let the others have theirs."""
        start, last = self._start, len(self.frames) - _CLIP
        self.spent["dense"].append(self._watch.stop_when_done(stop - start))
        # The last clip of a video ends with its last frame.
        num_clips = -(-stop // _CLIP) if stop == len(self.frames) else stop // _CLIP
        clips = range(start // _CLIP, num_clips)
        windows = range(start, start + TIME_STRIDE * self.num_windows, TIME_STRIDE)
        num_frames = min(num_clips * _CLIP, stop) - clips.start * _CLIP
        self._run("clips", [min(index * _CLIP, last) for index in clips], num_frames)
        self._run("windows", [min(each, last) for each in windows], len(windows) * TIME_STRIDE)
        turn = (
            f"{name} {1000 * every[-1].seconds / every[-1].num_frames:.1f} "
            f"({1000 * every[-1].processor_seconds / every[-1].num_frames:.1f} on processors)"
            for name, every in self.spent.items()
        )
        print(f"  to frame {stop}, ms a frame: {', '.join(turn)}, {load_line()}", flush=True)
        wait_for_idle_cores()
        self._start, self._watch = stop, _Watch()

    def infer_clips(self, starts: list[int]) -> None:
        """Infer the clips that begin at frames."""
        clips = ((None, self.frames[start : start + _CLIP]) for start in starts)
        for _ in infer_in_order(self.compiled, clips):
            pass

    def per_frame(self, name: str, kind: str) -> list[float]:
        """Return what a frame took in each turn; `kind` is a time of `Spent`."""
        return [getattr(each, kind) / each.num_frames for each in self.spent[name]]

    def mean(self, name: str, kind: str) -> float:
        """Return what a frame took in all turns together."""
        total = sum(getattr(each, kind) for each in self.spent[name])
        return float(total / sum(each.num_frames for each in self.spent[name]))

    def _run(self, name: str, starts: list[int], num_frames: int) -> None:
        wait_for_idle_cores()
        watch = _Watch()
        self.infer_clips(starts)
        self.spent[name].append(watch.stop(num_frames))


class _Watch:
    """Takes both times."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def stop(self, num_frames: int) -> Spent:
        seconds = time.perf_counter() - self._start[0]
        return Spent(num_frames, seconds, time.process_time() - self._start[1])

    def stop_when_done(self, num_frames: int) -> Spent:
        """Stop when this process has done what it has begun."""
        while True:
            spent = self.stop(num_frames)
            time.sleep(_GLANCE)
            later = self.stop(num_frames)
            if later.processor_seconds - spent.processor_seconds < 0.1 * _GLANCE:
                return spent
