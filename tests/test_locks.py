"""A lock file is gone when it is free, and a lock lives as long as the processes that have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from i3d_rgb_tf.locks import locked_file, shared_lock, try_lock
from i3d_rgb_tf.temporary import remove_leftovers, temporary_name


def test_a_lock_file_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked_file(path):
        assert path.exists()
    assert not path.exists()

    path.touch()  # As a killed process leaves it.
    with locked_file(path):
        pass
    assert not path.exists()


def test_a_held_lock_is_an_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked_file(path):
        with pytest.raises(TimeoutError), locked_file(path, timeout_seconds=0.1):
            pass
        assert path.exists()


def test_the_locks_of_earlier_versions_count(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with FileLock(path), pytest.raises(TimeoutError), locked_file(path):
        pass


def test_without_fcntl_another_lock_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    path = tmp_path / ".lock"

    with locked_file(path):
        with pytest.raises(TimeoutError), locked_file(path):
            pass


def test_a_lock_file_without_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked_file(tmp_path / "missing" / ".lock"):
        pass


def test_a_lock_that_was_removed_and_made_again_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process removes the file between its opening and its lock."""
    import fcntl

    path = tmp_path / ".lock"
    flock, calls = fcntl.flock, []

    def flock_late(handle: int, kind: int) -> None:
        if not calls:
            path.unlink()
        calls.append(kind)
        flock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", flock_late)

    with locked_file(path):
        with pytest.raises(BlockingIOError):
            try_lock(path)
    assert len(calls) == 3


def test_an_interruption_before_the_lock_is_held_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    flock, calls = fcntl.flock, []

    def interrupt_first(handle: int, kind: int) -> None:
        calls.append(kind)
        if len(calls) == 1:
            raise KeyboardInterrupt
        flock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", interrupt_first)

    with pytest.raises(KeyboardInterrupt), locked_file(tmp_path / ".lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_child_keeps_a_folder_after_its_parent(tmp_path: Path) -> None:
    folder = tmp_path / temporary_name()
    folder.mkdir()
    with shared_lock(folder) as locks:
        child = subprocess.Popen(["sleep", "600"], pass_fds=locks)
    try:
        # This process no longer has the lock, as if it had been killed.
        remove_leftovers(tmp_path)
        assert folder.is_dir()
    finally:
        child.kill()
        child.wait()

    remove_leftovers(tmp_path)
    assert not folder.exists()


def test_without_fcntl_a_child_inherits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)

    with shared_lock(tmp_path) as locks:
        assert locks == ()
