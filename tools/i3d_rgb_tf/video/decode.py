"""RGB frames at 25 per second, from video files or decoded frames."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.container import check_size, clock_may_jump, demux, open_video, video_stream
from i3d_rgb_tf.video.files import VideoFile, file_size
from i3d_rgb_tf.video.interlacing import deinterlace
from i3d_rgb_tf.video.limits import MOST_PIXELS, check_length, longest_seconds
from i3d_rgb_tf.video.pixels import as_arrays
from i3d_rgb_tf.video.timestamps import resample
from i3d_rgb_tf.video.truncation import missing_end

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = [
    "FRAMES_PER_SECOND",
    "SHORT_SIDE",
    "read_frames",
    "resample_frames",
]

FRAMES_PER_SECOND = 25
"""Frame rate of the videos the network was trained on; section 3 of arXiv 1705.07750."""
SHORT_SIDE = 256
"""Shorter side of a frame in pixels, before the crop; from the same section."""

_SLOWEST = 0.001
"""Smallest allowed number of frames per second."""

_LOGGER = logging.getLogger(__name__)


def read_frames(
    path: VideoFile,
    *,
    frames_per_second: float | None = FRAMES_PER_SECOND,
    short_side: int | None = SHORT_SIDE,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video.

    Time is divided into equal intervals, starting at the first frame. Each interval gives the
    frame that is on screen in its middle. A frame is on screen from its timestamp to that of the
    next frame, and the last frame for its duration. If a change falls exactly in the middle, the
    earlier frame is used: 50 frames per second give the first frame, the third, and so on. The
    result is that of ``ffmpeg -vf fps=25``::

        source   |  a  |   b   |    c    |        a frame lasts until the next one
        output   |  :  |  :  |  :  |  :  |        a, b, c, c

    Parameters
    ----------
    path
        A video file or an animated GIF.
    frames_per_second
        Number of intervals per second. None gives every frame of the file once.
    short_side
        Pixels of the shorter side after scaling, which is bilinear and keeps the ratio of the
        sides. None keeps the size.

    Yields
    ------
    ndarray
        (height, width, 3) uint8, RGB, 0..255, contiguous, deinterlaced, upright. Colours are
        converted with the matrix and range that the video states, by default BT.601 and limited
        range. A frame that is on screen in several intervals is the same array each time: copy it
        before you write to it.

    Raises
    ------
    ValueError
        The rate is not a finite number of 0.001 or more.
    VideoError
        The file is missing, is not a video, has no video stream, is too large, too long or too
        narrow, or is damaged or truncated; the frames before the damage have been yielded.
    """
    rate = None if frames_per_second is None else exact_rate(frames_per_second)
    with open_video(path) as container:
        stream = video_stream(container, path)
        frames = deinterlace(decode_stream(container, stream, path))
        if rate is not None:
            longest = longest_seconds(file_size(path))
            _check_stated_length(container, longest, name=str(path))
            frames = resample(
                frames,
                rate,
                frame_seconds(stream),
                name=str(path),
                longest=longest,
                clock_may_jump=clock_may_jump(container),
            )
        yield from as_arrays(frames, short_side, name=str(path))


def resample_frames(
    frames: Iterable[ArrayLike], frames_per_second: float | Fraction
) -> Iterator[NDArray[np.uint8]]:
    """Yield decoded frames as `read_frames` yields those of a file with this frame rate.

    They are taken one by one, as they are needed, and copied: the caller may reuse an array.

    Parameters
    ----------
    frames
        Each (height, width, 3) uint8, RGB, 0..255, or what `numpy.asarray` makes one of.
    frames_per_second
        Their constant rate, 0.001 or more.

    Yields
    ------
    ndarray
        (height, width, 3) uint8, RGB, 0..255, contiguous, 25 per second, the short side 256. A
        frame of this size keeps its pixels.

    Raises
    ------
    ValueError
        The rate is not a finite number of 0.001 or more.
    VideoError
        A frame has another shape or type, or is too long and narrow to be scaled.
    """
    rate, seconds = Fraction(FRAMES_PER_SECOND), 1 / exact_rate(frames_per_second)
    resampled = resample(_as_video_frames(frames), rate, seconds, name="the video")
    return as_arrays(resampled, SHORT_SIDE, name="a frame")


def decode_stream(
    container: InputContainer, stream: VideoStream, path: VideoFile
) -> Iterator[VideoFrame]:
    """Yield every frame; raise an error when the file is damaged or truncated.

    A broadcast loses packets, so there damaged frames are counted and give a warning.
    """
    import av

    loses_packets = clock_may_jump(container)
    num_frames = num_damaged = num_losses = 0
    ends_within_frame = False
    last: Packet[VideoStream] | None = None
    try:
        for packet in demux(container, stream):
            # A section of a longer stream may begin with frames whose reference frames are missing.
            frames = decode_packet(packet, tolerant=loses_packets or not num_frames)
            is_damaged = frames is None and num_frames > 0
            num_losses += is_damaged or packet.is_corrupt
            # The packet after the last one is empty: it asks for the frames that are still waiting.
            if packet.size:
                last, ends_within_frame = packet, packet.is_corrupt or is_damaged
            for frame in frames or []:
                check_size(frame, stream.codec_context, name=str(path))
                num_frames += 1
                num_damaged += frame.is_corrupt
                ends_within_frame |= loses_packets and frame.is_corrupt and _is_of(last, frame)
                yield frame
    except av.FFmpegError as error:
        if not stream.width:
            raise VideoError(
                f"{path} has frames of no size, or of more than {MOST_PIXELS:,} pixels; give "
                "another file or scale it down first"
            ) from error
        reason = missing_end(path) or error.strerror or str(error)
        raise VideoError(_damage(path, num_frames, reason)) from error
    reason = missing_end(path) or ("it ends within a frame" if ends_within_frame else "")
    if reason or not num_frames:
        raise VideoError(_damage(path, num_frames, reason or "no frame could be decoded"))
    # A decoder does not mark every frame that a loss has damaged.
    if num_damaged := max(num_damaged, num_losses):
        _LOGGER.warning("%s: %d of %d frames are damaged", path, num_damaged, num_frames)


def decode_packet(packet: Packet[VideoStream], *, tolerant: bool) -> list[VideoFrame] | None:
    """Return the frames that are ready, or None if the packet is damaged and that is tolerated."""
    import av

    try:
        return packet.decode()
    except av.InvalidDataError:
        if not tolerant:
            raise
        return None


def _is_of(packet: Packet[VideoStream] | None, frame: VideoFrame) -> bool:
    """Return whether a frame can be that of a packet: it may be one that was waiting."""
    return packet is None or frame.pts is None or frame.pts == packet.pts


def _check_stated_length(container: InputContainer, longest: Fraction, *, name: str) -> None:
    # FFmpeg's estimate is of no use where the clock jumps, or where it does not begin at 0.
    if container.duration is None or clock_may_jump(container) or container.format.name == "flv":
        return
    check_length(Fraction(container.duration, 1_000_000), longest, name=name)


def _damage(path: VideoFile, num_frames: int, reason: str) -> str:
    return (
        f"{path} is damaged or truncated after {num_frames} frames: {reason}; get another copy, "
        "or encode what is there again"
    )


def frame_seconds(stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or FRAMES_PER_SECOND
    return 1 / Fraction(rate)


def exact_rate(frames_per_second: float | Fraction) -> Fraction:
    try:
        rate = float(frames_per_second)
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not _SLOWEST <= rate < math.inf:
        raise ValueError(
            f"frames_per_second is {frames_per_second!r}, expected a finite number of {_SLOWEST} "
            "or more"
        )
    # The float nearest to 30000/1001 would miss an exact middle.
    return Fraction(rate).limit_denominator(1001)


def _as_video_frames(frames: Iterable[ArrayLike]) -> Iterator[VideoFrame]:
    """Yield a copy of each frame, without timestamps: its duration is that of the rate."""
    from av import VideoFrame

    for index, frame in enumerate(frames):
        array = np.asarray(frame)
        if array.shape[2:] != (3,) or array.dtype != np.uint8 or not array.size:
            raise VideoError(
                f"frame {index} is {array.shape} {array.dtype}, expected (height, width, 3) uint8; "
                "give channels-last RGB, 0..255"
            )
        yield VideoFrame.from_ndarray(array, format="rgb24")
