"""How large and how long a video may be: a small file can claim more than any machine has."""

from __future__ import annotations

from fractions import Fraction

from i3d_rgb_tf.errors import VideoError

__all__ = [
    "LARGEST_RATIO",
    "LEAST_BYTES_PER_SECOND",
    "LONGEST_FRAME_SECONDS",
    "MOST_ALLOCATED_BYTES",
    "MOST_DECODED_BYTES",
    "MOST_PIXELS",
    "SMALLEST_SIDE",
    "check_frame_size",
    "check_length",
    "check_scaling",
    "longest_seconds",
]

MOST_PIXELS = 8192 * 4320
"""Pixels of the largest frame: 8K of digital cinema."""
MOST_DECODED_BYTES = 1_080_000_000
"""Memory for the frames that a decoder keeps: frames of 8K and 8 bits in H.264 or H.265 fit, and of
4K and 16 bits with an alpha channel in a codec that encodes each by itself."""
_KEPT_FRAMES, _KEPT_INTRA_FRAMES = 20, 5
"""How many frames a decoder keeps: H.264 and H.265 refer to up to 16 earlier ones."""
MOST_ALLOCATED_BYTES = 128 * 1024**2
"""Largest piece of memory that FFmpeg may take at once: more than a frame, or the index of two days
of video."""
LARGEST_RATIO = 32
"""Largest ratio of the sides; with a larger one, the long side would need too much memory after
scaling."""
SMALLEST_SIDE = 8
"""Smallest side that is scaled, in pixels: nothing can be seen in less, and a small file can have
millions of such frames."""
LONGEST_FRAME_SECONDS = 3600
"""Longest time for which one frame is shown; a longer gap means that a timestamp is damaged."""
LEAST_BYTES_PER_SECOND = 50
"""Smallest size of a video, beyond its first hour. Slides that change once a minute have more."""


def longest_seconds(num_bytes: int) -> Fraction:
    """Return how long a video of this size may be, in seconds.

    Examples
    --------
    >>> int(longest_seconds(5_000) / 60), int(longest_seconds(50_000_000) / 3600)
    (61, 278)
    """
    return LONGEST_FRAME_SECONDS + Fraction(num_bytes, LEAST_BYTES_PER_SECOND)


def check_length(seconds: Fraction, longest: Fraction, *, name: str) -> None:
    """Raise a `VideoError` if a video is longer than one of its size can be."""
    if seconds > longest:
        raise VideoError(
            f"{name} claims to last {float(seconds) / 3600:.1f} h, expected at most "
            f"{float(longest) / 3600:.1f} h for its size; encode it again at a constant frame rate"
        )


def check_frame_size(
    width: int, height: int, bits_per_pixel: int, *, intra_only: bool, name: str
) -> None:
    """Raise a `VideoError` if frames of this size need too much memory to be decoded.

    Parameters
    ----------
    width, height
        In pixels.
    bits_per_pixel
        Of all channels, as they are in memory; 0 if unknown.
    intra_only
        Whether each frame is encoded by itself.
    name
        Name of the video in the error message.
    """
    num_bytes = width * height * bits_per_pixel // 8
    most_bytes = MOST_DECODED_BYTES // (_KEPT_INTRA_FRAMES if intra_only else _KEPT_FRAMES)
    if width * height > MOST_PIXELS or num_bytes > most_bytes:
        raise VideoError(
            f"{name} is {width}x{height} with {bits_per_pixel} bits a pixel, expected at most "
            f"{MOST_PIXELS:,} pixels and {most_bytes:,} bytes in a frame; scale it down first"
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
