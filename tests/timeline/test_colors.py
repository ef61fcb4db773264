"""Labels are ordered by their strength, and their colours can be told apart by everybody."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.colors import PALETTE, label_colors, lane_labels, rank_labels
from i3d_rgb_tf.timeline.settings import SegmentSettings
from timelines import make_timeline

VISIONS = {
    "all cones": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""What people see of linear RGB (Machado, Oliveira and Fernandes 2009, severity 1)."""
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.119192, 0.9503041],
    ]
)
"""Of linear sRGB (IEC 61966-2-1)."""


def linear(color: str) -> np.ndarray:
    levels = np.frombuffer(bytes.fromhex(color[1:]), np.uint8) / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    dark, light = sorted(float((XYZ @ linear(color))[1]) for color in (one, other))
    return (light + 0.05) / (dark + 0.05)


def cielab(rgb: np.ndarray) -> np.ndarray:
    ratios = XYZ @ np.clip(rgb, 0, 1) / XYZ.sum(axis=1)
    x, y, z = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISIONS)
def test_everybody_can_tell_the_colours_apart(vision: str) -> None:
    seen = {color: cielab(np.array(VISIONS[vision]) @ linear(color)) for color in PALETTE}

    distances = {
        (one, other): float(np.linalg.norm(seen[one] - seen[other]))
        for one, other in combinations(PALETTE, 2)
    }

    # 2.3 is just noticeable.
    assert min(distances.values()) > 18


@pytest.mark.parametrize("background", ["#ffffff", "#15181c"])
def test_each_colour_is_seen_on_white_and_on_black(background: str) -> None:
    assert min(contrast(color, background) for color in PALETTE) >= 3


SHORT_AND_SURE = {"zumba": [0.9, 0, 0, 0, 0], "yoga": [0.3, 0.3, 0.3, 0.3, 0.3]}


def test_labels_with_segments_come_first_and_then_the_most_probability_in_all() -> None:
    timeline = make_timeline("video.mp4", {**SHORT_AND_SURE, "juggling balls": [0.01] * 5})

    ranked = rank_labels(timeline)

    assert ranked[:3] == ("zumba", "yoga", "juggling balls")
    assert sorted(ranked) == sorted(load_labels())


def test_labels_that_were_looked_for_come_before_others() -> None:
    settings = SegmentSettings(labels=("juggling balls",))
    timeline = make_timeline(
        "video.mp4", {**SHORT_AND_SURE, "juggling balls": [0.01] * 5}, settings
    )

    assert rank_labels(timeline)[:2] == ("juggling balls", "yoga")
    assert lane_labels(timeline) == ("juggling balls",)


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ({"zumba": [0.9], "yoga": [0.05], "archery": [0.03]}, ("zumba", "yoga", "archery")),
        ({"zumba": [0.3], "yoga": [0.28], "archery": [0.27]}, ("zumba", "yoga", "archery")),
        (
            {"zumba": [0.9, 0.1, 0], "yoga": [0, 0.3, 0.3], "archery": [0, 0.3, 0.3]},
            ("zumba", "archery", "yoga"),
        ),
    ],
)
def test_at_least_three_labels_have_lanes(
    probabilities: dict[str, list[float]], expected: tuple[str, ...]
) -> None:
    assert lane_labels(make_timeline("video.mp4", probabilities)) == expected


def test_at_most_eight_labels_have_lanes_each_in_its_own_colour() -> None:
    names = load_labels()[:12]
    timeline = make_timeline("video.mp4", dict(zip(names, np.eye(12) * 0.9, strict=True)))

    lanes = lane_labels(timeline)
    colors = label_colors(timeline)

    assert len(lanes) == 8
    assert {colors[label] for label in lanes} == set(PALETTE)
    assert len(colors) == 400
