"""The output folder of a batch: a local one, or one in object storage."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from i3d_rgb_tf.errors import I3DError, StorageError
from i3d_rgb_tf.storage import check_writable, create_file, replaced_file, storage_errors
from i3d_rgb_tf.video.object_stores import WITH_CONTAINER, connect
from i3d_rgb_tf.video.server_errors import describe

__all__ = ["Folder", "open_folder"]

_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss")
"""Schemes of stores whose objects are written whole."""


class Folder(Protocol):
    """Files under names such as ``results/ab/cricket.json``, each complete, or not there.

    Every method raises a StorageError that names the file if it cannot be read or written.
    """

    @property
    def is_local(self) -> bool:
        """Whether to read a file costs little, and a power cut may have damaged it."""

    def locate(self, name: str) -> str:
        """Return the whole path or URL of a file, for messages."""

    def check_writable(self) -> None:
        """Raise now what writing would raise, where that can be known; nothing is left of it."""

    def list(self, place: str) -> Iterator[str]:
        """Yield the names of the files under a folder, sorted, hidden ones left out."""

    def open(self, name: str) -> BinaryIO | None:
        """Open a file for reading; None if there is none."""

    def replaced(self, name: str) -> AbstractContextManager[Path]:
        """Give a temporary file; when the body succeeds, it becomes the file of this name."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one, and return whether it was written."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""


def open_folder(place: str | Path) -> Folder:
    """Return a folder by its path or URL; it need not exist.

    Raises
    ------
    StorageError
        The URL is none of a store that takes files.
    DependencyError
        The package for its scheme is missing.
    """
    if "://" in str(place):
        return _StoredFolder(str(place))
    return _LocalFolder(Path(place))


@dataclass(frozen=True)
class _LocalFolder:
    root: Path
    is_local: bool = True

    def __str__(self) -> str:
        return str(self.root)

    def locate(self, name: str) -> str:
        return str(self.root / name)

    def check_writable(self) -> None:
        check_writable(self.root)

    def list(self, place: str) -> Iterator[str]:
        names: list[str] = []
        with storage_errors(self.root / place, "read"):
            for inner, _, files in os.walk(self.root / place, onerror=_raise):
                above = Path(inner).relative_to(self.root).as_posix()
                names += (f"{above}/{file}" for file in files if not file.startswith("."))
        return iter(sorted(names))

    def open(self, name: str) -> BinaryIO | None:
        path = self.root / name
        with storage_errors(path, "read"):
            try:
                return path.open("rb")
            except FileNotFoundError:
                return None

    def replaced(self, name: str) -> AbstractContextManager[Path]:
        return replaced_file(self.root / name)

    def create(self, name: str, content: bytes) -> bool:
        return create_file(self.root / name, content)

    def remove(self, name: str) -> None:
        path = self.root / name
        with storage_errors(path, "remove"):
            path.unlink(missing_ok=True)


def _raise(error: OSError) -> None:
    """Raise what `os.walk` would pass over; a folder that is not there has no files."""
    if not isinstance(error, FileNotFoundError):
        raise error


class _StoredFolder:
    """Objects whose keys begin with the same path."""

    is_local = False

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        host, *parts = [part for part in rest.split("/") if part] or [""]
        self._url = "/".join([f"{scheme.lower()}://{host}", *parts])
        if not host or scheme.lower() not in _STORES:
            raise StorageError(
                f"cannot write to {scheme}://{'' if host else ' without a bucket'}, expected a "
                f"folder, or object storage: {', '.join(f'{each}://' for each in _STORES)}"
            )
        if "@" in host and scheme.lower() not in WITH_CONTAINER:
            raise StorageError(
                "the URL of the output folder has a password, expected none; give it in the "
                "environment"
            )
        try:
            self._system, self._root = connect(self._url, self._url)
        except I3DError:
            raise
        except Exception as error:
            raise self._error("write", "", error) from error

    def __str__(self) -> str:
        return self._url

    def __reduce__(self) -> tuple[Any, ...]:
        return _StoredFolder, (self._url,)

    def locate(self, name: str) -> str:
        return f"{self._url}/{name}"

    def check_writable(self) -> None:
        """Do nothing: the settings are written at once."""

    def list(self, place: str) -> Iterator[str]:
        top = f"{self._root}/"
        self._system.invalidate_cache()
        with self._errors("read", place):
            found = self._system.find(f"{top}{place}")
        names = (path.removeprefix(top) for path in found if path.startswith(f"{top}{place}/"))
        # A store may hold an object for the folder itself.
        shown = (name for name in names if not name.rpartition("/")[2].startswith("."))
        return iter(sorted(name for name in shown if not name.endswith("/")))

    def open(self, name: str) -> BinaryIO | None:
        with self._errors("read", name):
            try:
                return io.BytesIO(self._system.cat_file(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

    @contextmanager
    def replaced(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder, "file")
            temporary.touch()
            yield temporary
            with self._errors("write", name):
                self._system.put_file(str(temporary), f"{self._root}/{name}")

    def create(self, name: str, content: bytes) -> bool:
        # Not all stores know the condition that nothing is there.
        if self.open(name):
            return False
        try:
            with self._errors("write", name):
                self._system.pipe_file(f"{self._root}/{name}", content, mode="create")
        except StorageError:
            # Others may create it at the same time; how stores refuse this differs.
            if self.open(name):
                return False
            raise
        return True

    def remove(self, name: str) -> None:
        path = f"{self._root}/{name}"
        with self._errors("remove", name):
            # Where there is none, the right to remove objects may be missing, too.
            if self._system.exists(path):
                self._system.rm_file(path)

    @contextmanager
    def _errors(self, action: str, name: str) -> Iterator[None]:
        """Turn an error of the body into one that names the object."""
        try:
            yield
        except Exception as error:
            raise self._error(action, name, error) from error

    def _error(self, action: str, name: str, error: Exception) -> StorageError:
        return StorageError(f"cannot {action} {self.locate(name)}: {describe(error)}")
