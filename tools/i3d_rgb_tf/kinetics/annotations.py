"""Read a copy of Kinetics-400: which videos there should be, where they are, their labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.video.files import VIDEO_SUFFIXES

__all__ = ["LabelledVideo", "Listing", "Problem", "find_label", "read_dataset"]

_CVDF_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_PLAIN_COLUMNS = ("path", "label")


@dataclass(frozen=True)
class LabelledVideo:
    """A video of the data set."""

    name: str
    """File name without its suffix, unique in a data set."""
    path: Path
    """The file, or the folder of its frames."""
    label: str
    """In a `Listing` one of the 400 names as `i3d_rgb_tf.labels` spells it."""


@dataclass(frozen=True)
class Problem:
    """Something of the data set that cannot be used."""

    path: Path
    """The file or folder."""
    label: str
    """As the data set gives it; empty if it gives none."""
    reason: str
    """Why it cannot be used."""


@dataclass(frozen=True)
class Listing:
    """The content of a copy of the data set, before any video is opened."""

    videos: tuple[LabelledVideo, ...]
    """Sorted by name."""
    problems: tuple[Problem, ...]
    """Sorted by path."""


def read_dataset(source: Path, *, split: str = "val", annotations: Path | None = None) -> Listing:
    """List the videos of a copy of Kinetics-400.

    Three layouts are supported::

        source/annotations/val.csv, source/val/<id>_<start>_<end>.mp4      the archive of CVDF
        source/[val/]<label, with spaces or underscores>/<video>           folders of classes
        source.csv or source.json with ``path`` and ``label``              a plain list

    Parameters
    ----------
    source
        A folder, or a file of paths that are relative to its folder. JSON is a list of objects.
    split
        Name of the folder and of the annotations in the archive of CVDF.
    annotations
        The CSV file of the archive of CVDF, if it is in another place.

    Returns
    -------
    Listing
        Each file that is there or should be there is in it once, as a video or as a problem. A
        video with two labels is one problem for each label.

    Raises
    ------
    DatasetError
        The source has another layout, lacks a column, or lists nothing.
    StorageError
        The source cannot be read.
    """
    with storage_errors(source, "read"):
        listing = _read_dataset(source, split, annotations)
    if not listing.videos and not listing.problems:
        raise DatasetError(f"{source} lists no video; expected at least one")
    return listing


def _read_dataset(source: Path, split: str, annotations: Path | None) -> Listing:
    if not source.exists():
        raise DatasetError(f"there is no data set {source}; check the path")
    problems: list[Problem] = []
    if source.is_file():
        rows = ((source.parent / row["path"], row["label"]) for row in _read_list(source))
        return _listing(rows, problems)
    folder = source / split if (source / split).is_dir() else source
    table = annotations or source / "annotations" / f"{split}.csv"
    if annotations or table.is_file():
        return _listing(_cvdf_rows(table, folder, problems), problems)
    return _listing(_class_rows(folder, problems), problems)


def find_label(text: str) -> str | None:
    """Return the name of the class as the network's labels spell it, or None.

    >>> find_label("Walking_the_Dog"), find_label("walking the cat")
    ('walking the dog', None)
    """
    return _labels_by_key().get(_key(text))


@lru_cache
def _labels_by_key() -> dict[str, str]:
    return {_key(label): label for label in load_labels()}


def _key(text: str) -> str:
    """Remove what file systems and tools change: case, underscores, quotes, brackets."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _listing(rows: Iterable[tuple[Path, str]], problems: list[Problem]) -> Listing:
    by_name: dict[str, list[tuple[Path, str]]] = {}
    for path, text in rows:
        label = find_label(text)
        if label is None:
            problems.append(Problem(path, text, "the label is not one of Kinetics-400"))
        elif reason := _reason_against(path):
            problems.append(Problem(path, text, reason))
        else:
            by_name.setdefault(path.stem, []).append((path, label))
    videos = []
    for name, found in by_name.items():
        found.sort()
        labels = sorted({label for _, label in found})
        if len(labels) > 1:
            reason = f"mislabelled: its name has several labels: {', '.join(labels)}"
            problems += [Problem(path, label, reason) for path, label in found]
            continue
        (path, label), *others = found
        videos.append(LabelledVideo(name, path, label))
        reason = f"duplicate: {path} is used"
        problems += [Problem(other, label, reason) for other, _ in others]
    videos.sort(key=lambda video: video.name)
    problems.sort(key=lambda problem: (str(problem.path), problem.label, problem.reason))
    return Listing(tuple(videos), tuple(problems))


def _reason_against(path: Path) -> str:
    """Return why a file is missing or cannot be used; empty if it can."""
    if path.stem in {".", ".."}:
        return "its name cannot name a folder of frames; rename it"
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return "missing: there is no such file"
    except OSError as error:
        return f"it cannot be reached: {error.strerror}"
    return ""


def _cvdf_rows(table: Path, folder: Path, problems: list[Problem]) -> Iterator[tuple[Path, str]]:
    present: dict[str, list[Path]] = {}
    for path in _files(folder, problems):
        present.setdefault(path.stem, []).append(path)
    listed = set()
    for number, row in enumerate(_read_csv(table, _CVDF_COLUMNS), 2):
        try:
            start, end = (round(float(row[key])) for key in ("time_start", "time_end"))
        except (ValueError, OverflowError):
            problems.append(Problem(table, row["label"], f"line {number}: a time is not a number"))
            continue
        name = f"{row['youtube_id']}_{start:06d}_{end:06d}"
        listed.add(name)
        for path in present.get(name, [folder / f"{name}.mp4"]):
            yield path, row["label"]
    unlisted = present.keys() - listed
    problems += [
        Problem(path, "", f"not in {table}") for name in unlisted for path in present[name]
    ]


def _class_rows(folder: Path, problems: list[Problem]) -> Iterator[tuple[Path, str]]:
    with storage_errors(folder, "read"):
        entries = sorted(folder.iterdir())
    folders = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    if not folders:
        raise DatasetError(
            f"{folder} has neither folders named after classes nor annotations beside it; name the "
            "CSV file of annotations with --annotations"
        )
    for entry in folders:
        if find_label(entry.name) is None:
            problems.append(Problem(entry, entry.name, "the folder is not named after a class"))
            continue
        for path in _files(entry, problems):
            yield path, entry.name


def _files(folder: Path, problems: list[Problem]) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        problems.append(Problem(folder, "", f"the folder cannot be read: {error.strerror}"))
        return []
    videos = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES]
    others = sorted(set(paths) - set(videos))
    problems += [Problem(path, "", "it does not have the suffix of a video") for path in others]
    return videos


def _read_list(path: Path) -> list[dict[str, str]]:
    if path.suffix.lower() != ".json":
        return _read_csv(path, _PLAIN_COLUMNS)
    with storage_errors(path, "read"):
        content = path.read_bytes()
    try:
        rows: Any = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}; write it again") from error
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and all(isinstance(row.get(key), str) for key in _PLAIN_COLUMNS)
        for row in rows
    ):
        raise DatasetError(f'{path} is not a list of objects {{"path": "...", "label": "..."}}')
    return rows


def _read_csv(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    with storage_errors(path, "read"):
        content = path.read_bytes()
    try:
        # Excel writes a UTF-8 BOM, which would become part of the name of the first column.
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: {error}; save it as UTF-8") from error
    # Without strict, a quote that is never closed silently swallows the lines after it.
    reader = csv.DictReader(lines, restval="", strict=True)
    try:
        names, rows = reader.fieldnames or (), list(reader)
    except csv.Error as error:
        raise DatasetError(f"{path} is not CSV: {error}; is a quote not closed?") from error
    missing = [name for name in columns if name not in names]
    if missing:
        raise DatasetError(
            f"{path} has no column {' or '.join(missing)}; its first line must name the columns "
            f"{','.join(columns)}"
        )
    return rows
