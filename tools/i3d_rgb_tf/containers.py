"""Whether a video file can be read and is all there, without decoding."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

from i3d_rgb_tf.errors import VideoError

__all__ = ["VIDEO_SUFFIXES", "check_file", "missing_end"]

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    }
)
"""What a file in a folder must end with to count as a video."""

_BOXES = frozenset(b"ftyp free mdat mfra moof moov sidx skip styp wide".split())
"""Boxes on the top level of MP4 and MOV; other bytes after them are no box but a rest."""
_SHORTEST_BOX = 8
"""Bytes: its length and type."""
_EBML_HEADER, _EBML_SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = b"\x21", b"\x2c", b"\x3b"


def check_file(path: Path) -> None:
    """Raise unless `path` is a file that may be read and has something in it.

    A pipe or a device is none: its end cannot be looked at, and to open one may take for ever.

    Raises
    ------
    VideoError
        It is missing, a folder, a pipe, empty, or may not be read.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise VideoError(f"{path} is a folder, expected a video file; name the files in it")
        if not stat.S_ISREG(status.st_mode):
            raise VideoError(
                f"{path} is a pipe or a device, expected a video file; save the video first"
            )
        if not status.st_size:
            raise VideoError(f"{path} is empty (0 bytes), expected a video; get the file again")
        path.open("rb").close()
    except FileNotFoundError as error:
        raise VideoError(f"there is no video {path}; check the path") from error
    except OSError as error:
        raise VideoError(
            f"cannot read {path}: {error.strerror}; expected a file you may read"
        ) from error


def missing_end(path: Path) -> str | None:
    """Say what is missing at the end of a file that was cut; None when nothing is known to be.

    A decoder takes a cut file for a shorter video. MP4 and MOV state the length of their parts
    (ISO/IEC 14496-12, 4.2), so do Matroska and WebM (RFC 8794, 6), and a GIF ends with a mark
    (GIF89a, 27). Other containers are not looked into.

    Parameters
    ----------
    path
        A file that can be read.

    Raises
    ------
    OSError
        It cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if head[:6] in {b"GIF87a", b"GIF89a"}:
            return None if _reaches_gif_end(file) else "its GIF end mark is missing"
        end = 0
        if head[4:] in _BOXES:
            end = _end_of_boxes(file, size)
        elif head[:4] == _EBML_HEADER:
            end = _end_of_segment(file)
    return f"its last {end - size:,} bytes are missing" if end > size else None


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Walk over ``size(4) type(4) [size(8)] content``."""
    start = 0
    while start + _SHORTEST_BOX <= size:
        file.seek(start)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        # A length of 0 means: up to the end of the file, whatever that is.
        if kind not in _BOXES or length < _SHORTEST_BOX:
            break
        start += length
    return start


def _end_of_segment(file: BinaryIO) -> int:
    """Walk over ``header(4) length content segment(4) length content``; 0 if it is not stated."""
    file.seek(4)
    file.seek(_ebml_length(file) or 0, 1)
    if file.read(4) != _EBML_SEGMENT:
        return 0
    length = _ebml_length(file)
    return file.tell() + length if length else 0


def _ebml_length(file: BinaryIO) -> int | None:
    """Read ``0..01x..x``: as many bytes as the place of the first 1; all ones stand for unknown."""
    first = file.read(1) or b"\0"
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big") & ((1 << 7 * width) - 1)
    return None if value == (1 << 7 * width) - 1 else value


def _reaches_gif_end(file: BinaryIO) -> bool:
    """Walk over ``head(6) screen(7) [colours] (extension | image)* end``."""
    file.seek(6)
    _skip_colours(file, file.read(7)[4:5])
    while (mark := file.read(1)) in {_GIF_EXTENSION, _GIF_IMAGE}:
        if mark == _GIF_EXTENSION:
            file.seek(1, 1)
        else:
            _skip_colours(file, file.read(9)[8:9])
            file.seek(1, 1)
        # Blocks of up to 255 bytes, each after its length; the one of length 0 is the last.
        while length := file.read(1):
            if length == b"\0":
                break
            file.seek(length[0], 1)
    return mark == _GIF_END


def _skip_colours(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << ((flags[0] & 7) + 1), 1)
