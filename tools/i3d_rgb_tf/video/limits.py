"""How large and how long a video may be: a small file can claim more than any machine has."""

from __future__ import annotations

from fractions import Fraction

from i3d_rgb_tf.errors import VideoError

__all__ = [
    "LARGEST_RATIO",
    "LEAST_BYTES_PER_SECOND",
    "LONGEST_FRAME_SECONDS",
    "MOST_ALLOCATED_BYTES",
    "MOST_FRAME_BYTES",
    "MOST_PIXELS",
    "SMALLEST_SIDE",
    "check_frame_size",
    "check_length",
    "check_scaling",
    "longest_seconds",
]

MOST_PIXELS = 8192 * 4320
"""Pixels of the largest frame: 8K of digital cinema."""
MOST_FRAME_BYTES = 60_000_000
"""Size of the largest decoded frame: 8K of 8 bits, or 6K of 10. A decoder may keep 20 of them,
since H.264 and H.265 refer to up to 16 earlier frames; this keeps the process below 1.5 GB."""
MOST_ALLOCATED_BYTES = 128 * 1024**2
"""Largest piece of memory that FFmpeg may take at once: more than a frame, or the index of two days
of video."""
LARGEST_RATIO = 32
"""Largest ratio of the sides that is scaled: the long side would need too much memory."""
SMALLEST_SIDE = 8
"""Smallest side that is scaled, in pixels: nothing can be seen in less, and a small file can have
millions of such frames."""
LONGEST_FRAME_SECONDS = 3600
"""Longest time for which one frame is shown; a longer gap means that a timestamp is damaged."""
LEAST_BYTES_PER_SECOND = 100
"""Smallest size of a video, beyond its first hour. Slides that change once a minute have more."""


def longest_seconds(num_bytes: int) -> Fraction:
    """Return how long a video of this size may be, in seconds.

    Examples
    --------
    >>> int(longest_seconds(5_000) / 60), int(longest_seconds(50_000_000) / 3600)
    (60, 139)
    """
    return LONGEST_FRAME_SECONDS + Fraction(num_bytes, LEAST_BYTES_PER_SECOND)


def check_length(seconds: Fraction, longest: Fraction, *, name: str) -> None:
    """Raise a `VideoError` if a video is longer than one of its size can be."""
    if seconds > longest:
        raise VideoError(
            f"{name} claims to last {float(seconds) / 3600:.1f} h, expected at most "
            f"{float(longest) / 3600:.1f} h for its size; encode it again at a constant frame rate"
        )


def check_frame_size(width: int, height: int, bits_per_pixel: int, *, name: str) -> None:
    """Raise a `VideoError` if frames of this size need too much memory to be decoded."""
    num_bytes = width * height * bits_per_pixel // 8
    if width * height > MOST_PIXELS or num_bytes > MOST_FRAME_BYTES:
        raise VideoError(
            f"{name} is {width}x{height} with {bits_per_pixel} bits a pixel, expected at most "
            f"{MOST_PIXELS:,} pixels and {MOST_FRAME_BYTES:,} bytes in a frame; scale it down first"
        )


def check_scaling(width: int, height: int, *, name: str) -> None:
    """Raise a `VideoError` if frames of this size cannot be scaled to the network's size."""
    short, long = sorted((width, height))
    if long > LARGEST_RATIO * short:
        raise VideoError(
            f"{name} is {width}x{height}, expected a ratio of the sides of at most "
            f"{LARGEST_RATIO}; crop it first"
        )
    if short < SMALLEST_SIDE:
        raise VideoError(
            f"{name} is {width}x{height}, expected sides of at least {SMALLEST_SIDE} pixels; "
            "give a larger video"
        )
