"""Temporary files and folders, of which the next process removes what a killed one left.

What a process has not completed yet is in a file or folder named ``.i3d-rgb-tf-*.part``. The
process holds a lock on it, which ends with the process, so that the next one that writes to the
same folder can tell what a killed one left, and removes it. Where the system has no such locks,
the name is ``.part-*`` instead. That, and what another host left in a folder that is shared, is
removed when it is a day old.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path

from i3d_rgb_tf.locks import run_to_the_end, try_lock

__all__ = [
    "made_folder",
    "remove_leftovers",
    "temporary_file",
    "temporary_folder",
    "temporary_name",
    "temporary_root",
    "try_writing",
]

_LOCKED = re.compile(r"\.i3d-rgb-tf-[0-9a-f]{16}\.part")
_UNLOCKED = re.compile(r"\.part-[a-z0-9_]{8}")
"""So earlier versions, which had no locks, named their folders too."""
_DEAD_SECONDS = 24 * 60 * 60
"""A living process writes more often than this."""
_ATTEMPTS = 10


@contextmanager
def temporary_file(folder: Path, name: str = "") -> Iterator[Path]:
    """Give a new file in `folder`, as `temporary_folder` gives a folder.

    The body may move it away. It does not put another file in its place: that has no lock.

    Parameters
    ----------
    folder
        Where to make it.
    name
        What the file is to become: what earlier versions left beside it is removed too.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    with _temporary(folder, _make_file, name) as path:
        yield path


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Give a new folder in `parent`, which is made if needed; it is removed when the body ends.

    What killed processes left in `parent` is removed first. When the body fails, so are the
    folders that were made.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    with _temporary(parent, _make_folder) as path:
        yield path


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder if needed; when the body fails, remove what was made and is still empty.

    Raises
    ------
    OSError
        The folder cannot be made.
    """
    missing = _missing(folder)
    try:
        _make_folders(folder)
        yield
    except BaseException:
        run_to_the_end(partial(_remove_empty, missing))
        raise


def temporary_root() -> Path:
    """Return the folder for temporary files of this system.

    `tempfile.gettempdir` tries to write there, and when it is killed it leaves a file.
    """
    for each in (*map(os.environ.get, ("TMPDIR", "TEMP", "TMP")), "/tmp"):
        if each and os.access(each, os.R_OK | os.W_OK | os.X_OK):
            return Path(each).absolute()
    return Path(tempfile.gettempdir())


def try_writing(folder: Path) -> None:
    """Make a file in a folder, and remove it and the folders that were made for it.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    missing = _missing(folder)
    with temporary_file(folder):
        pass
    run_to_the_end(partial(_remove_empty, missing))


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Remove the temporary files and folders in `folder` that no living process owns.

    One that cannot be removed stays, without an error.

    Parameters
    ----------
    folder
        It need not exist.
    name
        The file to write: what earlier versions left of it is removed too.
    """
    earlier = re.compile(rf"\.{re.escape(name)}\.[a-z0-9_]{{8}}\.part")
    aged = [_LOCKED, earlier]
    if folder != temporary_root():
        # Other programs have such names there.
        aged.append(_UNLOCKED)
    with suppress(OSError):
        for path in list(folder.iterdir()):
            with suppress(OSError):
                if path.name.startswith(_own_prefix()) and _LOCKED.fullmatch(path.name):
                    _remove_unlocked(path)
                elif any(pattern.fullmatch(path.name) for pattern in aged):
                    _remove_old(path)


def _remove_unlocked(path: Path) -> None:
    handle = try_lock(path, exclusive=True)
    if handle is not None:
        try:
            _remove(path)
        finally:
            os.close(handle)


def _remove_old(path: Path) -> None:
    changed = max(each.lstat().st_mtime for each in [path, *path.rglob("*")])
    if time.time() - changed > _DEAD_SECONDS:
        _remove(path)


@contextmanager
def _temporary(folder: Path, make: Callable[[Path], object], name: str = "") -> Iterator[Path]:
    """Make a file or folder that is locked, in a folder that is made if needed."""
    remove_leftovers(folder, name)
    # It is removed before its lock ends.
    with made_folder(folder), ExitStack() as locks, ExitStack() as removals:
        yield _create(folder, make, locks, removals)


def _create(
    folder: Path, make: Callable[[Path], object], locks: ExitStack, removals: ExitStack
) -> Path:
    for attempt in range(_ATTEMPTS):
        path = folder / temporary_name()
        removals.callback(run_to_the_end, partial(_remove, path))
        try:
            _make_folders(folder)
            make(path)
            handle = try_lock(path)
        except (FileNotFoundError, BlockingIOError):
            # Another process has removed the folder, which was empty, or this, not yet locked.
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    if handle is not None:
        locks.callback(os.close, handle)
        return path
    # So that nobody takes a lock that it cannot have for the sign that its process is dead.
    unlocked = folder / f".part-{secrets.token_hex(4)}"
    removals.callback(run_to_the_end, partial(_remove, unlocked))
    return path.rename(unlocked)


def temporary_name() -> str:
    """Return a new name for a temporary file or folder of this host."""
    return f"{_own_prefix()}{secrets.token_hex(4)}.part"


@cache
def _own_prefix() -> str:
    """Return how names begin here: other hosts may share the folder and not see the locks."""
    return f".i3d-rgb-tf-{hashlib.sha256(platform.node().encode()).hexdigest()[:8]}"


def _make_folders(folder: Path) -> None:
    """Make a folder if needed, although other processes may remove it, while it is empty."""
    for attempt in range(_ATTEMPTS):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):
            if attempt == _ATTEMPTS - 1 or (folder.exists() and not folder.is_dir()):
                raise
        else:
            return


def _make_file(path: Path) -> None:
    path.touch(exist_ok=False)


def _make_folder(path: Path) -> None:
    path.mkdir(mode=0o700)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _missing(folder: Path) -> list[Path]:
    """Return the folders that are to be made, the deepest first."""
    return [each for each in (folder, *folder.parents) if not each.exists()]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
