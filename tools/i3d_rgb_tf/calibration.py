"""Choose clips of videos to calibrate with, and others to measure with."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.clips import center_crop, split_clips
from i3d_rgb_tf.errors import QuantizationError, StorageError, VideoError
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video import find_videos, read_frames

__all__ = [
    "NUM_CLIPS",
    "SampledClips",
    "distinct_clips",
    "find_calibration_videos",
    "sample_clips",
    "spread",
]

NUM_CLIPS = 36
"""Clips that are taken unless told otherwise, a third of them set aside; 12 MB each in memory."""

_MANIFEST_SUFFIXES = (".txt", ".json")
_SPARE = 1.5
"""Times its fair share of clips is held of each video, as others may be too short for theirs."""

_Clip = NDArray[np.uint8]
_Item = TypeVar("_Item")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SampledClips:
    """Clips of real videos; no frame is both in `calibration` and in `set_aside`."""

    num_videos: int
    """Videos they are from."""
    calibration: tuple[_Clip, ...] = field(repr=False)
    """To calibrate with; each (79, 224, 224, 3) uint8, RGB, 0..255."""
    set_aside: tuple[_Clip, ...] = field(repr=False)
    """To measure with, of the same form."""


def find_calibration_videos(paths: Iterable[Path]) -> list[Path]:
    """Return the videos that files, folders and manifests name.

    Parameters
    ----------
    paths
        Video files, folders of them, the manifest.json that `i3d_rgb_tf.prepare` writes, or .txt
        files with a path on each line, relative to the file's folder; empty lines and those that
        begin with ``#`` are passed over. A file that is not there is kept, for `sample_clips` to
        warn of.

    Raises
    ------
    VideoError
        A folder holds no video, or cannot be listed.
    StorageError
        A manifest cannot be read.
    """
    named: list[Path] = []
    for path in paths:
        is_manifest = path.suffix.lower() in _MANIFEST_SUFFIXES and not path.is_dir()
        named += _read_manifest(path) if is_manifest else [path]
    return list(dict.fromkeys(find_videos(named)))


def sample_clips(videos: Sequence[Path], *, num_clips: int = NUM_CLIPS) -> SampledClips:
    """Take clips spread over videos, and in each over its time; set every third aside.

    Parameters
    ----------
    videos
        Video files. One that cannot be read is passed over with a warning.
    num_clips
        Most clips to take, from most videos; at least 2.

    Raises
    ------
    QuantizationError
        The videos have fewer than two clips that share no frame.
    """
    videos = spread(videos, num_clips)
    most = int(np.ceil(_SPARE * num_clips / max(len(videos), 1)))
    taken: list[list[_Clip]] = []
    for video in videos:
        try:
            taken.append(_clips_of(video, most))
        except VideoError as error:
            _logger.warning("passing over a calibration video: %s", error)
    shares = _shares([len(clips) for clips in taken], num_clips)
    clips = [
        each for share, every in zip(shares, taken, strict=True) for each in spread(every, share)
    ]
    calibration, set_aside = _split(clips)
    if not set_aside:
        raise QuantizationError(
            f"the calibration videos have {len(clips)} clips of {load_spec().num_frames} frames "
            "that share no frame, expected at least 2 and better 30; give more or longer videos"
        )
    return SampledClips(len(taken), calibration, set_aside)


def spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """Return at most `count` items at even distances, in their order.

    >>> spread("abcdefgh", 3)
    ['b', 'e', 'g']
    >>> spread("ab", 3)
    ['a', 'b']
    """
    if len(items) <= count:
        return list(items)
    return [items[int((index + 0.5) * len(items) / count)] for index in range(count)]


def _read_manifest(path: Path) -> list[Path]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            return [path.parent / row["path"] for row in json.loads(text) if row["path"]]
        names = [line.strip() for line in text.splitlines()]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(
            f"cannot read the list of videos {path}: {error!r}; expected one path on each line of "
            "a .txt file, or the manifest.json of i3d-rgb-tf prepare"
        ) from error
    return [path.parent / name for name in names if name and not name.startswith("#")]


def _clips_of(video: Path, most: int) -> list[_Clip]:
    """Return at most `most` clips of a video of any length, spread over it.

    While it is read, at most twice as many are held: every one of the video's clips at first,
    then every second, every fourth and so on.
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
    """Yield the clips of a video that share no frame: not the last one if it overlaps."""
    spec = load_spec()
    num_read = 0

    def cropped() -> Iterator[_Clip]:
        nonlocal num_read
        for frame in read_frames(video):
            num_read += 1
            yield center_crop(frame, spec.frame_size)

    last: _Clip | None = None
    for clip in split_clips(cropped(), spec.num_frames):
        if last is not None:
            yield last
        last = clip
    if last is not None and (num_read < spec.num_frames or num_read % spec.num_frames == 0):
        yield last


def _shares(counts: Sequence[int], total: int) -> list[int]:
    """Give every video as many clips as the others while it has some and the total allows.

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
    """Set every third clip aside, beginning with the second."""
    set_aside = tuple(clips[1::3])
    return tuple(clip for index, clip in enumerate(clips) if index % 3 != 1), set_aside
