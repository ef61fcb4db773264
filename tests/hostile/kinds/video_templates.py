"""Small videos of many containers and codecs, which hostile ones are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

__all__ = ["make_templates"]

_WIDTH, _HEIGHT, _NUM_FRAMES = 64, 48, 14


@dataclass(frozen=True)
class _Format:
    """How to make a template."""

    suffix: str
    codec: str
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    muxing: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (_WIDTH, _HEIGHT)
    rate: int = 25
    sound: bool = False


_H264 = {"preset": "ultrafast", "bf": "2", "g": "6"}
_FORMATS = (
    _Format("mp4", "libx264", options=_H264),
    _Format("mp4", "libx264", options=_H264, sound=True),
    _Format("mp4", "libx264", "yuv422p10le", options={"preset": "ultrafast"}),
    _Format("mp4", "libx265", options={"preset": "ultrafast", "x265-params": "log-level=none"}),
    _Format("mp4", "mpeg4", options={"bf": "1"}),
    _Format("mp4", "libsvtav1", options={"preset": "12"}, size=(64, 64)),
    _Format(
        "mp4",
        "libx264",
        options=_H264,
        muxing={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    ),
    _Format("mov", "mjpeg", "yuvj420p"),
    _Format("mov", "prores_ks", "yuv422p10le"),
    _Format("mov", "qtrle", "rgb24"),
    _Format("mov", "png", "rgb24"),
    _Format("mov", "dnxhd", "yuv422p", options={"profile": "dnxhr_lb"}, size=(256, 128)),
    _Format("3gp", "h263", size=(128, 96)),
    _Format("m4v", "mpeg4", muxing={"f": "mp4"}),
    _Format("avi", "mpeg4", options={"bf": "2"}),
    _Format("avi", "libx264", options=_H264),
    _Format("avi", "mjpeg", "yuvj420p"),
    _Format("avi", "rawvideo", "bgr24", size=(32, 24)),
    _Format("avi", "ffv1"),
    _Format("avi", "huffyuv", "yuv422p"),
    _Format("avi", "msmpeg4v2"),
    _Format("avi", "cinepak", "rgb24"),
    _Format("avi", "msvideo1", "rgb555le"),
    _Format("avi", "zmbv", "bgr0"),
    _Format("avi", "utvideo"),
    _Format("mkv", "libx264", options=_H264, sound=True),
    _Format("mkv", "ffv1", "yuv444p"),
    _Format("mkv", "mpeg2video"),
    _Format("mkv", "snow"),
    _Format("webm", "libvpx", options={"deadline": "realtime", "cpu-used": "8"}),
    _Format("webm", "libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
    _Format("flv", "flv"),
    _Format("flv", "libx264", options=_H264),
    _Format("flv", "flashsv", "bgr24"),
    _Format("ts", "libx264", options=_H264),
    _Format("ts", "mpeg2video", options={"bf": "2"}),
    _Format("m2ts", "libx264", options=_H264, muxing={"mpegts_m2ts_mode": "1"}),
    _Format("ts", "mpeg2video", options={"flags": "+ildct+ilme", "bf": "0"}, sound=True),
    _Format("mpg", "mpeg1video"),
    _Format("vob", "mpeg2video"),
    _Format("wmv", "wmv2"),
    _Format("asf", "msmpeg4", sound=True),
    _Format("gif", "gif", "rgb8"),
    _Format("ogv", "libvpx", options={"deadline": "realtime"}, muxing={"f": "ogg"}),
    _Format("mxf", "mpeg2video"),
    _Format("nut", "mpeg4"),
    _Format("ivf", "libvpx"),
    _Format("y4m", "wrapped_avframe", muxing={"f": "yuv4mpegpipe"}, size=(32, 24)),
    _Format("rm", "rv10", size=(128, 96)),
    _Format("apng", "apng", "rgb24"),
    _Format("swf", "flv"),
    _Format("webp", "libwebp_anim", "bgra"),
    _Format("h264", "libx264", options=_H264),
    _Format("m2v", "mpeg2video", muxing={"f": "mpeg2video"}),
    _Format("dv", "dvvideo", "yuv420p", size=(720, 576), muxing={"f": "dv"}),
)


def make_templates(folder: Path) -> None:
    """Write a video of each format that this build of FFmpeg can encode."""
    from av import FFmpegError

    for number, each in enumerate(_FORMATS):
        path = folder / f"{number:02d}.{each.suffix}"
        try:
            _encode(path, each)
        except (FFmpegError, ValueError):
            # This build of FFmpeg lacks the encoder.
            path.unlink(missing_ok=True)


def _encode(path: Path, each: _Format) -> None:
    import av
    import numpy as np

    muxing = dict(each.muxing)
    form = muxing.pop("f", None)
    width, height = each.size
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    with av.open(str(path), "w", format=form, options=muxing) as container:
        stream: Any = container.add_stream(each.codec, rate=each.rate, options=each.options)
        stream.width, stream.height, stream.pix_fmt = width, height, each.pixels
        sound: Any = _add_sound(container) if each.sound else None
        for index in range(_NUM_FRAMES if width < 700 else 3):
            picture = np.stack([columns * 3 + index * 9, rows * 5, columns + rows], -1)
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            frame = frame.reformat(format=each.pixels)
            frame.pts, frame.time_base = index, Fraction(1, each.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 1152), np.int16), format="s16", layout="mono"
            )
            silence.sample_rate = 44100
            container.mux(sound.encode(silence))
            container.mux(sound.encode())


def _add_sound(container: Any) -> Any:
    sound = container.add_stream("mp2", rate=44100)
    sound.layout = "mono"
    return sound
