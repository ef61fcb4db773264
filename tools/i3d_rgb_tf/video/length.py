"""Count the frames of a video without decoding them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from i3d_rgb_tf.video.container import clock_may_jump, demux, open_video, video_stream
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND, exact_rate, frame_seconds
from i3d_rgb_tf.video.files import VideoFile, file_size
from i3d_rgb_tf.video.limits import longest_seconds
from i3d_rgb_tf.video.timestamps import resample

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["Packet", "ShownPackets", "count_frames", "read_packets"]


_PACKETS_PER_FRAME = 12
"""Most packets for a frame that is counted: a video of 300 frames per second has so many."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The timestamps of a frame that is not decoded."""

    pts: int | None
    """Presentation timestamp in units of `time_base`; None if unknown."""
    dts: int | None
    """Decoding timestamp in units of `time_base`; None if unknown."""
    duration: int
    """How long the frame is on screen, in units of `time_base`; 0 if unknown."""
    time_base: Fraction | None
    """The unit in seconds; None if there are no timestamps."""


@dataclass(frozen=True)
class ShownPackets:
    """The packets of the frames of a video."""

    packets: list[Packet]
    """In the order in which their frames are shown."""
    frame_seconds: Fraction
    """Duration of a frame that does not state its own."""
    clock_may_jump: bool
    """Whether the clock may be set anew, as in a broadcast."""
    longest_seconds: Fraction
    """How long a file of this size may claim to last."""


def read_packets(path: VideoFile, *, most: int | None = None) -> ShownPackets:
    """Return the packets of a video file; of a longer one, the first `most` in the file.

    Raises
    ------
    VideoError
        The file is missing, is not a video, or has no video stream.
    """
    with open_video(path) as container:
        stream = video_stream(container, path)
        may_jump = clock_may_jump(container)
        packets = list(islice(_packets(container, stream), most))
        # They are in the order of decoding.
        if all(packet.pts is not None for packet in packets) and not may_jump:
            packets.sort(key=lambda packet: packet.pts or 0)
        longest = longest_seconds(file_size(path))
        return ShownPackets(packets, frame_seconds(stream), may_jump, longest)


def count_frames(
    path: VideoFile,
    *,
    frames_per_second: float | None = FRAMES_PER_SECOND,
    most: int | None = None,
) -> int:
    """Return how many frames `i3d_rgb_tf.video.decode.read_frames` yields, by the file's packets.

    Only decoding shows for certain: if packets are damaged, or are not shown, it may be a few
    frames more or fewer.

    Parameters
    ----------
    path, frames_per_second
        As for `read_frames`.
    most
        Stop after so many frames, or 12 times as many packets, and return it. A small file may
        claim more than one would wait for. By default, all are counted.

    Raises
    ------
    ValueError, VideoError
        As `read_frames` does, but not for what only decoding shows.
    """
    rate = None if frames_per_second is None else exact_rate(frames_per_second)
    most_packets = None if most is None else most * _PACKETS_PER_FRAME
    shown = read_packets(path, most=most_packets)
    if most is not None and len(shown.packets) == most_packets:
        return most
    if rate is None:
        return len(shown.packets[:most])
    frames = resample(
        shown.packets,
        rate,
        shown.frame_seconds,
        name=str(path),
        longest=shown.longest_seconds,
        clock_may_jump=shown.clock_may_jump,
    )
    return sum(1 for _ in islice(frames, most))


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    import av

    try:
        for packet in demux(container, stream):
            if packet.size and not packet.is_discard:
                yield Packet(packet.pts, packet.dts, packet.duration or 0, packet.time_base)
    except av.FFmpegError:
        # Decoding reports it.
        return
