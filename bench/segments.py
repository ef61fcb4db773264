"""What the settings of timelines find, and what they miss: how their defaults were chosen.

    python bench/segments.py SHARED_DATA BIGBUCKBUNNY -m MODEL.xml

Parts of real videos are joined by cuts, and each setting is tried on the same probabilities. Of the
actions that are there it prints how many were missed, and by how much the borders of the others are
off; then how many segments there are that should not be, and how long they last. The clips that the
tests judge by (walking the dog, playing cricket, clean and jerk) are not among them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.model import Model, load_model
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.segments import Segment, find_segments
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.video.decode import read_frames

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from videos import write_video

_RATE, _SIDE = 25, 256

_CLIPS = {
    "texting": "clips/omz_action_recognition.gif",
    "basketball": "clips/gluoncv_basketball.gif",
    "nothing": "clips/nasa_13013.mp4",
    "indoors": "clips/ntu_S001C001P001R001A001.avi",
}
_ACTIONS = {
    "texting": {"texting"},
    "birds": {"feeding birds"},
    "basketball": {"shooting basketball", "dribbling basketball", "playing basketball"},
}
"""What is right for a clip; nothing is for the others."""
_JOINED = [
    [("texting", 0, 3), ("birds", 0, 5)],
    [("birds", 0, 5), ("texting", 0, 3), ("basketball", 0, 5)],
    [("nothing", 0, 5), ("texting", 0, 3), ("nothing", 6, 12)],
    [("basketball", 0, 5), ("nothing", 2, 7), ("birds", 0, 3)],
    [("nothing", 0, 13)],
    [("indoors", 0, 3), ("texting", 0, 3), ("indoors", 0, 3)],
]
"""Parts: of which clip, from and to which second."""

_SETTINGS = {
    "enter": (0.4, 0.5, 0.6, 0.7),
    "leave": (0.15, 0.25, 0.4),
    "min_seconds": (0.5, 1.0),
    "merge_seconds": (0.5, 1.0, 2.0),
    "smooth_seconds": (0.0, 1.0, 2.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("birds", type=Path)
    parser.add_argument("-m", "--model", type=Path, required=True)
    options = parser.parse_args()
    clips = {name: options.shared / path for name, path in _CLIPS.items()}
    videos = list(_make_videos(load_model(options.model), {**clips, "birds": options.birds}))
    print("enter leave min merge smooth   missed of   border s   wrong segments, s")
    for values in product(*_SETTINGS.values()):
        settings = SegmentSettings(**dict(zip(_SETTINGS, values, strict=True)))
        score = _Score()
        for timeline, truth in videos:
            score.add(timeline, truth, settings)
        print(*(f"{value:5.2f}" for value in values), score, flush=True)


@dataclass(frozen=True)
class _Truth:
    labels: set[str]
    start: float
    end: float


@dataclass
class _Score:
    there: int = 0
    missed: int = 0
    border: float = 0.0
    wrong: int = 0
    wrong_seconds: float = 0.0

    def add(self, timeline: Timeline, truth: Sequence[_Truth], settings: SegmentSettings) -> None:
        found = list(
            find_segments(
                timeline.start_seconds, timeline.end_seconds, timeline.probabilities, settings
            )
        )
        for each in truth:
            self.there += 1
            right = [segment for segment in found if _overlap(segment, each) > 0]
            if not right:
                self.missed += 1
                continue
            ends = min(s.start_seconds for s in right), max(s.end_seconds for s in right)
            off = abs(ends[0] - each.start), abs(ends[1] - each.end)
            self.border = max(self.border, *off)
            found = [segment for segment in found if segment not in right]
        self.wrong += len(found)
        self.wrong_seconds += sum(segment.duration_seconds for segment in found)

    def __str__(self) -> str:
        return (
            f"  {self.missed:3} of {self.there}  {self.border:6.2f}   {self.wrong:3}, "
            f"{self.wrong_seconds:5.1f}"
        )


def _overlap(segment: Segment, truth: _Truth) -> float:
    if segment.label not in truth.labels:
        return 0
    return min(segment.end_seconds, truth.end) - max(segment.start_seconds, truth.start)


def _make_videos(model: Model, clips: dict[str, Path]) -> Iterator[tuple[Timeline, list[_Truth]]]:
    frames = {name: [_square(frame) for frame in read_frames(path)] for name, path in clips.items()}
    for parts in _JOINED:
        joined: list[NDArray[np.uint8]] = []
        truth = []
        for name, first, last in parts:
            start = len(joined) / _RATE
            joined += frames[name][first * _RATE : last * _RATE]
            if name in _ACTIONS:
                truth.append(_Truth(_ACTIONS[name], start, len(joined) / _RATE))
        with tempfile.TemporaryDirectory() as folder:
            video = write_video(Path(folder, "joined.mp4"), joined)
            yield model.timeline(video), truth


def _square(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    scale = _SIDE / min(height, width)
    frame = cv2.resize(frame, (round(width * scale), round(height * scale)))
    top, left = ((side - _SIDE) // 2 for side in frame.shape[:2])
    return np.ascontiguousarray(frame[top : top + _SIDE, left : left + _SIDE])


if __name__ == "__main__":
    main()
