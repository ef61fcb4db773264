"""Locks that end with their process, so that they tell a living one from a dead one."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

__all__ = ["locked_file", "run_to_the_end", "shared_lock", "try_lock"]

_POLL_SECONDS = 0.05


@contextmanager
def locked_file(path: Path, *, timeout_seconds: float = 0) -> Iterator[None]:
    """Hold a lock file during the body, and remove it at the end.

    Raises
    ------
    TimeoutError
        Another process holds it.
    OSError
        It cannot be written, or not be locked.
    """
    try:
        from fcntl import LOCK_EX
    except ImportError:  # Windows
        from filelock import FileLock

        with FileLock(path, timeout=timeout_seconds):
            yield
        return
    end = time.monotonic() + timeout_seconds
    try:
        while True:
            try:
                handle = _lock(path, LOCK_EX, os.O_RDWR | os.O_CREAT)
                break
            except FileNotFoundError:
                path.parent.stat()  # Its last holder has just removed it, not somebody its folder.
            except BlockingIOError as error:
                if time.monotonic() >= end:
                    raise TimeoutError(errno.ETIMEDOUT, "another process holds it") from error
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        # It may have been made, and not yet locked.
        with suppress(OSError):
            if try_lock(path, exclusive=True) is not None:
                path.unlink()
        raise
    try:
        yield
    finally:
        run_to_the_end(partial(path.unlink, missing_ok=True))
        os.close(handle)


@contextmanager
def shared_lock(folder: Path) -> Iterator[tuple[int, ...]]:
    """Give a lock on a temporary folder that a child process can inherit.

    While the child lives, the folder is not taken for a leftover, even if this process is killed.

    Yields
    ------
    tuple of int
        What to give to `subprocess.run` as `pass_fds`; empty where there are no such locks.
    """
    handle = try_lock(folder)
    try:
        yield () if handle is None else (handle,)
    finally:
        if handle is not None:
            os.close(handle)


def try_lock(path: Path, *, exclusive: bool = False) -> int | None:
    """Lock a file or folder without waiting, by default so that others can do the same.

    Returns
    -------
    int or None
        The handle that keeps the lock until it is closed; None where there are no such locks.

    Raises
    ------
    BlockingIOError
        Another process has locked it so that this one cannot.
    FileNotFoundError
        It is no longer there.
    """
    try:
        from fcntl import LOCK_EX, LOCK_SH
    except ImportError:  # Windows
        return None
    try:
        return _lock(path, LOCK_EX if exclusive else LOCK_SH, os.O_RDONLY)
    except (FileNotFoundError, BlockingIOError):
        raise
    except OSError:
        return None  # For example NFS, whose locks need a handle for writing.


def run_to_the_end(action: Callable[[], object]) -> None:
    """Run an action that can be run again; when it is interrupted, finish it before that."""
    try:
        action()
    except Exception:
        raise
    except BaseException:
        action()
        raise


def _lock(path: Path, kind: int, flags: int) -> int:
    """Lock what is at a path, without waiting, and return the open handle.

    Raises
    ------
    BlockingIOError
        Another process has locked it.
    FileNotFoundError
        It is no longer at this path.
    OSError
        It cannot be opened or locked.
    """
    import fcntl

    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), path.lstat()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    except BaseException:
        os.close(handle)
        raise
    return handle
