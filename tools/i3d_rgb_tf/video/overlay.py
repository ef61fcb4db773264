"""Draw a small picture into frames, without converting the rest of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.video.pixels import plane_levels

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["Overlay", "draw_overlay"]

_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""Weights of red and blue by FFmpeg's number of the matrix (ITU-T H.273, table 4)."""
_BT601 = (0.299, 0.114)
_OPAQUE = 255


@dataclass(frozen=True)
class Overlay:
    """A picture that is partly transparent, and its place in a frame."""

    pixels: NDArray[np.uint8] = field(repr=False)
    """(height, width, 4) uint8: red, green, blue, and 255 where it is opaque."""
    left: int
    """Columns of the frame to the left of it, 0 or more."""
    top: int
    """Rows of the frame above it, 0 or more."""

    @cached_property
    def _planes(self) -> dict[int, list[_Plane]]:
        """The planes by the number of the matrix."""
        return {}

    def planes(self, matrix: int) -> list[_Plane]:
        """Return what is drawn into each plane of a frame in YUV 4:2:0 of 8 bits."""
        if matrix not in self._planes:
            self._planes[matrix] = _planes(self, _LUMA_WEIGHTS.get(matrix, _BT601))
        return self._planes[matrix]


@dataclass(frozen=True)
class _Plane:
    """What is drawn into one plane of a frame."""

    left: int
    top: int
    added: NDArray[np.uint16]
    """(height, width): the picture's levels, times its opacity, 0..255 * 255."""
    kept: NDArray[np.uint16]
    """(height, width): the transparency, 0..255."""


def draw_overlay(frame: VideoFrame, overlay: Overlay) -> None:
    """Draw into a frame, as far as it is inside.

    Parameters
    ----------
    frame
        In the pixel format ``yuv420p`` and limited range. Its pixels are copied before if others
        use them, such as a decoder.
    overlay
        What is drawn.
    """
    frame.make_writable()
    for index, drawn in enumerate(overlay.planes(int(frame.colorspace))):
        height, width = drawn.kept.shape
        levels = plane_levels(frame, index)[drawn.top :, drawn.left :][:height, :width]
        height, width = levels.shape
        kept, added = drawn.kept[:height, :width], drawn.added[:height, :width]
        levels[:] = (levels * kept + added + _OPAQUE // 2) // _OPAQUE


def _planes(overlay: Overlay, weights: tuple[float, float]) -> list[_Plane]:
    """Return the planes Y, U and V; a sample of U and V stands for 2x2 pixels."""
    left, top = overlay.left // 2 * 2, overlay.top // 2 * 2
    height, width = overlay.pixels.shape[:2]
    before = (overlay.top - top, overlay.left - left)
    after = ((height + before[0]) % 2, (width + before[1]) % 2)
    sides = ((before[0], after[0]), (before[1], after[1]), (0, 0))
    pixels = np.pad(overlay.pixels, sides).astype(np.float32)
    opacity = pixels[..., 3]
    y, u, v = (level * opacity for level in _yuv(pixels[..., :3] / np.float32(_OPAQUE), *weights))
    small = _halved(opacity)
    return [
        _Plane(left, top, _rounded(y), _OPAQUE - _rounded(opacity)),
        _Plane(left // 2, top // 2, _rounded(_halved(u)), _OPAQUE - _rounded(small)),
        _Plane(left // 2, top // 2, _rounded(_halved(v)), _OPAQUE - _rounded(small)),
    ]


def _yuv(
    rgb: NDArray[np.float32], red_weight: float, blue_weight: float
) -> list[NDArray[np.float32]]:
    """Return the levels of Y, U and V in limited range, 16..235 and 16..240, of RGB in 0..1.

    >>> [level.round().tolist() for level in _yuv(np.float32([1, 1, 1]), 0.299, 0.114)]
    [235.0, 128.0, 128.0]
    """
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    return [
        16 + 219 * luma,
        128 + 112 * (blue - luma) / (1 - blue_weight),
        128 + 112 * (red - luma) / (1 - red_weight),
    ]


def _halved(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of 2x2 levels."""
    height, width = levels.shape
    mean: NDArray[np.float32] = levels.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return mean


def _rounded(levels: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.rint(levels).astype(np.uint16)
