"""The answers on disk: one line per video, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.labels import NUM_LABELS
from i3d_rgb_tf.storage import replaced_file, storage_errors

__all__ = ["Row", "append_row", "fingerprint", "holds_only", "read_rows", "write_rows"]


@dataclass(frozen=True)
class Row:
    """What the network answered on one video."""

    name: str
    """Of the video; no other row has it."""
    label: str
    """One of the 400 names: what is right."""
    source: str
    """`fingerprint` of the file or the frames it was given."""
    clips: NDArray[np.float32]
    """(clips, 400) probabilities."""


def fingerprint(path: Path) -> str | None:
    """Return what changes when a file, or a file of a folder, is changed; None if it is missing.

    It is made of names, sizes and times of change: reading all videos again would take longer
    than many a run.
    """
    try:
        status = path.stat()
        if path.is_dir():
            with os.scandir(path) as entries:
                files = sorted((entry.name, entry.stat()) for entry in entries)
        else:
            files = [("", status)]
    except FileNotFoundError:
        return None
    except OSError:
        # It is there and cannot be read: who reads it will say why.
        return ""
    text = "\n".join(f"{name} {each.st_size} {each.st_mtime_ns}" for name, each in files)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a journal; lines that a killed run or a full disk tore are passed over."""
    if not path.exists():
        return
    with storage_errors(path, "read"), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                row = json.loads(line)
                clips = np.array(row["clips"], np.float32, ndmin=1)
                name, label, source = (str(row[key]) for key in ("name", "label", "source"))
            except (ValueError, KeyError, TypeError):
                continue
            if len(clips) and clips.shape == (len(clips), NUM_LABELS):
                yield Row(name, label, source, clips)


def holds_only(path: Path, num_rows: int) -> bool:
    """Return whether a journal has as many lines, each of them whole."""
    if not path.exists():
        return False
    last, count = b"", 0
    with storage_errors(path, "read"), path.open("rb") as file:
        for line in file:
            last, count = line, count + 1
    return count == num_rows and (not count or last.endswith(b"\n"))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Replace a journal by these rows, whole or not at all.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    with replaced_file(path) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(map(_line, rows))


def append_row(path: Path, row: Row) -> None:
    """Append a row, so that it is there even if the process is killed next.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    with storage_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(_line(row))


def _line(row: Row) -> str:
    # str() of a float32 is the shortest text that gives the same float32 again.
    clips = [[float(str(value)) for value in clip] for clip in row.clips]
    document = {"name": row.name, "label": row.label, "source": row.source, "clips": clips}
    return json.dumps(document) + "\n"
