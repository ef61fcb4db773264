"""Find out whether a video file is truncated, without decoding it."""

from __future__ import annotations

import os
from typing import IO

from i3d_rgb_tf.video.files import VideoFile, file_size

__all__ = ["describe_truncation", "missing_end"]

_BOXES = frozenset(b"ftyp free mdat mfra moof moov sidx skip styp wide".split())
"""Boxes on the top level of MP4 and MOV. Any other bytes are not a box; the walk ends there."""
_SHORTEST_BOX = 8
"""Bytes: 4 for its length and 4 for its type."""
_EBML_HEADER, _EBML_SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_GIF_EXTENSION, _GIF_IMAGE, _GIF_TRAILER = b"\x21", b"\x2c", b"\x3b"


def missing_end(path: VideoFile) -> str | None:
    """Return what is missing at the end of a truncated file, or None if the file seems complete.

    A decoder cannot distinguish a truncated file from a shorter video. MP4 and MOV state the
    length of their parts (ISO/IEC 14496-12, 4.2), Matroska and WebM do as well (RFC 8794, 6), and
    a GIF ends with a trailer (GIF89a, 27). Files of other containers always seem complete.

    Parameters
    ----------
    path
        A file that can be read.

    Raises
    ------
    OSError, VideoError
        It cannot be read.
    """
    size = file_size(path)
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if head[:6] in {b"GIF87a", b"GIF89a"}:
            return None if _reaches_gif_trailer(file) else "its GIF trailer is missing"
        end = 0
        if head[4:] in _BOXES:
            end = _end_of_boxes(file, size)
        elif head[:4] == _EBML_HEADER:
            end = _end_of_segment(file, size)
        if end > size:
            # A server may state too small a size, which shows where the last bytes are asked for.
            file.seek(-1, os.SEEK_END)
            file.read(1)
    return f"its last {end - size:,} bytes are missing" if end > size else None


def describe_truncation(path: VideoFile) -> str | None:
    """Return what is wrong with a truncated file, and what to do; None if it seems complete.

    Raises
    ------
    OSError, VideoError
        As for `missing_end`.
    """
    reason = missing_end(path)
    return f"{path} is truncated: {reason}; get the complete file" if reason else None


def _end_of_boxes(file: IO[bytes], size: int) -> int:
    """Walk over boxes of ``length(4) type(4) [length(8)] content``."""
    start = 0
    while start + _SHORTEST_BOX <= size:
        file.seek(start)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        # A length of 0 means up to the end of the file, wherever that is.
        if kind not in _BOXES or length < _SHORTEST_BOX:
            break
        start += length
    return start


def _end_of_segment(file: IO[bytes], size: int) -> int:
    """Walk over ``header(4) length content segment(4) length content``.

    Returns 0 if the end is not stated.
    """
    file.seek(4)
    header_bytes = _ebml_length(file) or 0
    # A damaged length may be more than a file can have.
    file.seek(min(header_bytes, size), 1)
    if file.read(4) != _EBML_SEGMENT:
        return 0
    length = _ebml_length(file)
    return file.tell() + length if length else 0


def _ebml_length(file: IO[bytes]) -> int | None:
    """Read a length ``0..01x..x``; None if it is unknown.

    The position of the first 1 is the number of bytes. If every x is 1, the length is unknown.
    """
    first = file.read(1) or b"\0"
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big") & ((1 << 7 * width) - 1)
    return None if value == (1 << 7 * width) - 1 else value


def _reaches_gif_trailer(file: IO[bytes]) -> bool:
    """Walk over ``head(6) screen(7) [colours] (extension | image)* trailer``."""
    file.seek(6)
    _skip_colours(file, file.read(7)[4:5])
    while (kind := file.read(1)) in {_GIF_EXTENSION, _GIF_IMAGE}:
        if kind == _GIF_EXTENSION:
            file.seek(1, 1)
        else:
            _skip_colours(file, file.read(9)[8:9])
            file.seek(1, 1)
        # Blocks of up to 255 bytes follow, each after its length; a length of 0 ends them.
        while length := file.read(1):
            if length == b"\0":
                break
            file.seek(length[0], 1)
    return kind == _GIF_TRAILER


def _skip_colours(file: IO[bytes], flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << ((flags[0] & 7) + 1), 1)
