"""Results on disk as JSON lines, so that an interrupted run resumes; stamps of changing files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from i3d_rgb_tf.storage import replaced_file, storage_errors

__all__ = ["append_entry", "has_only", "read_entries", "stamp", "write_entries"]


def read_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a journal, none if there is no journal.

    A line that an interrupted run or a full disk left incomplete is skipped, and so is any other
    line that is not an object in JSON.

    Raises
    ------
    StorageError
        The journal cannot be read.
    """
    if not path.exists():
        return
    with storage_errors(path, "read"), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict):
                yield entry


def has_only(path: Path, num_entries: int) -> bool:
    """Return whether a journal has exactly this number of lines, the last one complete.

    Raises
    ------
    StorageError
        The journal cannot be read.
    """
    if not path.exists():
        return False
    last, count = b"", 0
    with storage_errors(path, "read"), path.open("rb") as file:
        for line in file:
            last, count = line, count + 1
    return count == num_entries and (not count or last.endswith(b"\n"))


def write_entries(path: Path, entries: Iterable[Mapping[str, object]]) -> None:
    """Replace a journal in one atomic write.

    Raises
    ------
    StorageError
        The journal cannot be written.
    """
    with replaced_file(path) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(map(_line, entries))


def append_entry(path: Path, entry: Mapping[str, object]) -> None:
    """Append one entry; it is on the disk when the call returns.

    Call it only after `write_entries` or `has_only`: an incomplete last line would swallow the
    entry.

    Raises
    ------
    StorageError
        The journal cannot be written.
    """
    with storage_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(_line(entry))
        file.flush()
        os.fsync(file.fileno())


def stamp(path: Path) -> str | None:
    """Return a text that changes when a file, or a file in a folder, changes.

    It is made of names, sizes and modification times. To read all videos again instead would
    take longer than many a run.

    Returns
    -------
    str or None
        None if there is no such file or folder; empty if it is there and cannot be looked at.
    """
    try:
        status = path.stat()
        if path.is_dir():
            with os.scandir(path) as entries:
                files = sorted((entry.name, entry.stat()) for entry in entries)
        else:
            files = [("", status)]
    except (FileNotFoundError, ValueError):
        # No file can have a name with a null byte, or that cannot be encoded.
        return None
    except OSError:
        # Whoever opens it reports why.
        return ""
    text = "\n".join(f"{name} {each.st_size} {each.st_mtime_ns}" for name, each in files)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _line(entry: Mapping[str, object]) -> str:
    return json.dumps(entry) + "\n"
