"""Videos on their way through the network: their clips go in, a mean over the answers comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.clips import center_crop, split_clips
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.labels import NUM_LABELS
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video import read_frames

__all__ = ["Reading", "read_clips"]


class Reading:
    """What is known of a video so far."""

    def __init__(self, video: str | Path) -> None:
        self.video = video
        self.num_frames = 0
        self.num_clips = 0
        self.total = np.zeros(NUM_LABELS, np.float64)
        """(400,): sum of the probabilities of the clips."""
        self.error: VideoError | None = None
        """Why the video cannot be read, or not to its end."""

    def add(self, probabilities: NDArray[np.float32]) -> None:
        """Take what the network says of one clip, (400,) float32."""
        self.total += probabilities
        self.num_clips += 1

    def frames(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames, their centre `size` x `size`, and count them."""
        for frame in read_frames(Path(self.video)):
            self.num_frames += 1
            yield center_crop(frame, size)


def read_clips(
    videos: Iterable[str | Path],
) -> Iterator[tuple[Reading, NDArray[np.uint8] | None]]:
    """Yield the clips of each video, (79, 224, 224, 3) uint8, and None after its last.

    None also comes where a video cannot be read further; its reading then has the error.
    """
    spec = load_spec()
    for reading in map(Reading, videos):
        try:
            for clip in split_clips(reading.frames(spec.frame_size), spec.num_frames):
                yield reading, clip
        except VideoError as error:
            reading.error = error
        yield reading, None
