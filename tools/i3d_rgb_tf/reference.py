"""A clip that needs no file, and what the original stack computes for it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.spec import load_spec

__all__ = ["waves_clip", "waves_probabilities"]


def waves_clip() -> NDArray[np.uint8]:
    """Return a clip of moving waves that needs no file: (79, 224, 224, 3) uint8, RGB, 0..255.

    Each colour is a product of two waves that travel in x, y and time. The original stack's
    outputs for it are known, see `waves_probabilities`.
    """
    axes = map(np.arange, load_spec().clip_shape)
    t, y, x, c = np.meshgrid(*axes, indexing="ij", sparse=True)
    across = np.sin(2 * np.pi * (x / (32 + 8 * c) + y / 48 + t / (16 + 4 * c)))
    down = np.cos(2 * np.pi * (y / (64 + 16 * c) - t / 20))
    return np.clip(np.rint(127.5 + 127.5 * across * down), 0, 255).astype(np.uint8)


@lru_cache
def waves_probabilities() -> NDArray[np.float32]:
    """Return what TensorFlow 1.11 with Sonnet 1.26 and rgb_scratch computes for `waves_clip`.

    (400,) float32.
    """
    probabilities: NDArray[np.float32] = np.load(Path(__file__).parent / "data" / "waves.npy")
    return probabilities
