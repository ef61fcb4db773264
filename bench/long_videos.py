"""Long videos of real ones: joined to one, and that repeated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND, SHORT_SIDE, read_frames

__all__ = ["make_long_video"]

_WIDTH = 340
"""As in Kinetics, where videos are often kept at 340x256; short side 256 of 4:3."""


def make_long_video(folder: Path, videos: Iterable[Path], minutes: float) -> Path:
    """Return a video of so many minutes, made unless it is in the folder.

    The videos are scaled, cropped to 340x256, joined, and encoded as H.264 of 25 frames per second.
    Its packets are repeated until they last as long.
    """
    target = folder / f"{minutes:g}-minutes.mp4"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        joined = folder / "joined.mp4"
        if not joined.exists():
            _encode(_frames(videos), joined)
        _repeat(joined, target, minutes * 60)
    return target


def _frames(videos: Iterable[Path]) -> Iterator[NDArray[np.uint8]]:
    for video in videos:
        for frame in read_frames(video):
            height, width = frame.shape[:2]
            top, left = (height - SHORT_SIDE) // 2, (width - _WIDTH) // 2
            yield frame[top : top + SHORT_SIDE, left : left + _WIDTH]


def _encode(frames: Iterable[NDArray[np.uint8]], target: Path) -> None:
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, SHORT_SIDE, "yuv420p"
        for index, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FRAMES_PER_SECOND)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _repeat(video: Path, target: Path, seconds: float) -> None:
    """Write the packets of a video again and again, and end it after so many seconds."""
    left = round(seconds * FRAMES_PER_SECOND)
    with av.open(str(target), "w") as output:
        stream, start = None, 0
        while left > 0:
            with av.open(str(video)) as source:
                (found,) = source.streams.video
                if stream is None:
                    stream = output.add_stream_from_template(found)
                    stream.time_base = found.time_base
                for packet in source.demux(found):
                    if packet.dts is None or left <= 0:
                        continue
                    left -= 1
                    packet.dts += start
                    packet.pts = (packet.pts or 0) + start
                    packet.stream = stream
                    output.mux(packet)
                start += found.duration or 0
