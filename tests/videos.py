"""Small synthetic videos for the tests, in many formats, some of them damaged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.decode import read_frames

MILLISECOND = Fraction(1, 1000)
_EVERYWHERE = {"libx264": {"x264-params": "threads=1:cpu-independent=1"}}
"""What an encoder needs to write the same on every machine."""


def error_of(path: Path) -> str:
    """Return the one line that refuses a video."""
    with pytest.raises(VideoError) as caught:
        list(read_frames(path))
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def gray(level: int, width: int = 64, height: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def ramp(num_frames: int) -> list[np.ndarray]:
    """Return frames that differ in brightness, up to 40 of them."""
    return [gray(10 + 6 * index) for index in range(num_frames)]


def places(frames: Iterable[np.ndarray]) -> list[int]:
    """Return which frame of `ramp` each one is, in spite of compression."""
    return [round((float(frame.mean()) - 10) / 6) for frame in frames]


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    rate: Fraction | int = 25,
    times: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
) -> Path:
    """Encode `frames`, at `rate` or each at its time in milliseconds."""
    with av.open(str(path), "w", options=muxing or {}) as container:
        options = _EVERYWHERE.get(codec, {}) | (options or {})
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if times is not None:
            stream.codec_context.time_base = MILLISECOND
        for index, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = index if times is None else times[index]
            frame.time_base = MILLISECOND if times is not None else Fraction(1, 1) / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_solid(
    path: Path, yuv: tuple[int, int, int], *, colorspace: int, color_range: int
) -> Path:
    """Encode a frame of one colour, marked with its matrix and range."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = colorspace
        stream.codec_context.color_range = color_range
        frame = av.VideoFrame(64, 64, "yuv420p")
        for plane, value in zip(frame.planes, yuv, strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.colorspace, frame.color_range, frame.pts = colorspace, color_range, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_audio(path: Path, *, cover: bool = False) -> Path:
    """Encode a moment of silence, with a cover picture if wanted."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=44100)
        picture = None
        if cover:
            picture = container.add_stream("mjpeg", rate=25)
            picture.width = picture.height = 64
            picture.pix_fmt = "yuvj420p"
            picture.disposition = Disposition.attached_pic.value
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate = 44100
        container.mux(sound.encode(silence))
        container.mux(sound.encode())
        if picture is not None:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(gray(99))))
            container.mux(picture.encode())
    return path


def rotate(path: Path, degrees: int) -> Path:
    """Set the display matrix of an MP4: it is to be shown turned clockwise, as phones do."""
    one = 1 << 16
    cosine, sine = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    matrix = (cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    # The box: type 4, version and flags 4, times, track and duration 20, reserved and layers 16.
    start = data.index(b"tkhd") + 4 + 4 + 20 + 16
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(data)
    return path


def write_transparent_gif(path: Path) -> Path:
    """Write two frames of 2x2 pixels: left red, right transparent; then all transparent."""
    head = b"GIF89a" + bytes([2, 0, 2, 0, 0x80, 0, 0]) + bytes([255, 0, 0, 0, 0, 255])
    control = b"\x21\xf9" + bytes([4, 0x05, 4, 0, 1, 0])
    place = b"\x2c" + bytes([0, 0, 0, 0, 2, 0, 2, 0, 0])
    body = b"".join(control + place + _lzw(pixels) for pixels in ([0, 1, 0, 1], [1, 1, 1, 1]))
    path.write_bytes(head + body + b"\x3b")
    return path


def _lzw(pixels: Sequence[int]) -> bytes:
    """Return pixels of 2 colours as a GIF stores them, without compression."""
    clear, end = 4, 5
    codes = [code for pixel in pixels for code in (clear, pixel)] + [end]
    bits = sum(code << (3 * index) for index, code in enumerate(codes))
    data = bits.to_bytes((3 * len(codes) + 7) // 8, "little")
    return bytes([2, len(data)]) + data + b"\0"


def cut(path: Path, share: float) -> Path:
    """Truncate a file to a share of its length."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
