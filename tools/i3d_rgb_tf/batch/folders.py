"""The output folder of a batch: a local one, or one in object storage."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from i3d_rgb_tf.errors import DependencyError, StorageError, VideoError
from i3d_rgb_tf.storage import check_writable, create_file, replaced_file, storage_errors
from i3d_rgb_tf.video.object_stores import attempt, connect, public_url
from i3d_rgb_tf.video.server_errors import describe

__all__ = ["Folder", "open_folder"]

_WEB = ("http://", "https://")
_Result = TypeVar("_Result")


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
        self._url = url.rstrip("/")
        self._name = public_url(self._url)
        if url.lower().startswith(_WEB):
            raise StorageError(
                f"cannot write {self._name}: a web server takes no files; expected a folder, or "
                "object storage such as s3://bucket/folder"
            )
        try:
            self._system, self._root = connect(self._url, self._name)
        except VideoError as error:
            raise StorageError(str(error)) from error

    def __str__(self) -> str:
        return self._name

    def __reduce__(self) -> tuple[Any, ...]:
        return _StoredFolder, (self._url,)

    def locate(self, name: str) -> str:
        return f"{self._name}/{name}"

    def check_writable(self) -> None:
        """Do nothing: the settings are written at once."""

    def list(self, place: str) -> Iterator[str]:
        self._system.invalidate_cache()
        try:
            # It may take as long as it needs: a thousand objects are listed with each request.
            found = self._system.find(f"{self._root}/{place}")
        except Exception as error:
            raise self._error("read", place, error) from error
        return iter(sorted(path.removeprefix(f"{self._root}/") for path in found))

    def open(self, name: str) -> BinaryIO | None:
        try:
            content = self._call("read", name, partial(self._system.cat_file, self._path(name)))
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        return io.BytesIO(content)

    @contextmanager
    def replaced(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder, "file")
            temporary.touch()
            yield temporary
            put = partial(self._system.put_file, str(temporary), self._path(name))
            self._call("write", name, put)

    def create(self, name: str, content: bytes) -> bool:
        # Not all stores know the condition that nothing is there.
        if self.open(name):
            return False
        put = partial(self._system.pipe_file, self._path(name), content, mode="create")
        try:
            self._call("write", name, put)
        except StorageError as error:
            if isinstance(error.__cause__, FileExistsError):
                return False
            raise
        return True

    def remove(self, name: str) -> None:
        try:
            self._call("remove", name, partial(self._system.rm_file, self._path(name)))
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _call(self, action: str, name: str, call: Callable[[], _Result]) -> _Result:
        try:
            return attempt(call, self._url)
        except DependencyError:
            raise
        except Exception as error:
            raise self._error(action, name, error) from error

    def _error(self, action: str, name: str, error: Exception) -> StorageError:
        return StorageError(f"cannot {action} {self.locate(name)}: {describe(error)}")
