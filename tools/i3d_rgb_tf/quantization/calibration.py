"""Choose clips to calibrate an INT8 model with, and held-out clips to measure it with."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import DatasetError, QuantizationError, VideoError
from i3d_rgb_tf.kinetics.manifest import read_manifest
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.video.clips import read_clips
from i3d_rgb_tf.video.files import find_videos

__all__ = [
    "NUM_CLIPS",
    "SampledClips",
    "distinct_clips",
    "find_calibration_videos",
    "sample_clips",
    "spread",
]

NUM_CLIPS = 36
"""Default number of clips, a third of them held out; each takes 12 MB of memory."""

_SPARE = 1.5
"""Clips kept per video, relative to an equal share, because other videos may be too short."""

_Clip = NDArray[np.uint8]
_Item = TypeVar("_Item")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SampledClips:
    """Clips of real videos; no frame is in both `calibration` and `held_out`."""

    num_videos: int
    """Number of videos that the clips are from."""
    calibration: tuple[_Clip, ...] = field(repr=False)
    """Clips to calibrate with, each (79, 224, 224, 3) uint8, RGB, 0..255."""
    held_out: tuple[_Clip, ...] = field(repr=False)
    """Clips to measure with, in the same form."""


def find_calibration_videos(paths: Iterable[Path]) -> list[Path]:
    """Return the videos in files, folders, lists and manifests, each once.

    Parameters
    ----------
    paths
        Video files, folders of videos, the ``manifest.json`` of `i3d_rgb_tf.kinetics.prepare`, or
        ``.txt`` files with one path on each line, relative to the folder of the list. Empty lines
        and lines that begin with ``#`` are skipped. A missing video is returned as well;
        `sample_clips` skips it with a warning.

    Raises
    ------
    VideoError
        A folder holds no video, or it cannot be listed.
    DatasetError
        A manifest is missing or damaged, or a list is not UTF-8.
    StorageError
        A list or a manifest cannot be read.
    """
    named: list[Path] = []
    for path in paths:
        suffix = "" if path.is_dir() else path.suffix.lower()
        if suffix == ".json":
            named += [video.path for video in read_manifest(path)]
        elif suffix == ".txt":
            named += _read_list(path)
        else:
            named.append(path)
    return list(dict.fromkeys(find_videos(named)))


def sample_clips(videos: Sequence[Path], *, num_clips: int = NUM_CLIPS) -> SampledClips:
    """Take clips spread over the videos and over the length of each; hold out every third clip.

    Parameters
    ----------
    videos
        Video files. One that cannot be read is skipped with a warning.
    num_clips
        Maximum number of clips, and of videos; 2 or more.

    Raises
    ------
    QuantizationError
        No video can be read, or the videos have fewer than two separate clips.
    """
    if not videos:
        raise QuantizationError("there are no calibration videos; give at least one")
    videos = spread(videos, num_clips)
    most = int(np.ceil(_SPARE * num_clips / len(videos)))
    found: list[list[_Clip]] = []
    for video in videos:
        try:
            found.append(_clips_of(video, most))
        except VideoError as error:
            _logger.warning("skipping a calibration video: %s", error)
    if not found:
        raise QuantizationError(
            f"none of the {len(videos)} calibration videos can be read; see the warnings and give "
            "other videos"
        )
    shares = _shares([len(clips) for clips in found], num_clips)
    chosen = [
        clip for share, clips in zip(shares, found, strict=True) for clip in spread(clips, share)
    ]
    calibration, held_out = _split(chosen)
    if not held_out:
        raise QuantizationError(
            f"found {len(chosen)} separate clips of {load_spec().num_frames} frames, expected at "
            "least 2 (30 or more are better); give more or longer videos"
        )
    return SampledClips(len(found), calibration, held_out)


def spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """Return at most `count` items, evenly spaced and in order.

    >>> spread("abcdefgh", 3)
    ['b', 'e', 'g']
    >>> spread("ab", 3)
    ['a', 'b']
    """
    if len(items) <= count:
        return list(items)
    return [items[int((index + 0.5) * len(items) / count)] for index in range(count)]


def _read_list(path: Path) -> list[Path]:
    with storage_errors(path, "read"):
        content = path.read_bytes()
    try:
        lines = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"the list of videos {path} is not UTF-8: {error}; save it as UTF-8 with one path on "
            "each line"
        ) from error
    return [path.parent / line for line in lines if line and not line.startswith("#")]


def _clips_of(video: Path, most: int) -> list[_Clip]:
    """Return at most `most` clips, spread over a video of any length.

    While the video is read, at most twice as many clips are in memory: at first each clip is kept,
    then every second one, every fourth and so on.
    """
    kept: list[_Clip] = []
    step = 1
    for index, clip in enumerate(distinct_clips(video)):
        if index % step:
            continue
        kept.append(clip)
        if len(kept) > 2 * most:
            kept, step = kept[::2], 2 * step
    return spread(kept, most)


def distinct_clips(video: Path) -> Iterator[_Clip]:
    """Yield the clips of a video, without the last one if it overlaps the previous clip."""
    spec = load_spec()
    for clip in read_clips(video, num_frames=spec.num_frames, size=spec.frame_size):
        if not clip.overlap:
            yield clip.frames


def _shares(counts: Sequence[int], total: int) -> list[int]:
    """Share the total equally among the videos, as far as each has clips.

    >>> _shares([1, 5, 9], 9)
    [1, 4, 4]
    """
    shares = [0] * len(counts)
    while sum(shares) < min(total, sum(counts)):
        for index, count in enumerate(counts):
            if shares[index] < count and sum(shares) < total:
                shares[index] += 1
    return shares


def _split(clips: Sequence[_Clip]) -> tuple[tuple[_Clip, ...], tuple[_Clip, ...]]:
    """Hold out every third clip, beginning with the second."""
    held_out = tuple(clips[1::3])
    return tuple(clip for index, clip in enumerate(clips) if index % 3 != 1), held_out
