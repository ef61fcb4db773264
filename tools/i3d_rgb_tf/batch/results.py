"""The results of videos on disk: one file each, named after its video, complete or not there.

::

    DIR/settings.json                         what all results are made with
    DIR/shards/2-of-4.json                    the parts of the list that were begun or finished
    DIR/results/ab/cricket-ab12cd34ef56ab78.json         the result of a video, or .npz
    DIR/results/ab/cricket-ab12cd34ef56ab78.error.json   why a video has none
"""

from __future__ import annotations

import errno
import json
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from i3d_rgb_tf.batch.folders import Folder
from i3d_rgb_tf.batch.shards import video_key
from i3d_rgb_tf.errors import DatasetError, VideoError
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.video.files import video_file

__all__ = [
    "ERROR_SUFFIX",
    "RESULTS",
    "Result",
    "VideoFile",
    "describe_difference",
    "key_in_name",
    "read_result",
    "result_name",
    "write_result",
]

RESULTS = "results"
"""Folder of the files of results."""
ERROR_SUFFIX = ".error.json"
"""Ending of the files that say why a video has no result."""
_ARRAYS_SUFFIX = ".npz"
"""Ending of the files that have arrays."""

_FORMAT = "result of i3d-rgb-tf batch"
"""How a document says that it is one of these."""
_DOCUMENT = "document"
"""Name of the text among the arrays of an .npz file."""
_MOST_NAME_BYTES = 100
"""Of the video's own name; file systems allow 255 in all."""


@dataclass(frozen=True)
class VideoFile:
    """What shows whether a video has changed since its result was made."""

    size_bytes: int
    """Its size."""
    modified_ns: int
    """When it was written, in nanoseconds since 1970. If this differs, the digest decides."""
    sha256: str
    """Digest of its content."""

    @classmethod
    def of(cls, video: str) -> VideoFile | None:
        """Return that of a file; None for a URL, and if it cannot be read, which others report."""
        path = _local_path(video)
        if path is None:
            return None
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                return None
            digest = file_digest(path, "sha256")
        except (OSError, ValueError):
            return None
        return cls(status.st_size, status.st_mtime_ns, digest)

    def is_still(self, video: str) -> bool:
        """Return whether a video has the same content; one that is gone counts as the same."""
        path = _local_path(video)
        try:
            status = path.stat() if path else None
        except (OSError, ValueError):
            status = None
        if status is None:
            return True
        if status.st_size != self.size_bytes:
            return False
        if status.st_mtime_ns == self.modified_ns:
            return True
        found = VideoFile.of(video)
        return found is None or found.sha256 == self.sha256


@dataclass(frozen=True)
class Result:
    """What was made of one video, or why nothing was."""

    video: str
    """Path as the list has it."""
    file: VideoFile | None
    """The video that was read; None if its file cannot be read."""
    made_with: dict[str, Any]
    """All that decides the result besides the video, as in ``settings.json``."""
    error: str | None = None
    """Why the video cannot be read; None if it was."""
    columns: dict[str, Any] = field(default_factory=dict)
    """The result: numbers, text, lists and dicts of them, and arrays; empty if there is none."""


def _local_path(video: str) -> Path | None:
    """Return the path of a video; None if it is elsewhere."""
    try:
        found = video_file(video)
    except VideoError:
        return None
    return found if isinstance(found, Path) else None


def result_name(video: str, suffix: str) -> str:
    """Return the name of a video's file in the folder: its own, shortened, and a key of its path.

    >>> result_name("a/cricket.mp4", ".json")
    'results/aa/cricket-aabe9ec94e9c7bda.json'
    >>> result_name("s3://bucket/cricket.mp4?versionId=1", ".json")
    'results/15/cricket-158b13a6c35613a1.json'
    """
    key = video_key(video)
    # Of a URL only the path: the rest may be a password or a signature.
    path = video.partition("://")[2].partition("?")[0].partition("/")[2]
    place = Path(video) if _local_path(video) else PurePosixPath(path)
    stem = place.stem.lstrip(".").encode("utf-8", "surrogateescape")
    # The cut may divide a character.
    short = stem[:_MOST_NAME_BYTES].decode("utf-8", "ignore") or "video"
    return f"{RESULTS}/{key[:2]}/{short}-{key}{suffix}"


def key_in_name(name: str) -> str:
    """Return the key in the name of a file; of another file, any text.

    >>> key_in_name(result_name("a/cricket.mp4", ".json"))
    'aabe9ec94e9c7bda'
    """
    return name.rpartition("-")[2].partition(".")[0]


def write_result(folder: Folder, result: Result, suffix: str) -> str:
    """Write the file of a video, in the place of an earlier one, and return its name.

    Parameters
    ----------
    folder
        Of the run.
    result
        What to write.
    suffix
        Ending of results of this kind; errors have their own.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    ending = ERROR_SUFFIX if result.error is not None else suffix
    name = result_name(result.video, ending)
    arrays = {name: value for name, value in result.columns.items() if _is_array(value)}
    document = {
        "format": _FORMAT,
        "video": result.video,
        "error": result.error,
        "file": vars(result.file) if result.file else None,
        "made_with": result.made_with,
        **{name: value for name, value in result.columns.items() if name not in arrays},
    }
    text = json.dumps(document, indent=1) + "\n"
    members: dict[str, Any] = {_DOCUMENT: np.array(text), **arrays}
    with folder.replaced(name) as temporary:
        if name.endswith(_ARRAYS_SUFFIX):
            with temporary.open("wb") as file:
                np.savez(file, **members)
        else:
            temporary.write_text(text, encoding="utf-8")
    if result.error is None:
        folder.remove(result_name(result.video, ERROR_SUFFIX))
    elif read_result(folder, made := result_name(result.video, suffix), arrays=False) is None:
        # A damaged one would count.
        folder.remove(made)
    return name


def read_result(folder: Folder, name: str, *, arrays: bool = True) -> Result | None:
    """Return what a file of a result holds; None if it is not there, or damaged.

    Parameters
    ----------
    folder
        Of the run.
    name
        Of the file in it.
    arrays
        Whether to read the arrays of an .npz file too.

    Raises
    ------
    DatasetError
        Another program has written it.
    StorageError
        The file cannot be read.
    """
    try:
        file = folder.open(name)
        if file is None:
            return None
        with file, storage_errors(folder.locate(name), "read"):
            document, columns = _read(file, name, arrays)
    except (ValueError, KeyError, RecursionError, EOFError):
        # After a power cut, a file may be empty.
        return None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise DatasetError(
            f"{folder.locate(name)} was not written by i3d-rgb-tf batch; choose another output "
            "folder"
        )
    try:
        identity = VideoFile(**document["file"]) if document["file"] else None
        names = ("video", "error", "made_with")
        known = {name: document[name] for name in names}
    except (KeyError, TypeError):
        return None
    own = {"format", "file", *names}
    others = {name: value for name, value in document.items() if name not in own}
    return Result(file=identity, columns={**others, **columns}, **known)


def _read(file: BinaryIO, name: str, arrays: bool) -> tuple[Any, dict[str, Any]]:
    import zipfile
    import zlib

    if not name.endswith(_ARRAYS_SUFFIX):
        return json.loads(file.read()), {}
    try:
        with np.load(file, allow_pickle=False) as held:
            names = [name for name in held.files if name != _DOCUMENT] if arrays else []
            columns = {name: held[name] for name in names}
            return json.loads(str(held[_DOCUMENT])), columns
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        # A RuntimeError where damage looks like encryption, or another compression.
        raise ValueError(str(error)) from error
    except OSError as error:
        if error.errno == errno.EINVAL:
            # A damaged place in the file.
            raise ValueError(str(error)) from error
        raise


def describe_difference(found: Any, expected: Any, place: str = "") -> str:
    """Return the first thing in which two documents differ, or nothing.

    >>> describe_difference({"a": {"b": 1}}, {"a": {"b": 2}})
    'a.b is 1, expected 2'
    """
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return "" if found == expected else f"{place} is {found}, expected {expected}"
    for name in {**expected, **found}:
        inner = f"{place}.{name}" if place else str(name)
        difference = describe_difference(found.get(name), expected.get(name), inner)
        if difference:
            return difference
    return ""


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray)
