"""The list of an archive: one path or URL per line, or a named column of a table."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.storage import storage_errors

__all__ = ["COLUMN", "read_list"]

COLUMN = "video"
"""Name of the column of a table that has the videos, unless another is given."""
_JSON_LINES = (".jsonl", ".ndjson")


def read_list(source: str, column: str | None = None) -> list[str]:
    """Return the videos of a list, each once, in the order of the list.

    Parameters
    ----------
    source
        Path of a ``.csv``, ``.tsv`` or ``.jsonl`` file with a column of videos, or of a text file
        with a path or URL on each line, whose empty lines are skipped; ``-`` for standard input.
        Relative paths are relative to the current folder, as on the command line.
    column
        Name of the column, by default ``video``. Standard input is a table if it is given: JSON
        lines if the first one begins with a brace, else CSV.

    Raises
    ------
    DatasetError
        There is no such column, a line cannot be read, or there is no video.
    StorageError
        The file cannot be read.
    """
    with _opened(source) as stream:
        videos = list(dict.fromkeys(_videos(source, stream, column)))
    for video in videos:
        _check(source, video)
    if not videos:
        raise DatasetError(f"{_name(source)} lists no video; give a list with one path per line")
    return videos


def _check(source: str, video: str) -> None:
    try:
        video.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        is_path = False
    else:
        is_path = "\0" not in video
    if not is_path:
        raise DatasetError(
            f"{_name(source)} has {video!r}, which is no path; expected one path on each line"
        )


@contextmanager
def _opened(source: str) -> Iterator[TextIO]:
    """Give the text of a list: names of files need not be text, and a mark may come first."""
    encoding, errors = "utf-8-sig", "surrogateescape"
    if source == "-" and sys.stdin is None:
        raise DatasetError("standard input is closed, expected a list of videos; give a file")
    if source == "-":
        stream = io.TextIOWrapper(sys.stdin.buffer, encoding, errors, newline="")
        try:
            yield stream
        finally:
            stream.detach()
        return
    path = Path(source)
    with (
        storage_errors(path, "read"),
        path.open(encoding=encoding, errors=errors, newline="") as file,
    ):
        yield file


def _videos(source: str, stream: TextIO, column: str | None) -> Iterator[str]:
    suffix = "" if source == "-" else Path(source).suffix.lower()
    first = next(stream, "")
    lines = _chained(first, stream)
    if suffix in _JSON_LINES or (source == "-" and column and first.lstrip().startswith("{")):
        return _json_column(source, lines, column or COLUMN)
    if suffix in {".csv", ".tsv"} or (source == "-" and column):
        delimiter = "\t" if suffix == ".tsv" else ","
        return _csv_column(source, csv.reader(lines, delimiter=delimiter), column or COLUMN)
    if column:
        raise DatasetError(
            f"{source} is a list of lines and has no column {column!r}; expected a file that ends "
            "with .csv, .tsv or .jsonl"
        )
    return (video for line in lines if (video := line.rstrip("\r\n")).strip())


def _chained(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _csv_column(source: str, rows: Iterator[list[str]], column: str) -> Iterator[str]:
    try:
        header = next(rows, [])
        if column not in header:
            raise DatasetError(_no_column(source, column, header))
        place = header.index(column)
        for number, row in enumerate(rows, 2):
            if not row:
                continue
            if len(row) <= place or not row[place]:
                raise DatasetError(
                    f"row {number} of {_name(source)} has nothing in the column {column!r}, "
                    "expected a video; repair the list"
                )
            yield row[place]
    except csv.Error as error:
        raise DatasetError(f"{_name(source)} is no CSV: {error}; repair the list") from error


def _json_column(source: str, lines: Iterable[str], column: str) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetError(
                f"line {number} of {_name(source)} is not JSON; expected one object on each line"
            ) from error
        if not isinstance(row, dict) or column not in row:
            raise DatasetError(_no_column(f"line {number} of {_name(source)}", column, row))
        if not isinstance(row[column], str) or not row[column]:
            raise DatasetError(
                f"line {number} of {_name(source)} has {row[column]!r} as {column!r}, expected the "
                "path or URL of a video"
            )
        yield row[column]


def _no_column(source: str, column: str, found: object) -> str:
    names = ", ".join(map(str, found)) if isinstance(found, dict | list) and found else "none"
    return f"{_name(source)} has no column {column!r}, its columns: {names}; name one with --column"


def _name(source: str) -> str:
    return "standard input" if source == "-" else source
