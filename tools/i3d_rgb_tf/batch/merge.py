"""All results of a folder in one file, Parquet or JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from i3d_rgb_tf.batch.folders import Folder
from i3d_rgb_tf.batch.parallel import map_in_order
from i3d_rgb_tf.batch.parquet import write_parquet
from i3d_rgb_tf.batch.results import (
    ERROR_SUFFIX,
    RESULTS,
    Result,
    describe_difference,
    read_result,
)
from i3d_rgb_tf.batch.run import SHARDS, read_settings
from i3d_rgb_tf.batch.shards import WHOLE
from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.storage import replaced_file

__all__ = ["MERGED_SUFFIXES", "Merged", "merge"]

MERGED_SUFFIXES = (".parquet", ".jsonl")
"""Endings of the file, which say what it is."""
_DEFAULT = f"results{MERGED_SUFFIXES[0]}"
_REQUESTS = 16
"""Results that are read at once from object storage."""
_SHARD = re.compile(r"(\d+)-of-(\d+)\.json", re.ASCII)


@dataclass(frozen=True)
class Merged:
    """What was merged."""

    path: str
    """The file, or its URL."""
    num_videos: int
    """Its rows."""
    num_failed: int
    """Those of videos that cannot be read."""
    missing_shards: tuple[str, ...]
    """Parts of the list, such as ``2/4``, that are not finished."""


def merge(folder: Folder, path: Path | None = None) -> Merged:
    """Write the results of a folder into one file, a row for each video, in the order of its key.

    A row has the path of the video, an error, which is null if there is none, and the columns of
    the result, which are null if there is an error.

    Parameters
    ----------
    folder
        Of ``i3d-rgb-tf batch``.
    path
        Of the file, which ends with one of `MERGED_SUFFIXES`; it is replaced. By default it is
        ``results.parquet`` in the folder.

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
    if path and path.suffix not in MERGED_SUFFIXES:
        raise ValueError(f"path is {path}, expected an ending of {', '.join(MERGED_SUFFIXES)}")
    made_with = read_settings(folder)
    counts = {"videos": 0, "failed": 0}

    def rows() -> Iterator[dict[str, Any]]:
        for result in _read_all(folder, made_with):
            counts["videos"] += 1
            counts["failed"] += result.error is not None
            yield {"video": result.video, "error": result.error, **result.columns}

    with replaced_file(path) if path else folder.replaced(_DEFAULT) as temporary:
        if path and path.suffix == ".jsonl":
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, default=np.ndarray.tolist) + "\n" for row in rows())
        else:
            write_parquet(temporary, rows(), made_with)
    name = str(path or folder.locate(_DEFAULT))
    return Merged(name, counts["videos"], counts["failed"], tuple(_missing_shards(folder)))


def _read_all(folder: Folder, made_with: dict[str, Any]) -> Iterator[Result]:
    names = list(folder.list(RESULTS))
    finished = {PurePosixPath(name).stem for name in names if not name.endswith(ERROR_SUFFIX)}
    # A run was ended after it wrote a result and before it removed the error.
    stale = {f"{name}{ERROR_SUFFIX}" for name in finished}
    current = [name for name in names if PurePosixPath(name).name not in stale]
    threads = 1 if folder.is_local else _REQUESTS
    results = map_in_order(partial(read_result, folder), current, threads)
    for name, result in zip(current, results, strict=True):
        path = folder.locate(name)
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

    written_ns: int
    index: int
    count: int
    list_sha256: str | None
    """Digest of the list; None if the file is damaged."""
    finished: bool


def _read_marks(folder: Folder) -> Iterator[_Mark]:
    for name in folder.list(SHARDS):
        shard, file = _SHARD.fullmatch(PurePosixPath(name).name), folder.open(name)
        if not shard or not file:
            continue
        written_ns, list_sha256, finished = 0, None, False
        # After a power cut, a file may be empty.
        with file, suppress(ValueError, KeyError, TypeError):
            document = json.loads(file.read())
            written_ns, list_sha256 = int(document["written_ns"]), str(document["list_sha256"])
            finished = bool(document["finished"])
        yield _Mark(written_ns, int(shard[1]), int(shard[2]), list_sha256, finished)


def _missing_shards(folder: Folder) -> list[str]:
    """Return the parts of the list of the last run that are not finished.

    Of several divisions of it, that in which the fewest are missing counts.
    """
    marks = list(_read_marks(folder))
    if not marks:
        return [str(WHOLE)]
    newest = max(marks, key=lambda mark: mark.written_ns).list_sha256
    done = {
        (each.index, each.count) for each in marks if each.finished and each.list_sha256 == newest
    }
    missing = [
        [f"{index}/{count}" for index in range(1, count + 1) if (index, count) not in done]
        for count in sorted({each.count for each in marks if each.list_sha256 == newest})
    ]
    return min(missing, key=len)
