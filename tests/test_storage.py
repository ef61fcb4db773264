import errno
import os
import stat
from pathlib import Path

import pytest

from i3d_rgb_tf.errors import StorageError, VideoError
from i3d_rgb_tf.storage import (
    check_writable,
    create_file,
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


def write_pair(folder, weights, graph):
    (folder / "a.bin").write_text(weights)
    (folder / "a.xml").write_text(graph)


def test_a_result_without_one_of_its_files_replaces_nothing(tmp_path):
    write_pair(tmp_path, "old", "old")
    with pytest.raises(StorageError), replaced_folder(tmp_path, ("a.bin", "a.xml")) as temporary:
        (temporary / "a.bin").write_text("new")

    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "a.bin": "old",
        "a.xml": "old",
    }


def test_the_file_readers_look_for_never_stands_beside_another_version(tmp_path, monkeypatch):
    write_pair(tmp_path, "old", "old")

    def refuse(source, target):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(StorageError), replaced_folder(tmp_path, ("a.bin", "a.xml")) as temporary:
        write_pair(temporary, "new", "new")
        monkeypatch.setattr(Path, "replace", refuse)

    assert [each.name for each in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("changed", ["", "a.xml", "a.bin"])
def test_files_that_stay_the_same_are_not_written_again(tmp_path, changed):
    write_pair(tmp_path, "old", "old")
    before = {each.name: each.stat().st_ino for each in tmp_path.iterdir()}

    with replaced_folder(tmp_path, ("a.bin", "a.xml")) as temporary:
        write_pair(temporary, "old", "old")
        if changed:
            (temporary / changed).write_text("new")

    found = {each.name: each.stat().st_ino for each in tmp_path.iterdir()}
    kept = {"": ["a.bin", "a.xml"], "a.xml": ["a.bin"], "a.bin": []}[changed]
    assert [name for name in sorted(found) if found[name] == before[name]] == kept
    texts = {each.name: each.read_text() for each in tmp_path.iterdir()}
    assert texts == {"a.bin": "old", "a.xml": "old"} | ({changed: "new"} if changed else {})


def test_a_failure_removes_the_folders_that_were_made(tmp_path):
    for replaced in (
        replaced_file(tmp_path / "a" / "b" / "file"),
        replaced_folder(tmp_path / "a" / "b", ("x",)),
    ):
        with pytest.raises(KeyError), replaced:
            raise KeyError

    assert list(tmp_path.iterdir()) == []


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


def test_to_check_whether_a_folder_can_be_written_leaves_nothing(tmp_path):
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_only_one_writes_at_a_time_and_is_then_done(tmp_path):
    lock = tmp_path / "new" / ".lock"
    with only_writer(lock, "busy"):
        with pytest.raises(StorageError, match="^busy$"):
            with only_writer(lock, "busy"):
                pass
    with pytest.raises(KeyError):
        with only_writer(lock, "busy"):
            raise KeyError
    with only_writer(lock, "busy"):
        assert lock.exists()
    assert list(lock.parent.iterdir()) == []


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


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_is_created_once_also_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a.json"

    assert create_file(path, b"first")
    assert not create_file(path, b"second")

    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"first"
