"""All results of a folder in one file, Parquet or JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i3d_rgb_tf.batch.parquet import write_parquet
from i3d_rgb_tf.batch.results import (
    ERROR_SUFFIX,
    RESULTS,
    Result,
    describe_difference,
    list_results,
    read_result,
)
from i3d_rgb_tf.batch.run import SHARDS, read_settings
from i3d_rgb_tf.batch.shards import WHOLE
from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.storage import replaced_file, storage_errors

__all__ = ["MERGED_SUFFIXES", "Merged", "merge"]

MERGED_SUFFIXES = (".parquet", ".jsonl")
"""Endings of the file, which say what it is."""
_SHARD = re.compile(r"(\d+)-of-(\d+)\.json", re.ASCII)


@dataclass(frozen=True)
class Merged:
    """What was merged."""

    path: Path
    """The file."""
    num_videos: int
    """Its rows."""
    num_failed: int
    """Those of videos that cannot be read."""
    missing_shards: tuple[str, ...]
    """Parts of the list, such as ``2/4``, that are not finished."""


def merge(folder: Path, path: Path) -> Merged:
    """Write the results of a folder into one file, a row for each video, in the order of its key.

    A row has the path of the video, an error, which is null if there is none, and the columns of
    the result, which are null if there is an error.

    Parameters
    ----------
    folder
        Of ``i3d-rgb-tf batch``.
    path
        Of the file, which ends with one of `MERGED_SUFFIXES`; it is replaced.

    Raises
    ------
    DatasetError
        It is no such folder, has results of other settings, or a damaged one.
    DependencyError
        The file is Parquet, and pyarrow is not installed.
    StorageError
        A file cannot be read or written.
    ValueError
        The path has another ending.
    """
    if path.suffix not in MERGED_SUFFIXES:
        raise ValueError(f"path is {path}, expected an ending of {', '.join(MERGED_SUFFIXES)}")
    made_with = read_settings(folder)
    counts = {"videos": 0, "failed": 0}

    def rows() -> Iterator[dict[str, Any]]:
        for result in _read_all(folder, made_with):
            counts["videos"] += 1
            counts["failed"] += result.error is not None
            yield {"video": result.video, "error": result.error, **result.columns}

    with replaced_file(path) as temporary:
        if path.suffix == ".parquet":
            write_parquet(temporary, rows(), made_with)
        else:
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, default=np.ndarray.tolist) + "\n" for row in rows())
    return Merged(path, counts["videos"], counts["failed"], tuple(_missing_shards(folder)))


def _read_all(folder: Path, made_with: dict[str, Any]) -> Iterator[Result]:
    names = list(list_results(folder))
    finished = {Path(name).stem for name in names if not name.endswith(ERROR_SUFFIX)}
    for name in names:
        if name.endswith(ERROR_SUFFIX) and Path(name).name[: -len(ERROR_SUFFIX)] in finished:
            # A run was ended after it wrote the result and before it removed the error.
            continue
        path = folder / RESULTS / name
        result = read_result(path)
        if result is None:
            raise DatasetError(f"{path} is damaged; remove it, and run the batch again")
        if difference := describe_difference(result.made_with, made_with):
            raise DatasetError(
                f"{path} is of other settings than the folder: {difference}; remove it, and run "
                "the batch again"
            )
        yield result


@dataclass(frozen=True)
class _Mark:
    """What a file says of a part of a list."""

    modified_ns: int
    index: int
    count: int
    list_sha256: str | None
    """Digest of the list; None if the file is damaged."""
    finished: bool


def _read_mark(path: Path, name: re.Match[str]) -> _Mark:
    list_sha256, finished = None, False
    # After a power cut, a file may be empty.
    with suppress(ValueError, KeyError, TypeError):
        document = json.loads(path.read_bytes())
        list_sha256, finished = str(document["list_sha256"]), bool(document["finished"])
    return _Mark(path.stat().st_mtime_ns, int(name[1]), int(name[2]), list_sha256, finished)


def _missing_shards(folder: Path) -> list[str]:
    """Return the parts of the list of the last run that are not finished.

    Of several divisions of it, that in which the fewest are missing counts.
    """
    place = folder / SHARDS
    with storage_errors(place, "read"):
        files = sorted(place.iterdir()) if place.is_dir() else []
        marks = [_read_mark(file, name) for file in files if (name := _SHARD.fullmatch(file.name))]
    if not marks:
        return [str(WHOLE)]
    newest = max(marks, key=lambda mark: mark.modified_ns).list_sha256
    done = {
        (each.index, each.count) for each in marks if each.finished and each.list_sha256 == newest
    }
    missing = [
        [f"{index}/{count}" for index in range(1, count + 1) if (index, count) not in done]
        for count in sorted({each.count for each in marks})
    ]
    return min(missing, key=len)
