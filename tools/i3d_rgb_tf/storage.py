"""Files appear whole under their final name, or not at all; one process at a time writes them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i3d_rgb_tf.errors import I3DError, StorageError

__all__ = ["check_writable", "only_writer", "replaced_file", "replaced_folder", "storage_errors"]

_REMEDIES = {
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "free some space or choose another folder",
    errno.EACCES: "choose a folder you may write to",
    errno.EPERM: "choose a folder you may write to",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another folder",
    errno.EEXIST: "a file stands where a folder is needed; choose another folder",
}


@contextmanager
def storage_errors(path: Path, action: str = "write") -> Iterator[None]:
    """Turn an `OSError` of the body into one `StorageError` that names `path` and a remedy."""
    try:
        yield
    except I3DError:
        raise
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "check the disk and the path")
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
        Another process holds it, which the message `otherwise` tells, or it cannot be written.
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
