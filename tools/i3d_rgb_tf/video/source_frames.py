"""The frames of a video file as they are decoded, each once, with the time at which it is shown."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from i3d_rgb_tf.video.container import clock_may_jump, open_video, video_stream
from i3d_rgb_tf.video.decode import decode_stream, frame_seconds
from i3d_rgb_tf.video.files import VideoFile
from i3d_rgb_tf.video.interlacing import deinterlace
from i3d_rgb_tf.video.orientation import swaps_sides
from i3d_rgb_tf.video.pixels import display_matrix
from i3d_rgb_tf.video.timestamps import start_times

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["SourceFrame", "read_source_frames", "shown_aspect_ratio"]


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """A decoded frame, and what the file says of it."""

    frame: VideoFrame
    """In the pixel format of the file, deinterlaced, not turned upright."""
    start_seconds: Fraction
    """When it is shown, from the first frame on."""
    duration_seconds: Fraction
    """For how long, as it states; the next frame may come earlier or later."""
    clock_seconds: Fraction
    """When it is shown by the clock of the file, which sound has too."""
    sample_aspect_ratio: Fraction
    """Width of a pixel divided by its height, upright."""


def read_source_frames(path: VideoFile) -> Generator[SourceFrame, None, None]:
    """Yield every frame of a video file, decoded as `i3d_rgb_tf.video.decode.read_frames` does it.

    Raises
    ------
    VideoError
        As for `read_frames`.
    """
    with open_video(path) as container:
        stream = video_stream(container, path)
        usual = frame_seconds(stream)
        first_clock = stream.start_time or 0
        frames = deinterlace(decode_stream(container, stream, path))
        may_jump = clock_may_jump(container)
        for frame, start in start_times(frames, usual, clock_may_jump=may_jump):
            unit = frame.time_base or Fraction(0)
            clock = frame.pts if frame.pts is not None else first_clock
            ratio = shown_aspect_ratio(frame, stream)
            duration = frame.duration * unit or usual
            yield SourceFrame(frame, start, duration, clock * unit, ratio)


def shown_aspect_ratio(frame: VideoFrame, stream: VideoStream) -> Fraction:
    """Return the width of a pixel divided by its height, in the frame turned upright."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    matrix = display_matrix(frame)
    return 1 / ratio if matrix and swaps_sides(matrix) else ratio
