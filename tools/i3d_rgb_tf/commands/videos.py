"""How commands that take many videos find them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i3d_rgb_tf.errors import VideoError

__all__ = ["find_each"]


def find_each(paths: Iterable[Path]) -> tuple[list[Path], list[VideoError]]:
    """Return the videos in files and folders; print and return an error for each without any."""
    from i3d_rgb_tf.commands.terminal import print_error
    from i3d_rgb_tf.errors import VideoError
    from i3d_rgb_tf.video.files import find_videos

    videos: list[Path] = []
    errors: list[VideoError] = []
    for path in paths:
        try:
            videos += find_videos([path])
        except VideoError as error:
            print_error(error)
            errors.append(error)
    return videos, errors
