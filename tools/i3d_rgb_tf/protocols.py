"""Which frames of a video an accuracy is measured on, and how they are made small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.clips import center_crop, loop_frames
from i3d_rgb_tf.errors import DatasetError, DependencyError
from i3d_rgb_tf.video import read_frames
from i3d_rgb_tf.whole import FEWEST_FRAMES, MOST_FRAMES, cut_chunks, plan_chunks

__all__ = ["PROTOCOLS", "Protocol", "clip_starts", "middle_clip", "whole_video", "zoo_clips"]

_NUM_FRAMES, _FRAME_SIZE, _LONG_SIDE = 79, 224, 256
_ZOO_CLIPS = 3


@dataclass(frozen=True)
class Protocol:
    """A way to measure accuracy."""

    description: str
    """In words."""
    reads_frames: bool
    """Whether it reads the folders of JPEG frames instead of the videos."""
    most_videos: int | None = None
    """How many videos count, the first of the annotations that are there; None for all."""
    published: str = ""
    """What was published for this protocol, of rgb_imagenet, and by whom."""


_ZOO = (
    "3 clips of 79 consecutive frames, evenly spread; long side 256, stretched where less than "
    "224 is left, centre 224; figures of clips"
)

PROTOCOLS = {
    "zoo": Protocol(
        _ZOO,
        reads_frames=True,
        published="top-1 65.96 %, top-5 86.01 % of the clips of the whole validation set (Open "
        "Model Zoo)",
    ),
    "zoo-400": Protocol(
        f"{_ZOO}; the first 400 videos",
        reads_frames=True,
        most_videos=400,
        published="top-1 64.83 %, top-5 84.58 % of 1200 clips (Open Model Zoo)",
    ),
    "clip": Protocol(
        "the 79 frames in the middle at 25 per second; short side 256, centre 224",
        reads_frames=False,
    ),
    "paper": Protocol(
        "the whole video in one pass at 25 frames per second; short side 256, centre 224; mean of "
        "the logits over time, softmax",
        reads_frames=False,
        published="top-1 71.1 %, top-5 89.3 % of the test set (DeepMind); 72.1 % and 90.3 % of the "
        "validation set (SlowFast, arXiv 1812.03982)",
    ),
}


def clip_starts(num_frames: int) -> tuple[int, ...]:
    """Return the first frame of each of the zoo's clips, from 0 on.

    >>> clip_starts(250), clip_starts(40)
    ((0, 85, 170), (0, 1, 2))
    """
    step = max(1, (num_frames - _NUM_FRAMES) // (_ZOO_CLIPS - 1))
    return tuple(step * index for index in range(_ZOO_CLIPS))


def zoo_clips(folder: Path) -> Iterator[NDArray[np.float32]]:
    """Yield the clips that accuracy_check makes of a folder of JPEG frames.

    Yields
    ------
    ndarray
        (79, 224, 224, 3) float32, RGB, 0..255, in fractions where a frame was stretched.

    Raises
    ------
    DatasetError
        There are no frames, or one cannot be read.
    DependencyError
        Pillow or OpenCV is not installed.
    """
    num_frames = len(list(folder.glob("*.jpg")))
    if not num_frames:
        raise DatasetError(f"{folder} has no frames; prepare the data set again with --frames")
    for start in clip_starts(num_frames):
        numbers = list(range(start, min(start + _NUM_FRAMES, num_frames)))
        if not numbers:
            # accuracy_check gives a video of one or two frames no clips at all.
            raise DatasetError(f"{folder} has {num_frames} frames, expected 3 or more")
        paths = [folder / f"image_{number + 1:05d}.jpg" for number in numbers]
        frames = {path: _zoo_frame(path) for path in paths}
        looped = (paths * (_NUM_FRAMES // len(paths) + 1))[:_NUM_FRAMES]
        yield np.stack([frames[path] for path in looped])


def middle_clip(video: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the 79 frames in the middle of a video; a shorter one is looped.

    Yields
    ------
    ndarray
        (79, 224, 224, 3) uint8, RGB, 0..255.

    Raises
    ------
    VideoError
        The video cannot be read.
    """
    num_frames, frames = _counted(video)
    start = max(0, num_frames - _NUM_FRAMES) // 2
    clip = np.stack(list(islice(frames, start, start + _NUM_FRAMES)))
    yield loop_frames(clip, _NUM_FRAMES)


def whole_video(video: Path) -> Iterator[tuple[NDArray[np.uint8], slice]]:
    """Yield all frames of a video, a long one in chunks, and which logits of each count.

    A video of under 9 frames, the fewest that the network takes, is looped.

    Yields
    ------
    ndarray
        (frames, 224, 224, 3) uint8, RGB, 0..255, at most `i3d_rgb_tf.whole.MOST_FRAMES`.
    slice
        Of the logits over time.

    Raises
    ------
    VideoError
        The video cannot be read.
    """
    num_frames, frames = _counted(video)
    if num_frames < FEWEST_FRAMES:
        frames = iter(loop_frames(np.stack(list(frames)), FEWEST_FRAMES))
    chunks = plan_chunks(max(num_frames, FEWEST_FRAMES), MOST_FRAMES)
    for chunk, part in zip(chunks, cut_chunks(frames, chunks), strict=True):
        yield part, slice(chunk.first, chunk.last)


def _counted(video: Path) -> tuple[int, Iterator[NDArray[np.uint8]]]:
    """Return how many frames a video has, and them: a long one is decoded twice, not held."""
    frames = _cropped(video)
    held = list(islice(frames, MOST_FRAMES + 1))
    if len(held) <= MOST_FRAMES:
        return len(held), iter(held)
    num_frames = len(held) + sum(1 for _ in frames)
    return num_frames, _cropped(video)


def _cropped(video: Path) -> Iterator[NDArray[np.uint8]]:
    # A view would keep the whole frame in memory.
    return (center_crop(frame, _FRAME_SIZE).copy() for frame in read_frames(video))


def _zoo_frame(path: Path) -> NDArray[np.float32]:
    try:
        import cv2
        from PIL import Image
    except ImportError as error:
        raise DependencyError(
            "this protocol needs Pillow and OpenCV, whose pixels the zoo's are; install them: "
            "pip install 'i3d-rgb-tf[evaluate]'"
        ) from error
    try:
        with Image.open(path) as picture:
            frame: Any = np.array(picture.convert("RGB"))
    except OSError as error:
        raise DatasetError(f"cannot read the frame {path}: {error}; prepare it again") from error
    height, width = frame.shape[:2]
    scale = min(_LONG_SIDE / height, _LONG_SIDE / width)
    frame = cv2.resize(frame, (int(scale * width), int(scale * height))).astype(np.float32)
    height, width = frame.shape[:2]
    if min(height, width) < _FRAME_SIZE:
        # Both sides grow in proportion until the shorter one suffices.
        size = np.array([width, height])
        for axis in range(2):
            if size[axis] < _FRAME_SIZE:
                size = size * _FRAME_SIZE / size[axis]
        frame = cv2.resize(frame, tuple(np.ceil(size).astype(int).tolist()))
    top, left = ((side - _FRAME_SIZE) // 2 for side in frame.shape[:2])
    cropped: NDArray[np.float32] = frame[top : top + _FRAME_SIZE, left : left + _FRAME_SIZE]
    return cropped
