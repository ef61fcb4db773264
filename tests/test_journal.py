"""The journal on disk: what an interrupted run leaves, and which changes a stamp shows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from i3d_rgb_tf.errors import StorageError
from i3d_rgb_tf.journal import append_entry, has_only, read_entries, stamp, write_entries

ENTRY = {"name": "née\udcff", "values": [0.1, 2]}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal of one entry."""
    path = tmp_path / "journal.jsonl"
    write_entries(path, [ENTRY])
    return path


def test_entries_are_read_as_they_were_written(journal: Path) -> None:
    append_entry(journal, {"name": "b"})

    assert list(read_entries(journal)) == [ENTRY, {"name": "b"}]
    assert [json.loads(line) for line in journal.read_text().splitlines()] == [ENTRY, {"name": "b"}]
    assert has_only(journal, 2)


@pytest.mark.parametrize(
    "line",
    ['{"name": "b", "la', "1", "null", "[]", "\0\0\0", "\n", "[" * 100_000, '{"a":' * 100_000],
    ids=lambda line: line[:9],
)
def test_an_incomplete_line_is_skipped(journal: Path, line: str) -> None:
    with journal.open("a") as file:
        file.write(line)

    assert list(read_entries(journal)) == [ENTRY]
    assert not has_only(journal, 1)


def test_bytes_that_are_not_utf8_are_skipped(journal: Path) -> None:
    with journal.open("ab") as file:
        file.write(b"\xff\xfe\n")

    assert list(read_entries(journal)) == [ENTRY]


def test_an_entry_without_its_line_end_is_not_complete(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:-1])

    assert list(read_entries(journal)) == [ENTRY]
    assert not has_only(journal, 1)


def test_a_missing_journal_has_no_entries(tmp_path: Path) -> None:
    assert list(read_entries(tmp_path / "x")) == []
    assert not has_only(tmp_path / "x", 0)


def test_an_empty_journal_has_no_entries(tmp_path: Path) -> None:
    write_entries(tmp_path / "x", [])

    assert list(read_entries(tmp_path / "x")) == []
    assert has_only(tmp_path / "x", 0)


def test_a_failed_write_leaves_the_old_journal(journal: Path) -> None:
    before = journal.read_bytes()

    with pytest.raises(TypeError, match="not JSON serializable"):
        write_entries(journal, [{"name": "new"}, {"name": object()}])

    assert journal.read_bytes() == before
    assert list(journal.parent.iterdir()) == [journal]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot write .*x.jsonl: No such file"):
        append_entry(tmp_path / "gone" / "x.jsonl", ENTRY)


def test_a_stamp_changes_with_the_files(tmp_path: Path) -> None:
    path = tmp_path / "frames" / "image_00001.jpg"
    path.parent.mkdir()
    path.write_text("a")
    found = {stamp(path), stamp(path.parent)}
    assert stamp(path) in found

    path.write_text("bb")
    found |= {stamp(path), stamp(path.parent)}
    # The same size, written at another time.
    os.utime(path, ns=(1, 1))
    found |= {stamp(path), stamp(path.parent)}
    (path.parent / "image_00002.jpg").write_text("c")
    found.add(stamp(path.parent))

    assert len(found) == 7
    assert None not in found
    assert stamp(tmp_path / "gone") is None


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_has_no_stamp(tmp_path: Path, name: str) -> None:
    assert stamp(tmp_path / name) is None


def test_a_file_that_cannot_be_looked_at_has_a_stamp(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    # Whoever opens it reports why it cannot be read.
    assert stamp(tmp_path / "a") == ""
