"""What commands that take many videos share: finding them, and a bar while results are printed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from i3d_rgb_tf.errors import VideoError

__all__ = ["find_each", "with_progress"]

_Result = TypeVar("_Result")


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


def with_progress(results: Iterable[_Result], count: int) -> Iterator[_Result]:
    """Yield each result while the progress bar is not drawn, so that it can be printed."""
    if count == 1:
        # A bar would show nothing, and its import would delay the first result.
        yield from results
        return
    from tqdm import tqdm

    from i3d_rgb_tf.commands.terminal import exact_stream

    stream = exact_stream(sys.stderr)
    with tqdm(results, total=count, unit="video", disable=None, file=stream) as progress:
        for result in progress:
            with progress.external_write_mode(file=stream):
                yield result
