"""What pictures are drawn with: Pillow, its own font, and shapes with smooth edges."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from i3d_rgb_tf.errors import DependencyError, escape_controls

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

__all__ = [
    "Box",
    "Color",
    "fitting_font",
    "pillow",
    "printable",
    "rgb",
    "rounded_bars",
    "shortened",
    "text_font",
]

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""
Color = tuple[int, int, int, int]
"""Red, green, blue, and 255 for opaque."""

_SMOOTHING = 4
"""Shapes are drawn so many times larger, and then scaled down."""
_DOTS = "…"


def pillow() -> ModuleType:
    """Return ``PIL.Image``.

    Raises
    ------
    DependencyError
        Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DependencyError(
            "pictures are drawn with Pillow, which is not installed; install it: "
            "pip install 'i3d-rgb-tf[timeline]'"
        ) from error
    module: ModuleType = Image
    return module


@lru_cache(maxsize=64)
def text_font(size: int) -> FreeTypeFont:
    """Return the font that comes with Pillow, so that a picture is the same on all machines."""
    from PIL import ImageFont

    font: FreeTypeFont = ImageFont.load_default(size)
    return font


def fitting_font(text: str, width: float, sizes: Sequence[int]) -> FreeTypeFont:
    """Return the font of the first of some sizes in which a text is not too wide, or of the last.

    >>> fitting_font("playing the clarinet", 160, (20, 18, 16)).size
    18
    """
    fonts = [text_font(size) for size in sizes]
    return next((font for font in fonts if font.getlength(text) <= width), fonts[-1])


def printable(text: str) -> str:
    r"""Return the text in characters that the font has.

    Control characters become escapes, letters lose their accents, and others become a ``?``.

    >>> printable("Café\n日本.mp4")
    'Cafe\\n??.mp4'
    """
    letters = unicodedata.normalize("NFKD", escape_controls(text))
    plain = (each for each in letters if not unicodedata.combining(each))
    return "".join(each if " " <= each <= "~" else "?" for each in plain)


def shortened(text: str, font: FreeTypeFont, width: float) -> str:
    """Return the text, or as much of its beginning as is not wider than `width` pixels.

    >>> shortened("playing the clarinet", text_font(20), 100)
    'playing t…'
    """
    if font.getlength(text) <= width:
        return text
    length = len(text)
    while length and font.getlength(text[:length].rstrip() + _DOTS) > width:
        length -= 1
    return text[:length].rstrip() + _DOTS


def rgb(color: str) -> tuple[int, int, int]:
    """Return a colour of CSS.

    >>> rgb("#2f9cd7")
    (47, 156, 215)
    """
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


def rounded_bars(
    size: tuple[int, int],
    bars: Iterable[tuple[Box, Color]],
    *,
    radius: float = float("inf"),
) -> Image:
    """Return a transparent picture with bars whose ends are round.

    Parameters
    ----------
    size
        Width and height in pixels.
    bars
        The place of each, in fractions of pixels, and its colour. A later one replaces what is
        below it.
    radius
        Of the corners, in pixels; at most, the ends are half circles.
    """
    from PIL import Image, ImageDraw

    width, height = size
    large: Any = Image.new("RGBA", (width * _SMOOTHING, height * _SMOOTHING))
    draw = ImageDraw.Draw(large)
    for box, color in bars:
        left, top, right, bottom = (round(side * _SMOOTHING) for side in box)
        if right > left and bottom > top:
            corner = min(radius * _SMOOTHING, (right - left) // 2, (bottom - top) // 2)
            draw.rounded_rectangle((left, top, right - 1, bottom - 1), corner, fill=color)
    return large.resize(size, Image.Resampling.BOX)
