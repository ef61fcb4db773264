"""Videos of moving pictures: soft shapes of every size, in takes that begin with a cut."""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["moving_pictures"]

_SIZES = (4, 8, 16, 32, 80, 160)
"""Pixels of the shapes; in pictures of the world, too, larger ones have more contrast."""


def moving_pictures(num_frames: int, seed: int = 0) -> list[np.ndarray]:
    """Return frames, (224, 224, 3) uint8: views of one picture, which takes the only memory."""
    picture = _picture()
    random = np.random.default_rng(seed)
    most = np.subtract(picture.shape[:2], 224)
    frames: list[np.ndarray] = []
    while len(frames) < num_frames:
        place, velocity = random.uniform(0, most), random.normal(size=2) * (1, 4)
        for _ in range(random.integers(30, 120)):
            place += velocity
            velocity = np.where((place < 0) | (place > most), -velocity, velocity)
            top, left = np.clip(place, 0, most).astype(int)
            frames.append(picture[top : top + 224, left : left + 224])
    return frames[:num_frames]


@cache
def _picture() -> np.ndarray:
    random = np.random.default_rng(0)
    total = sum(size**0.6 * _shapes(random, size, 480, 1600) for size in _SIZES)
    levels = 110 + 60 * (total - total.mean()) / total.std()
    return np.clip(levels, 0, 255).astype(np.uint8)


def _shapes(random: np.random.Generator, size: int, height: int, width: int) -> np.ndarray:
    """Return random colours every `size` pixels, and between them what lies between."""
    colours = random.normal(size=(height // size + 2, width // size + 2, 3))
    for axis, length in enumerate((height, width)):
        places = np.arange(length) / size
        before = places.astype(int)
        share = (places - before).reshape([-1 if each == axis else 1 for each in range(3)])
        one, other = (colours.take(before + step, axis) for step in (0, 1))
        colours = one * (1 - share) + other * share
    return colours
