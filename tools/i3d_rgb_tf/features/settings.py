"""How features are made of a video: one dense pass or windows, frame rate, crops, averages."""

from __future__ import annotations

import math
from dataclasses import dataclass

from i3d_rgb_tf.choices import (
    CROP_COUNTS,
    LAST_WINDOWS,
    POOLINGS,
    CropCount,
    LastWindow,
    Pooling,
)
from i3d_rgb_tf.inference.receptive_field import FEWEST_FRAMES, TIME_STRIDE

__all__ = ["LONGEST_WINDOW", "FeatureSettings"]

LONGEST_WINDOW = 384
"""Frames in the longest window: 15 seconds, which needs 1.8 GB of memory in float32."""

_SLOWEST = 0.001
"""Smallest allowed number of frames per second."""


@dataclass(frozen=True)
class FeatureSettings:
    """How features are made of a video; checked at construction.

    A dense pass and windows give different features: a position of the dense pass also depends on
    the frames around its own, a window on nothing but its own frames.
    """

    window: int | None = None
    """Frames in a window that the network sees alone; None for one dense pass over the video."""
    stride: int | None = None
    """Frames from the start of one window to the next, by default those of a window; 8 for the
    dense pass."""
    frames_per_second: float | None = 25.0
    """Rate that the video is resampled to; None for each frame of the file once."""
    last_window: LastWindow | None = None
    """What becomes of frames at the end that do not fill a window, by default ``drop``; see
    `i3d_rgb_tf.features.windows.plan_windows`. None for the dense pass, which uses every frame."""
    segments: int | None = None
    """Number of equal parts of the video, each with the mean of its features; None for none."""
    crops: CropCount = 1
    """Squares that are cut from each frame; see `i3d_rgb_tf.video.crops.CROP_NAMES`."""
    pooling: Pooling = "none"
    """``mean`` for the mean over the whole video, as its only row."""
    logits: bool = False
    """Whether the logits of the 400 actions are kept as well."""

    def __post_init__(self) -> None:
        # So that settings that mean the same are equal.
        if self.stride is None:
            object.__setattr__(self, "stride", self.window or TIME_STRIDE)
        if self.window is not None and self.last_window is None:
            object.__setattr__(self, "last_window", "drop")
        _check_kind(self)
        _check_rate(self.frames_per_second)
        if self.last_window is not None:
            _check_choice("last_window", self.last_window, LAST_WINDOWS)
        _check_choice("crops", self.crops, CROP_COUNTS)
        _check_choice("pooling", self.pooling, POOLINGS)
        if self.segments is not None and self.segments < 1:
            raise ValueError(f"segments is {self.segments}, expected 1 or more")
        if self.segments is not None and self.pooling != "none":
            raise ValueError(
                f"segments is {self.segments} and pooling is {self.pooling}, expected one of them; "
                "leave one out"
            )

    @property
    def is_dense(self) -> bool:
        """Whether the features are those of one dense pass."""
        return self.window is None

    @property
    def step(self) -> int:
        """Frames from the start of one feature to the next."""
        return self.stride or self.window or TIME_STRIDE


def _check_kind(settings: FeatureSettings) -> None:
    if settings.window is None:
        if settings.stride != TIME_STRIDE:
            raise ValueError(
                f"stride is {settings.stride} without a window, expected {TIME_STRIDE}, that of "
                "the dense pass; give a window too"
            )
        if settings.last_window is not None:
            raise ValueError(
                f"last_window is {settings.last_window} without a window; the dense pass uses "
                "every frame; give a window too"
            )
    elif not FEWEST_FRAMES <= settings.window <= LONGEST_WINDOW:
        raise ValueError(
            f"window is {settings.window}, expected {FEWEST_FRAMES} to {LONGEST_WINDOW} frames: "
            "the network takes no fewer, and memory limits the most; use the dense pass for long "
            "ones"
        )
    elif settings.stride is None or settings.stride < 1:
        raise ValueError(f"stride is {settings.stride}, expected 1 or more frames")


def _check_rate(frames_per_second: float | None) -> None:
    if frames_per_second is not None and not _SLOWEST <= frames_per_second < math.inf:
        raise ValueError(
            f"frames_per_second is {frames_per_second}, expected {_SLOWEST} or more, or None for "
            "the video's own"
        )


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        expected = ", ".join(map(str, choices))
        raise ValueError(f"{name} is {value!r}, expected one of {expected}")
