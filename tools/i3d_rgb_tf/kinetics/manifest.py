"""The files of a prepared data set: each of them is written here and read here.

::

    DIR/manifest.json                          the videos that can be used
    DIR/problems.csv                           everything else, and why
    DIR/kinetics/kinetics_400.json             the annotations that accuracy_check reads
    DIR/kinetics/frames_val/<label>/<name>/    the frames of a video
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.journal import stamp
from i3d_rgb_tf.kinetics.annotations import LabelledVideo, Problem, find_label
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.storage import replaced_file, storage_errors
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND

__all__ = [
    "ListedVideo",
    "PreparedVideo",
    "count_problems",
    "frames_folder",
    "list_videos",
    "read_annotations",
    "read_manifest",
    "write_annotations",
    "write_manifest",
    "write_problems",
]

_SUBSET = "validation"
"""The part of the annotations that accuracy_check evaluates by default."""


@dataclass(frozen=True)
class PreparedVideo(LabelledVideo):
    """A video that can be used, as the manifest describes it."""

    num_frames: int
    """Number of frames at 25 per second."""

    @property
    def duration_seconds(self) -> float:
        """Length at 25 frames per second."""
        return self.num_frames / FRAMES_PER_SECOND


@dataclass(frozen=True)
class ListedVideo(LabelledVideo):
    """A video, or a folder of frames, of a prepared data set that is there."""

    stamp: str
    """`i3d_rgb_tf.journal.stamp` of it."""
    reason: str = ""
    """Why it cannot be used; empty if no reason is known."""


def frames_folder(prepared: Path) -> Path:
    """Return the folder that holds a folder per label with a folder of frames per video."""
    return prepared / "kinetics" / "frames_val"


def write_manifest(prepared: Path, videos: Iterable[PreparedVideo]) -> Path:
    """Write ``manifest.json`` and return its path.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    document = [
        {
            "name": video.name,
            "path": str(video.path),
            "label": video.label,
            "num_frames": video.num_frames,
            "duration_seconds": video.duration_seconds,
        }
        for video in videos
    ]
    return _write_json(_manifest_path(prepared), document)


def read_manifest(path: Path) -> list[LabelledVideo]:
    """Return the videos of a manifest in its order, with the labels as they are written.

    Parameters
    ----------
    path
        The file. Paths in it may be relative to its folder.

    Raises
    ------
    DatasetError
        There is no such file, or it is not as `write_manifest` writes it.
    StorageError
        It cannot be read.
    """
    rows = _read_json(path, f"prepare SOURCE -o {path.parent}")
    if not isinstance(rows, list):
        raise _damaged(path, "it is not a list")
    videos = []
    for number, row in enumerate(rows, 1):
        found = row if isinstance(row, dict) else {}
        name, place, label = (found.get(key) for key in ("name", "path", "label"))
        if not (isinstance(name, str) and isinstance(place, str) and place) or "\0" in place:
            raise _damaged(path, f"entry {number} has no name or no path")
        if not isinstance(label, str):
            raise _damaged(path, f"entry {number} has no label")
        videos.append(LabelledVideo(name, path.parent / place, label))
    counts = Counter(video.name for video in videos)
    name, count = counts.most_common(1)[0] if counts else ("", 0)
    if count > 1:
        raise _damaged(path, f"it has {name} more than once")
    return videos


def write_problems(prepared: Path, problems: Iterable[Problem]) -> Path:
    """Write ``problems.csv`` and return its path.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    path = _problems_path(prepared)
    # The name of a file may hold bytes that are not UTF-8.
    with (
        replaced_file(path) as part,
        part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "reason"])
        writer.writerows([each.path, each.label, each.reason] for each in problems)
    return path


def count_problems(prepared: Path) -> int:
    """Return the number of entries in ``problems.csv``, 0 if there is no such file.

    Raises
    ------
    DatasetError
        It is not as `write_problems` writes it.
    StorageError
        It cannot be read.
    """
    path = _problems_path(prepared)
    if not path.is_file():
        return 0
    with storage_errors(path, "read"), path.open(newline="", encoding="utf-8") as file:
        try:
            return sum(1 for _ in csv.DictReader(file))
        except (UnicodeDecodeError, csv.Error) as error:
            raise _damaged(path, f"it is not CSV in UTF-8: {error}") from error


def write_annotations(prepared: Path, videos: Iterable[LabelledVideo]) -> Path:
    """Write ``kinetics_400.json`` as accuracy_check reads it and return its path.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    database = {
        video.name: {"subset": _SUBSET, "annotations": {"label": video.label}} for video in videos
    }
    document = {"labels": load_labels(), "database": database}
    return _write_json(_annotations_path(prepared), document)


def read_annotations(prepared: Path) -> list[LabelledVideo]:
    """Return the folders of frames in the annotations, in the order of the file.

    Raises
    ------
    DatasetError
        There are no annotations, or they are not as `write_annotations` writes them.
    StorageError
        They cannot be read.
    """
    path = _annotations_path(prepared)
    document = _read_json(path, f"prepare --frames SOURCE -o {prepared}")
    try:
        labels = {
            name: row["annotations"]["label"]
            for name, row in document["database"].items()
            if row["subset"] == _SUBSET
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise _damaged(path, "an entry has no subset or label") from error
    for number, (name, label) in enumerate(labels.items(), 1):
        if not (_is_folder_name(name) and _is_folder_name(label)):
            raise _damaged(path, f"the name or label of entry {number} cannot name a folder")
    tree = frames_folder(prepared)
    return [LabelledVideo(name, tree / label / name, label) for name, label in labels.items()]


def list_videos(
    prepared: Path, *, frames: bool, most_videos: int | None = None
) -> tuple[list[ListedVideo], dict[str, str]]:
    """Return the videos of a prepared data set that are there, and those that are missing.

    Parameters
    ----------
    prepared
        The folder that `i3d_rgb_tf.kinetics.prepare.prepare` wrote.
    frames
        Whether to list the folders of frames instead of the videos.
    most_videos
        How many videos to list at most, the first that can be used; None for all.

    Returns
    -------
    list
        The videos, sorted by name.
    dict
        Name and path of each one that is missing, sorted by name.

    Raises
    ------
    DatasetError
        The data set is not prepared, or its files are damaged.
    StorageError
        Its files cannot be read.
    """
    described = read_annotations(prepared) if frames else read_manifest(_manifest_path(prepared))
    videos: list[ListedVideo] = []
    missing: dict[str, str] = {}
    num_usable = 0
    for video in described:
        # accuracy_check takes the first that are there, in the order of the file, then sorts.
        if most_videos is not None and num_usable >= most_videos:
            break
        found = stamp(video.path)
        if found is None:
            missing[video.name] = str(video.path)
            continue
        label = find_label(video.label)
        reason = "" if label else f"its label {video.label!r} is not one of Kinetics-400"
        videos.append(ListedVideo(video.name, video.path, label or video.label, found, reason))
        # The stamp of a folder that cannot be looked at is empty.
        num_usable += not frames or (found != "" and any(video.path.glob("*.jpg")))
    return sorted(videos, key=lambda video: video.name), dict(sorted(missing.items()))


def _is_folder_name(text: object) -> bool:
    """Return whether a text can be the name of a folder, so that it does not lead to another."""
    if not isinstance(text, str) or "\0" in text or text in {"", ".", ".."}:
        return False
    return Path(text).name == text


def _manifest_path(prepared: Path) -> Path:
    return prepared / "manifest.json"


def _problems_path(prepared: Path) -> Path:
    return prepared / "problems.csv"


def _annotations_path(prepared: Path) -> Path:
    return prepared / "kinetics" / "kinetics_400.json"


def _write_json(path: Path, document: object) -> Path:
    with replaced_file(path) as part:
        part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def _read_json(path: Path, command: str) -> Any:
    if not path.is_file():
        raise DatasetError(f"there is no {path}; make it with: i3d-rgb-tf {command}")
    with storage_errors(path, "read"):
        content = path.read_bytes()
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it is not JSON: {error}") from error


def _damaged(path: Path, reason: str) -> DatasetError:
    return DatasetError(
        f"{path} is not as i3d-rgb-tf prepare writes it: {reason}; prepare the data set again"
    )
