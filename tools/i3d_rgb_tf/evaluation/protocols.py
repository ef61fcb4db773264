"""The evaluation protocols: which frames are used, how they are resized, what is averaged.

A new protocol is one entry in `PROTOCOLS`, and its name in `choices.ProtocolName`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.choices import ProtocolName
from i3d_rgb_tf.errors import DatasetError, DependencyError
from i3d_rgb_tf.inference.dense import CHUNK_FRAMES, MeanLogits, frame_blocks, infer_dense
from i3d_rgb_tf.inference.pipeline import Collector, OutputList, VideoOutputs, infer_videos
from i3d_rgb_tf.ir.compile import PixelType
from i3d_rgb_tf.ir.forms import CLIP, Form, chunk_form
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import loop_frames, read_cropped
from i3d_rgb_tf.video.length import count_frames

__all__ = ["PROTOCOLS", "Protocol", "clip_starts"]

_LONG_SIDE = 256
_ZOO_CLIPS = 3
_MOST_HELD = 384
"""Frames of a video that are held while they are counted; 15 seconds."""


@dataclass(frozen=True)
class Protocol:
    """A way to measure accuracy: how inputs are made of a video, and predictions of outputs."""

    description: str
    """The protocol in words."""
    reads_frames: bool
    """Whether it reads the folders of JPEG frames instead of the videos."""
    read: Callable[[Path], Iterator[tuple[Any, NDArray[Any]]]]
    """Yields a tag and the frames of each input of a video or folder: (frames, 224, 224, 3), RGB,
    0..255. Raises a `DatasetError` or `VideoError` if it cannot be read."""
    collector: Callable[[], Collector]
    """Makes what takes the outputs for a video."""
    combine: Callable[[Any], NDArray[np.float32]]
    """Returns probabilities (predictions, 400) float32 of what has taken them."""
    infer: Callable[..., Generator[VideoOutputs[Any, Any], None, None]] = infer_videos
    """Takes a compiled network, inputs and a collector."""
    form: Form = CLIP
    """What is compiled."""
    pixel_type: PixelType = "uint8"
    """Type of the inputs."""
    most_videos: int | None = None
    """How many videos to use, the first of the annotations that are there; None for all."""
    published: str = ""
    """The published accuracy of rgb_imagenet under this protocol, and by whom."""


def clip_starts(num_frames: int) -> tuple[int, ...]:
    """Return the first frame of each of the zoo's clips, from 0 on.

    >>> clip_starts(250), clip_starts(40)
    ((0, 85, 170), (0, 1, 2))
    """
    step = max(1, (num_frames - load_spec().num_frames) // (_ZOO_CLIPS - 1))
    return tuple(step * index for index in range(_ZOO_CLIPS))


def _zoo_clips(folder: Path) -> Iterator[tuple[None, NDArray[np.float32]]]:
    """Yield the clips that accuracy_check makes of a folder of JPEG frames.

    Each is (79, 224, 224, 3) float32, RGB, 0..255, with fractions if a frame was stretched.
    """
    length = load_spec().num_frames
    num_frames = len(list(folder.glob("*.jpg")))
    if not num_frames:
        raise DatasetError(f"{folder} has no frames; prepare the data set again with --frames")
    for start in clip_starts(num_frames):
        numbers = list(range(start, min(start + length, num_frames)))
        if not numbers:
            # accuracy_check makes no clips of a video of one or two frames.
            raise DatasetError(f"{folder} has {num_frames} frames, expected 3 or more")
        paths = [folder / f"image_{number + 1:05d}.jpg" for number in numbers]
        frames = {path: _zoo_frame(path) for path in paths}
        looped = (paths * (length // len(paths) + 1))[:length]
        yield None, np.stack([frames[path] for path in looped])


def _middle_clip(video: Path) -> Iterator[tuple[None, NDArray[np.uint8]]]:
    """Yield the 79 frames in the middle of a video; a shorter one is looped."""
    length = load_spec().num_frames
    num_frames, frames = _counted(video)
    start = max(0, num_frames - length) // 2
    clip = np.stack(list(islice(frames, start, start + length)))
    yield None, loop_frames(clip, length)


def _whole_video(video: Path) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield all frames of a video in blocks; one that is too short for the network is looped."""
    frames = read_cropped(video, load_spec().frame_size)
    return frame_blocks(frames, count_frames(video))


def _counted(video: Path) -> tuple[int, Iterator[NDArray[np.uint8]]]:
    """Return the number of frames and the frames; a long video is decoded twice, not held."""
    frames = _copied(video)
    held = list(islice(frames, _MOST_HELD + 1))
    if len(held) <= _MOST_HELD:
        return len(held), iter(held)
    num_frames = len(held) + sum(1 for _ in frames)
    return num_frames, _copied(video)


def _copied(video: Path) -> Iterator[NDArray[np.uint8]]:
    # A view would keep the whole frame in memory.
    return (frame.copy() for frame in read_cropped(video, load_spec().frame_size))


def _zoo_frame(path: Path) -> NDArray[np.float32]:
    try:
        import cv2
        from PIL import Image
    except ImportError as error:
        raise DependencyError(
            "this protocol needs Pillow and OpenCV, as in accuracy_check; install them: "
            "pip install 'i3d-rgb-tf[evaluate]'"
        ) from error
    try:
        with Image.open(path) as picture:
            frame: Any = np.array(picture.convert("RGB"))
    except OSError as error:
        raise DatasetError(f"cannot read the frame {path}: {error}; prepare it again") from error
    size = load_spec().frame_size
    height, width = frame.shape[:2]
    scale = min(_LONG_SIDE / height, _LONG_SIDE / width)
    frame = cv2.resize(frame, (int(scale * width), int(scale * height))).astype(np.float32)
    height, width = frame.shape[:2]
    if min(height, width) < size:
        # Both sides grow in proportion until the shorter one is long enough.
        sides = np.array([width, height])
        for axis in range(2):
            if sides[axis] < size:
                sides = sides * size / sides[axis]
        frame = cv2.resize(frame, tuple(np.ceil(sides).astype(int).tolist()))
    top, left = ((side - size) // 2 for side in frame.shape[:2])
    cropped: NDArray[np.float32] = frame[top : top + size, left : left + size]
    return cropped


def _every_clip(outputs: OutputList) -> NDArray[np.float32]:
    """Return the probabilities of each clip."""
    return np.stack([output for _, output in outputs])


def _whole(mean: MeanLogits) -> NDArray[np.float32]:
    """Return the probabilities of the whole video."""
    return mean.probabilities()[np.newaxis]


_zoo = partial(
    Protocol,
    reads_frames=True,
    read=_zoo_clips,
    collector=OutputList,
    combine=_every_clip,
    pixel_type="float32",
)
_ZOO_DESCRIPTION = (
    "3 clips of 79 consecutive frames, evenly spread; long side 256, stretched where less than "
    "224 is left, centre 224; accuracy of clips"
)

PROTOCOLS: dict[ProtocolName, Protocol] = {
    "zoo": _zoo(
        _ZOO_DESCRIPTION,
        published="top-1 65.96 %, top-5 86.01 % of the clips of the whole validation set (Open "
        "Model Zoo)",
    ),
    "zoo-400": _zoo(
        f"{_ZOO_DESCRIPTION}; the first 400 videos",
        most_videos=400,
        published="top-1 64.83 %, top-5 84.58 % of 1200 clips (Open Model Zoo)",
    ),
    "clip": Protocol(
        "the 79 frames in the middle at 25 per second; short side 256, centre 224",
        reads_frames=False,
        read=_middle_clip,
        collector=OutputList,
        combine=_every_clip,
    ),
    "paper": Protocol(
        "the whole video in one pass at 25 frames per second; short side 256, centre 224; mean of "
        "the logits over time, softmax",
        reads_frames=False,
        read=_whole_video,
        collector=MeanLogits,
        combine=_whole,
        infer=infer_dense,
        form=chunk_form(CHUNK_FRAMES),
        published="top-1 71.1 %, top-5 89.3 % of the test set (DeepMind); 72.1 % and 90.3 % of the "
        "validation set (SlowFast, arXiv 1812.03982)",
    ),
}
"""By the name that ``evaluate --protocol`` takes."""
