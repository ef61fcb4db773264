"""Video files of many kinds, made by the ffmpeg program, and its own frames of each of them."""

from __future__ import annotations

import shlex
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np

__all__ = [
    "Edit",
    "Maker",
    "Matrix",
    "bars",
    "coded",
    "converted",
    "display_matrix",
    "edit_list",
    "edited",
    "ffmpeg",
    "frames_of_ffmpeg",
    "joined",
    "lost_packets",
    "numbers",
    "padded",
    "renamed_codec",
    "turned_back",
]

Maker = Callable[[Path], None]
"""Makes the video at a path, whose suffix says which container."""
Edit = Callable[[bytes], bytes]
"""Changes the bytes of a file."""
Matrix = tuple[int, int, int, int]
"""Numbers a, b, c, d: what is at (x, y) is shown at (a x + c y, b x + d y), y downward."""

_BITS = 12
"""Bars in a picture, one for each bit of its number."""
_COLOURS = ((180, 40, 40), (40, 160, 40), (40, 40, 180), (170, 160, 40))


# Pictures.


def bars(count: int, *, first: int = 0, width: int = 192, height: int = 64) -> np.ndarray:
    """Return pictures that carry their number as 12 bars, white for 1, the lowest bit left.

    The lowest quarter has four colours from left to right, so that no two turns or reflections of
    a picture are the same.
    """
    bits = (np.arange(first, first + count)[:, None] >> np.arange(_BITS)) & 1
    columns = np.arange(width)
    pictures = np.empty((count, height, width, 3), np.uint8)
    pictures[:] = (255 * bits[:, columns * _BITS // width])[:, None, :, None]
    pictures[:, height * 3 // 4 :] = np.uint8(_COLOURS)[columns * len(_COLOURS) // width]
    return pictures


def numbers(frames: Iterable[np.ndarray]) -> list[int]:
    """Return the number that each picture of `bars` carries, in spite of compression."""
    return [_number(frame) for frame in frames]


def _number(frame: np.ndarray) -> int:
    height, width = frame.shape[:2]
    columns = frame[height // 16 : height * 11 // 16].mean(axis=(0, 2))
    centres = ((np.arange(_BITS) + 0.5) * width / _BITS).astype(int)
    reach = max(1, width // _BITS // 4)
    levels = sum(columns[centres + shift] for shift in range(-reach, reach)) / (2 * reach)
    return int(((levels > 128) << np.arange(_BITS)).sum())


def turned_back(frame: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Return the picture that is shown as `frame`, by this matrix."""
    a, b, c, d = matrix
    return frame[::d, ::a] if a else frame[::b, ::c].swapaxes(0, 1)


# The program.


def ffmpeg(*arguments: str | Path, pictures: np.ndarray | None = None) -> bytes:
    """Run the ffmpeg program and return its standard output; its standard input is `pictures`."""
    command = [_program(), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    data = b"" if pictures is None else pictures.tobytes()
    done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


@cache
def _program() -> str:
    return imageio_ffmpeg.get_ffmpeg_exe()


def frames_of_ffmpeg(path: Path, filters: str) -> list[np.ndarray]:
    """Return the RGB frames of a video after filters; the program chooses the stream."""
    # With several threads, the decoder conceals damage differently. The filters alone decide on
    # the number of frames, and each frame is written with its size before it.
    reading = ["-threads", "1", "-i", path]
    filtering = ["-vf", filters, "-fps_mode", "passthrough", "-pix_fmt", "rgb24"]
    written = ffmpeg(*reading, *filtering, "-c:v", "ppm", "-f", "image2pipe", "-")
    return list(_portable_pixmaps(written))


def _portable_pixmaps(data: bytes) -> Iterator[np.ndarray]:
    r"""Read pictures of ``P6\n width height\n 255\n pixels``."""
    start = 0
    while start < len(data):
        kind, size, _ = data[start : start + 40].split(b"\n", 3)[:3]
        width, height = map(int, size.split())
        assert kind == b"P6"
        start += len(kind) + len(size) + len("\n\n255\n")
        end = start + width * height * 3
        yield np.frombuffer(data[start:end], np.uint8).reshape(height, width, 3)
        start = end


# Makers.


def coded(
    options: str,
    *,
    rate: str = "25",
    count: int = 40,
    first: int = 0,
    size: tuple[int, int] = (192, 64),
    before: str = "",
) -> Maker:
    """Encode pictures of `bars`; `before` are options and inputs before the pictures."""

    def make(path: Path) -> None:
        width, height = size
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate]
        pictures = bars(count, first=first, width=width, height=height)
        source = [*shlex.split(before), *raw, "-i", "-"]
        ffmpeg(*source, *shlex.split(options), path, pictures=pictures)

    return make


def converted(maker: Maker, options: str, *, suffix: str = ".mp4", before: str = "") -> Maker:
    """Make a video of that suffix, and give it to the ffmpeg program again."""

    def make(path: Path) -> None:
        original = path.with_name(f"{path.stem}-original{suffix}")
        maker(original)
        ffmpeg(*shlex.split(before), "-i", original, *shlex.split(options), path)
        original.unlink()

    return make


def joined(*makers: Maker) -> Maker:
    """Make videos and append each one's bytes to those of the one before it."""

    def make(path: Path) -> None:
        parts = []
        for maker in makers:
            maker(path)
            parts.append(path.read_bytes())
        path.write_bytes(b"".join(parts))

    return make


def edited(maker: Maker, *edits: Edit) -> Maker:
    """Make a video and change its bytes."""

    def make(path: Path) -> None:
        maker(path)
        data = path.read_bytes()
        for edit in edits:
            data = edit(data)
        path.write_bytes(data)

    return make


# Edits.


def lost_packets(*shares: float, count: int = 1, size: int = 188) -> Edit:
    """Leave out packets of `size` bytes, `count` at each of these shares of a stream's length."""

    def edit(data: bytes) -> bytes:
        packets = [data[start : start + size] for start in range(0, len(data), size)]
        for share in sorted(shares, reverse=True):
            start = int(share * len(packets))
            del packets[start : start + count]
        return b"".join(packets)

    return edit


def replace_box(data: bytes, path: str, change: Edit) -> bytes:
    """Change the content of the boxes of an MP4 at a path such as ``moov/trak/tkhd``.

    The pictures must come before the box, because their places in the file are not updated.
    """
    kind, _, rest = path.partition("/")
    boxes = []
    start = 0
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        name, content = data[start + 4 : start + 8], data[start + 8 : start + length]
        if name == kind.encode():
            content = replace_box(content, rest, change) if rest else change(content)
        boxes.append(struct.pack(">I", 8 + len(content)) + name + content)
        start += length
    return b"".join(boxes)


def display_matrix(matrix: Matrix) -> Edit:
    """Set the display matrix of an MP4."""
    a, b, c, d = (value << 16 for value in matrix)
    packed = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)

    def change(header: bytes) -> bytes:
        # Version and flags 4, times, track and duration 20, reserved and layers 16.
        return header[:40] + packed + header[40 + len(packed) :]

    return lambda data: replace_box(data, "moov/trak/tkhd", change)


def edit_list(*segments: tuple[int, int]) -> Edit:
    """Set the edit list of an MP4.

    Each segment is a duration in milliseconds, the time scale of the movie, and the time in the
    track where it begins, in the time scale of the track; -1 is a pause.
    """
    entries = [struct.pack(">Iihh", length, start, 1, 0) for length, start in segments]
    content = struct.pack(">II", 0, len(entries)) + b"".join(entries)
    return lambda data: replace_box(data, "moov/trak/edts/elst", lambda _: content)


def padded(num_bytes: int) -> Edit:
    """Make an MP4 so large, with a box at its end that players skip."""

    def edit(data: bytes) -> bytes:
        left = num_bytes - len(data)
        return data + struct.pack(">I4s", left, b"free").ljust(left, b"\0")

    return edit


def renamed_codec(name: bytes, new_name: bytes) -> Edit:
    """Set the codec of the tracks of an MP4 that have this one."""
    where = "moov/trak/mdia/minf/stbl/stsd"

    def edit(data: bytes) -> bytes:
        renamed = replace_box(data, where, lambda entry: entry.replace(name, new_name, 1))
        assert renamed != data
        return renamed

    return edit
