"""Atomic writes: a file is complete under its final name, or not there. And locks for writers."""

from __future__ import annotations

import errno
import filecmp
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from i3d_rgb_tf.errors import I3DError, StorageError
from i3d_rgb_tf.locks import locked_file, run_to_the_end
from i3d_rgb_tf.temporary import (
    made_folder,
    temporary_file,
    temporary_folder,
    try_writing,
)

__all__ = [
    "check_writable",
    "create_file",
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
def storage_errors(path: str | Path, action: str = "write") -> Iterator[None]:
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
    """Try to write in a folder, before work whose result belongs there; nothing is left of it.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    with storage_errors(folder):
        try_writing(folder)


@contextmanager
def only_writer(lock_path: Path, otherwise: str) -> Iterator[None]:
    """Hold the lock file at `lock_path`, whose folder is made if needed, during the body.

    Raises
    ------
    StorageError
        Another process holds it (the message is `otherwise`), or it cannot be written.
    """
    with ExitStack() as stack:
        with storage_errors(lock_path.parent):
            stack.enter_context(made_folder(lock_path.parent))
            try:
                stack.enter_context(locked_file(lock_path))
            except TimeoutError as error:
                raise StorageError(otherwise) from error
        yield


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path`; when the body succeeds, it becomes `path`.

    The folder is made if needed. When the body fails, the temporary file is removed, and so are
    the folders that were made; whatever was under `path` before is still there. The body writes
    into the file; if it put another in its place, that one would have no lock.

    Raises
    ------
    StorageError
        The folder or the file cannot be written.
    """
    with storage_errors(path), temporary_file(path.parent, path.name) as temporary:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


def create_file(path: Path, content: bytes) -> bool:
    """Write a file atomically unless there is one, and return whether it was written.

    Of several processes that create it at once, one succeeds.

    Raises
    ------
    StorageError
        The folder or the file cannot be written.
    """
    with storage_errors(path), temporary_file(path.parent, path.name) as temporary:
        temporary.write_bytes(content)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:
            # File systems without hard links, such as exFAT.
            if path.exists():
                return False
            temporary.replace(path)
    return True


@contextmanager
def replaced_folder(path: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Give a temporary folder inside `path`; when the body succeeds, its files `names` move up.

    They move in the order of `names`. The last is the one that readers look for: its old
    version goes first, so that it never stands beside files of another version. Files that are
    the same as before stay where they are; if only the last is new, it replaces the old one in
    one step.

    Raises
    ------
    StorageError
        The folder or a file cannot be written.
    """
    with storage_errors(path), temporary_folder(path) as temporary:
        yield temporary
        for name in names:
            (temporary / name).stat()
        run_to_the_end(partial(_move_up, temporary, path, names))


def _move_up(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Move files that are not yet there; where it was interrupted, it can be called again."""
    *others, last = names
    changed = [name for name in others if _is_new(source / name, target / name)]
    if changed:
        (target / last).unlink(missing_ok=True)
    for name in (*changed, last):
        if _is_new(source / name, target / name):
            (source / name).replace(target / name)


def _is_new(source: Path, target: Path) -> bool:
    """Return whether a file is there and has other bytes than the one that it would replace."""
    return source.exists() and not (target.is_file() and filecmp.cmp(source, target, shallow=False))
