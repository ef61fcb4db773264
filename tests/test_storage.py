import errno
import os
import stat
from pathlib import Path

import filelock
import pytest

from i3d_rgb_tf.errors import StorageError, VideoError
from i3d_rgb_tf.storage import (
    check_writable,
    only_writer,
    replaced_file,
    replaced_folder,
    storage_errors,
)


def test_a_file_appears_whole_with_the_usual_mode(tmp_path):
    path = tmp_path / "new" / "file"
    with replaced_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()

    assert path.read_text() == "whole"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyError), replaced_file(path) as temporary:
        temporary.write_text("half")
        raise KeyError

    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_a_failure_leaves_the_old_folder(tmp_path):
    (tmp_path / "a.xml").write_text("old")
    with pytest.raises(KeyError), replaced_folder(tmp_path, ("a.bin", "a.xml")) as temporary:
        (temporary / "a.bin").write_text("half")
        raise KeyError

    assert [each.name for each in tmp_path.iterdir()] == ["a.xml"]


def test_the_file_readers_look_for_never_stands_beside_another_version(tmp_path):
    (tmp_path / "a.bin").write_text("old")
    (tmp_path / "a.xml").write_text("old")
    with pytest.raises(StorageError), replaced_folder(tmp_path, ("a.bin", "a.xml")) as temporary:
        (temporary / "a.bin").write_text("new")  # a.xml is missing: the second move fails

    assert [each.name for each in tmp_path.iterdir()] == ["a.bin"]


def test_what_may_not_be_read_is_not_answered_with_writing(tmp_path):
    with (
        pytest.raises(StorageError, match="cannot read .*: Permission denied; get the right to"),
        storage_errors(tmp_path, "read"),
    ):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "No space left on device; free some space"),
        (errno.EACCES, "Permission denied; choose a folder you may write to"),
        (errno.EROFS, "Read-only file system; choose a folder on a disk that can be written"),
        (errno.EIO, "check the disk"),
    ],
)
def test_the_reason_and_a_remedy_are_named(tmp_path, number, remedy):
    with pytest.raises(StorageError, match=f"cannot write {tmp_path}: .*{remedy}"):
        with storage_errors(tmp_path):
            raise OSError(number, os.strerror(number))


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    check_writable(tmp_path / "a" / "b")

    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_only_one_writes_at_a_time_and_is_then_done(tmp_path, monkeypatch):
    # The lock is not given back by the garbage collector, which may come late.
    monkeypatch.delattr(filelock.BaseFileLock, "__del__")
    lock = tmp_path / "new" / ".lock"
    with only_writer(lock, "busy"):
        with pytest.raises(StorageError, match="^busy$"):
            with only_writer(lock, "busy"):
                pass
    with pytest.raises(KeyError):
        with only_writer(lock, "busy"):
            raise KeyError
    with only_writer(lock, "busy"):
        pass


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        with replaced_file(tmp_path / "file" / "below"):
            pass


def test_errors_of_the_package_pass_unchanged(tmp_path):
    with pytest.raises(VideoError, match="^mine$"), storage_errors(tmp_path):
        raise VideoError("mine")


def test_a_full_disk_is_named_and_nothing_is_left():
    # Writing to this device of Linux fails as a full disk does.
    full = Path("/dev/full")
    with pytest.raises(StorageError, match="No space left on device; free some space"):
        with storage_errors(full), full.open("wb", buffering=0) as file:
            file.write(b"x")
