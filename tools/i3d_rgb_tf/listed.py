"""Which videos a prepared data set names, and which of them are there."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.journal import fingerprint
from i3d_rgb_tf.kinetics import find_label
from i3d_rgb_tf.protocols import PROTOCOLS
from i3d_rgb_tf.storage import storage_errors

__all__ = ["ListedVideo", "count_left_out", "list_videos"]

_SUBSET = "validation"
"""What accuracy_check takes of the annotations, unless it is told otherwise."""


@dataclass(frozen=True)
class ListedVideo:
    """A video of a prepared data set that is there."""

    name: str
    """No other video has it."""
    label: str
    """One of the 400 names; as it was written, where it is none of them."""
    path: Path
    """The file, or the folder of its frames."""
    source: str
    """`i3d_rgb_tf.journal.fingerprint` of it."""
    reason: str = ""
    """Why it cannot be used; empty when nothing is known against it."""


def list_videos(prepared: Path, protocol: str) -> tuple[list[ListedVideo], dict[str, str]]:
    """Return the videos that a protocol takes, sorted by name, and those that are not there.

    Parameters
    ----------
    prepared
        The folder that `i3d_rgb_tf.prepare.prepare` wrote, or one with accuracy_check's tree.
    protocol
        A key of `i3d_rgb_tf.protocols.PROTOCOLS`.

    Returns
    -------
    list
        What is there.
    dict
        Name and path of each that is not, as far as they were looked for.

    Raises
    ------
    DatasetError
        Nothing is prepared, or what says what there is is damaged.
    """
    described = PROTOCOLS[protocol]
    read = _read_tree if described.reads_frames else _read_manifest
    listed = read(prepared, protocol)
    videos: list[ListedVideo] = []
    missing: dict[str, str] = {}
    num_usable = 0
    for name, text, path in listed:
        # accuracy_check takes the first that are there, in the order of the file, then sorts.
        if described.most_videos is not None and num_usable >= described.most_videos:
            break
        source = fingerprint(path)
        if source is None:
            missing[name] = str(path)
            continue
        label = find_label(text)
        reason = "" if label else f"its label {text!r} is not one of Kinetics-400"
        videos.append(ListedVideo(name, label or text, path, source, reason))
        num_usable += not described.reads_frames or any(path.glob("*.jpg"))
    return sorted(videos, key=lambda video: video.name), dict(sorted(missing.items()))


def count_left_out(prepared: Path) -> int:
    """Return how many files and entries `prepare` could not use, by its report; 0 without one."""
    path = prepared / "problems.csv"
    if not path.is_file():
        return 0
    with storage_errors(path, "read"), path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def _read_tree(prepared: Path, protocol: str) -> list[tuple[str, str, Path]]:
    path = prepared / "kinetics" / "kinetics_400.json"
    document = _read_json(path, f"prepare --frames SOURCE -o {prepared}", protocol)
    tree = prepared / "kinetics" / "frames_val"
    try:
        labels = {
            str(name): str(row["annotations"]["label"])
            for name, row in document["database"].items()
            if row["subset"] == _SUBSET
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    return [(name, label, tree / label / name) for name, label in labels.items()]


def _read_manifest(prepared: Path, protocol: str) -> list[tuple[str, str, Path]]:
    path = prepared / "manifest.json"
    document = _read_json(path, f"prepare SOURCE -o {prepared}", protocol)
    try:
        videos = [(str(row["name"]), str(row["label"]), Path(row["path"])) for row in document]
    except (KeyError, TypeError) as error:
        raise _damaged(path) from error
    name, count = Counter(name for name, _, _ in videos).most_common(1)[0] if videos else ("", 0)
    if count > 1:
        raise DatasetError(f"{path} names {name} more than once; prepare the data set again")
    return videos


def _read_json(path: Path, command: str, protocol: str) -> Any:
    if not path.is_file():
        raise DatasetError(
            f"there is no {path}, which the protocol {protocol} needs; make it with: "
            f"i3d-rgb-tf {command}"
        )
    with storage_errors(path, "read"):
        content = path.read_bytes()
    try:
        return json.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> DatasetError:
    return DatasetError(f"{path} is not as prepare writes it; prepare the data set again")
