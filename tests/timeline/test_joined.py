"""Real actions joined into one video are named in order, and their borders are found.

The clips are none of those that the defaults were chosen on (bench/segments.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from i3d_rgb_tf import load_model
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.video.decode import read_frames
from videos import write_video

pytestmark = pytest.mark.slow

ACTIONS = ["walking the dog", "playing cricket", "clean and jerk", "walking the dog"]
STARTS = [0, 0, 0, 7]
"""Where each part begins in its clip, in seconds."""
LENGTHS = [6, 3, 6, 5]
"""Seconds of each part."""
RATES = [Fraction(25), Fraction(15), Fraction(30000, 1001), Fraction(60)]
SIDE = 256


@pytest.fixture(scope="module")
def model(model_root, spec):
    return load_model(spec.ir_path(model_root, "FP16"), inference_precision="f32", cache=False)


@pytest.fixture(scope="module")
def clips(shared_folder) -> list[Path]:
    dog = shared_folder / "clips" / "activitynet_v_ZNVhz7ctTq0.mp4"
    cricket = shared_folder / "v_CricketShot_g04_c01_rgb.gif"
    jerk = shared_folder / "clips" / "activitynet_v_GGSY1Qvo990.mp4"
    return [dog, cricket, jerk, dog]


def square(frame: np.ndarray) -> np.ndarray:
    """Scale the short side of a frame to 256, and keep the middle of the long one."""
    height, width = frame.shape[:2]
    scale = SIDE / min(height, width)
    frame = cv2.resize(frame, (round(width * scale), round(height * scale)))
    top, left = ((side - SIDE) // 2 for side in frame.shape[:2])
    return np.ascontiguousarray(frame[top : top + SIDE, left : left + SIDE])


def read_parts(clips: Sequence[Path], rate: Fraction) -> list[list[np.ndarray]]:
    """Return the frames of each part."""
    parts = []
    for clip, start, length in zip(clips, STARTS, LENGTHS, strict=True):
        frames = list(read_frames(clip, frames_per_second=rate))
        first = round(start * rate)
        parts.append([square(frame) for frame in frames[first : first + round(length * rate)]])
    return parts


def fade(before: list[np.ndarray], after: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Join two parts; the last frames of one become the first of the other by and by."""
    weights = (np.arange(count) + 0.5) / count
    mixed = [
        cv2.addWeighted(one, 1 - weight, other, weight, 0)
        for one, other, weight in zip(before[-count:], after[:count], weights, strict=True)
    ]
    return [*before[:-count], *mixed, *after[count:]]


def assert_found(timeline: Timeline, borders: Sequence[float], tolerance: float) -> None:
    """Each action is there, in order, from its border to the next; and nothing else."""
    found = timeline.segments
    assert [each.label for each in found] == ACTIONS
    for segment, (start, end) in zip(found, pairwise(borders), strict=True):
        assert segment.start_seconds == pytest.approx(start, abs=tolerance)
        assert segment.end_seconds == pytest.approx(end, abs=tolerance)


@pytest.mark.parametrize("rate", RATES, ids=["25", "15", "29.97", "60"])
def test_borders_of_cuts(model, clips, rate, tmp_path):
    parts = read_parts(clips, rate)
    frames = [frame for part in parts for frame in part]
    video = write_video(tmp_path / "cuts.mp4", frames, rate=rate)

    timeline = model.timeline(video)

    borders = np.cumsum([0, *(len(part) / rate for part in parts)])
    assert_found(timeline, [float(border) for border in borders], 0.6)


def test_borders_of_cuts_in_a_video_of_variable_rate(model, clips, tmp_path):
    rate = Fraction(50)
    parts = read_parts(clips, rate)
    frames = [frame for part in parts for frame in part]
    random = np.random.default_rng(0)
    kept = [0, *np.flatnonzero(random.random(len(frames)) < 0.5).tolist()[1:], len(frames) - 1]
    times = [round(1000 * index / rate) for index in kept]
    chosen = [frames[index] for index in kept]
    video = write_video(tmp_path / "variable.mkv", chosen, rate=rate, times=times)

    timeline = model.timeline(video)

    borders = np.cumsum([0, *(len(part) / rate for part in parts)])
    assert_found(timeline, [float(border) for border in borders], 0.6)


def test_borders_of_fades(model, clips, tmp_path):
    first, *others = read_parts(clips, Fraction(25))
    frames, borders = first, [0.0]
    for part in others:
        frames = fade(frames, part, 25)
        # The middle of the fade.
        borders.append((len(frames) - len(part)) / 25 + 0.5)
    video = write_video(tmp_path / "fades.mp4", frames)

    timeline = model.timeline(video)

    assert_found(timeline, [*borders, len(frames) / 25], 1.5)
