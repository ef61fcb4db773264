"""Where the first picture of a video is in the time of players."""

from __future__ import annotations

from i3d_rgb_tf.video.container import open_video, video_stream
from i3d_rgb_tf.video.files import VideoFile

__all__ = ["first_picture_seconds"]


def first_picture_seconds(path: VideoFile) -> float:
    """Return how long after the beginning of a file its first picture is shown.

    It is more than 0 where the sound begins before the pictures.

    Raises
    ------
    VideoError
        The file cannot be read, or has no video stream.
    """
    with open_video(path) as container:
        stream = video_stream(container, path)
        if stream.start_time is None or stream.time_base is None:
            return 0.0
        return max(0.0, float(stream.start_time * stream.time_base))
