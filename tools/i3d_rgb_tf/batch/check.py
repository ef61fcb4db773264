"""The health of videos, without inference: each is opened, and read as far as asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from i3d_rgb_tf.batch.parallel import map_in_order
from i3d_rgb_tf.choices import VideoStatus
from i3d_rgb_tf.cores import num_usable_cores
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.container import open_video, video_stream
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND
from i3d_rgb_tf.video.files import VideoFile, check_file, check_readable, video_file
from i3d_rgb_tf.video.object_stores import check_packages
from i3d_rgb_tf.video.remote import RemoteVideo
from i3d_rgb_tf.video.source_frames import read_source_frames
from i3d_rgb_tf.video.truncation import describe_truncation

__all__ = ["Health", "check_video", "check_videos"]

_MICROSECONDS = 1_000_000
"""FFmpeg states the length of a file in millionths of a second."""


@dataclass(frozen=True)
class Health:
    """What is known of one video."""

    video: str
    """Path or URL as the list has it."""
    status: VideoStatus
    """``ok``; ``short``: fewer than 79 frames at 25 per second, which are looped for a prediction;
    ``missing``: no such file; ``empty``: 0 bytes; ``unreadable``: no right to read it, a folder, or
    a server that fails; ``cut``: its end is missing; ``no video``: of another kind; ``damaged``: it
    cannot be decoded."""
    duration_seconds: float | None = None
    """Length by its frames; by its header where only that is read, or None if it states none."""
    message: str = ""
    """What is wrong with it, in one line; empty if nothing is."""


def check_videos(videos: Sequence[str], *, quick: bool = False) -> Iterator[Health]:
    """Yield the health of each video, in order; as many at once as there are usable cores.

    Parameters
    ----------
    videos
        Paths or URLs.
    quick
        Whether only the header is read. Otherwise all frames are decoded.

    Raises
    ------
    DependencyError
        The package for a URL is missing.
    """
    check_packages(videos)
    return map_in_order(partial(check_video, quick=quick), videos, num_usable_cores())


def check_video(video: str, *, quick: bool = False) -> Health:
    """Return the health of one video; see `check_videos`."""
    stage: VideoStatus = "unreadable"
    path: VideoFile | None = None
    try:
        path = video_file(video)
        for stage, check in _CHECKS:  # noqa: B007  It is what failed.
            check(path)
        stage = "no video" if quick else "damaged"
        seconds = _stated_seconds(path) if quick else _decoded_seconds(path)
    except VideoError as error:
        if isinstance(path, RemoteVideo) and path.has_failed:
            stage = "unreadable"
        elif isinstance(error.__cause__, FileNotFoundError):
            stage = "missing"
        return Health(video, stage, message=str(error))
    fewest = load_spec().num_frames
    if seconds is not None and round(seconds * FRAMES_PER_SECOND) < fewest:
        clip_seconds = fewest / FRAMES_PER_SECOND
        message = f"{path} lasts {seconds:.2f} s, less than {clip_seconds} s; it is looped"
        return Health(video, "short", seconds, message)
    return Health(video, "ok", seconds)


def _check_end(path: VideoFile) -> None:
    try:
        truncated = describe_truncation(path)
    except OSError as error:
        raise VideoError(f"cannot read {path}: {error.strerror}; check the disk") from error
    if truncated:
        raise VideoError(truncated)


def _check_stream(path: VideoFile) -> None:
    with open_video(path) as container:
        video_stream(container, str(path))


_CHECKS: tuple[tuple[VideoStatus, Callable[[VideoFile], Any]], ...] = (
    ("unreadable", check_readable),
    ("empty", check_file),
    ("cut", _check_end),
    ("no video", _check_stream),
)
"""In order: the first that fails says what a video is."""


def _stated_seconds(path: VideoFile) -> float | None:
    with open_video(path) as container:
        stream = video_stream(container, str(path))
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return container.duration / _MICROSECONDS if container.duration else None


def _decoded_seconds(path: VideoFile) -> float:
    end = 0.0
    for frame in read_source_frames(path):
        end = float(frame.start_seconds + frame.duration_seconds)
    return end
