"""A stranger aligns features with seconds by `numpy.load` and the JSON alone."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.video.decode import read_frames
from videos import write_video

RATE = Fraction(30000, 1001)
"""Of the joined video; the features are at another rate."""
KINDS = {"dense": [], "windows": ["--window", "16", "--stride", "8", "--fps", "native"]}


def find_border(folder: Path, stem: str) -> float:
    """Return the seconds at which the two halves of a video differ most; without this package."""
    features = np.load(folder / f"{stem}_rgb.npy")
    times = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))["times_seconds"]
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)

    def spread(rows: np.ndarray) -> float:
        return float(((rows - rows.mean(axis=0)) ** 2).sum())

    borders = range(1, len(times))
    spreads = [spread(directions[:row]) + spread(directions[row:]) for row in borders]
    row = borders[int(np.argmin(spreads))]
    return float(times[row - 1] + times[row]) / 2


@pytest.mark.parametrize(("num_before", "num_after"), [(70, 170), (170, 70)])
@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.slow
def test_the_border_of_two_joined_clips_is_found_within_a_second(
    model_root: Path,
    shared_folder: Path,
    tmp_path: Path,
    num_before: int,
    num_after: int,
    options: list[str],
) -> None:
    clips = shared_folder / "clips"
    lengths = {
        "activitynet_v_ZNVhz7ctTq0.mp4": num_before,
        "activitynet_v_GGSY1Qvo990.mp4": num_after,
    }
    # H.264 takes even sides only.
    frames = [
        frame[:, :340]
        for name, length in lengths.items()
        for frame in list(read_frames(clips / name, frames_per_second=RATE))[:length]
    ]
    video = write_video(tmp_path / "joined.mp4", frames, rate=RATE)

    status = main(
        ["features", str(video), "-d", str(model_root), "-o", str(tmp_path / "out"), *options]
    )

    assert status == 0
    assert find_border(tmp_path / "out", "joined") == pytest.approx(num_before / RATE, abs=1)
