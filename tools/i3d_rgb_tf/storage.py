"""Atomic writes: a file is complete under its final name, or not there. And locks for writers."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i3d_rgb_tf.errors import I3DError, StorageError

__all__ = [
    "check_writable",
    "only_writer",
    "remedy_for",
    "replaced_file",
    "replaced_folder",
    "storage_errors",
]

_FULL = ("free some space or choose another folder", "free some space, then try again")
_DENIED = ("choose a folder you may write to", "try again as a user who may write there")
_BLOCKED = ("a file stands where a folder is needed; choose another folder", "")
_REMEDIES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: (
        "choose a folder on a disk that can be written",
        "try again where its disk can be written",
    ),
    errno.ENOENT: ("check the path", ""),
    errno.ENOTDIR: _BLOCKED,
    errno.EEXIST: _BLOCKED,
}
"""What to do about an error: where the user can choose another folder, and where not.

Empty where the path of the error has to be named."""


def remedy_for(error: OSError, *, elsewhere: bool = True) -> str:
    """Return what a user can do about a failed write, or nothing when the cause is unknown.

    Parameters
    ----------
    error
        What the operating system reported.
    elsewhere
        Whether the user can choose another folder.

    Examples
    --------
    >>> remedy_for(OSError(errno.ENOSPC, "No space left on device"))
    'free some space or choose another folder'
    >>> remedy_for(OSError(errno.ENOSPC, "No space left on device"), elsewhere=False)
    'free some space, then try again'
    """
    there, here = _REMEDIES.get(error.errno or 0, ("", ""))
    return there if elsewhere else here


@contextmanager
def storage_errors(path: Path, action: str = "write") -> Iterator[None]:
    """Turn an `OSError` of the body into one `StorageError` that names `path` and a remedy."""
    try:
        yield
    except I3DError:
        raise
    except OSError as error:
        remedy = remedy_for(error) or "check the disk and the path"
        if action == "read" and isinstance(error, PermissionError):
            remedy = "get the right to read it"
        raise StorageError(
            f"cannot {action} {path}: {error.strerror or error}; {remedy}"
        ) from error


def check_writable(folder: Path) -> None:
    """Make a folder if needed and try to write there, before work whose result belongs there.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


@contextmanager
def only_writer(lock_path: Path, otherwise: str) -> Iterator[None]:
    """Hold the lock file at `lock_path`, whose folder is made if needed, during the body.

    Raises
    ------
    StorageError
        Another process holds it (the message is `otherwise`), or it cannot be written.
    """
    from filelock import FileLock, Timeout

    with storage_errors(lock_path.parent):
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_path)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise StorageError(otherwise) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the body succeeds, it becomes `path`.

    The folder is made if needed. When the body fails, the temporary file is removed and
    whatever was under `path` before is still there.

    Raises
    ------
    StorageError
        The folder or the file cannot be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Give a temporary folder inside `path`; when the body succeeds, its files `names` move up.

    They move in the order of `names`. The last is the one that readers look for: its old
    version goes first, so that it never stands beside files of another version.

    Raises
    ------
    StorageError
        The folder or a file cannot be written.
    """
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path, prefix=".part-") as name:
            temporary = Path(name)
            yield temporary
            (path / names[-1]).unlink(missing_ok=True)
            for file_name in names:
                (temporary / file_name).replace(path / file_name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
