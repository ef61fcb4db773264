"""Rows on disk: what a killed run leaves, and what changes a fingerprint."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf.errors import StorageError
from i3d_rgb_tf.journal import Row, append_row, fingerprint, holds_only, read_rows, write_rows


def _row(name: str, num_clips: int = 2) -> Row:
    clips = np.random.default_rng(len(name)).random((num_clips, 400), np.float32)
    return Row(name, "archery", "0123", clips)


def test_rows_come_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_rows(path, [_row("a")])
    append_row(path, _row("née\udcff", 1))

    first, second = read_rows(path)

    assert (first.name, first.label, first.source) == ("a", "archery", "0123")
    assert second.name == "née\udcff"
    np.testing.assert_array_equal(first.clips, _row("a").clips)
    assert first.clips.dtype == np.float32
    assert holds_only(path, 2)


@pytest.mark.parametrize(
    "line",
    [
        '{"name": "b", "la',
        "1",
        "null",
        "{}",
        '{"name": "b", "label": "archery", "source": "", "clips": []}',
        '{"name": "b", "label": "archery", "source": "", "clips": [[0.5]]}',
        '{"name": "b", "label": "archery", "source": "", "clips": [["x"], [1, 2]]}',
        '{"name": "b", "label": "archery", "source": "", "clips": 0.5}',
        "\0\0\0",
    ],
)
def test_a_torn_line_is_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.jsonl"
    write_rows(path, [_row("a")])
    with path.open("a") as file:
        file.write(line)

    assert [row.name for row in read_rows(path)] == ["a"]
    assert not holds_only(path, 1)


def test_a_row_without_its_line_end_is_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_rows(path, [_row("a")])
    path.write_bytes(path.read_bytes()[:-1])

    assert [row.name for row in read_rows(path)] == ["a"]
    assert not holds_only(path, 1)


def test_no_journal_has_no_rows(tmp_path: Path) -> None:
    assert list(read_rows(tmp_path / "x")) == []
    assert not holds_only(tmp_path / "x", 0)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write .*x.jsonl: No such file"):
        append_row(tmp_path / "gone" / "x.jsonl", _row("a"))


def test_a_row_is_a_line_of_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_rows(path, [_row("a", 1)])

    document = json.loads(path.read_text())

    assert list(document) == ["name", "label", "source", "clips"]
    assert len(document["clips"][0]) == 400


def test_a_fingerprint_tells_changed_files(tmp_path: Path) -> None:
    path = tmp_path / "frames" / "image_00001.jpg"
    path.parent.mkdir()
    path.write_text("a")
    found = {fingerprint(path), fingerprint(path.parent)}
    assert fingerprint(path) in found

    path.write_text("bb")
    found |= {fingerprint(path), fingerprint(path.parent)}
    # The same size, written later.
    os.utime(path, ns=(1, 1))
    found |= {fingerprint(path), fingerprint(path.parent)}
    (path.parent / "image_00002.jpg").write_text("c")
    found.add(fingerprint(path.parent))

    assert len(found) == 7
    assert None not in found
    assert fingerprint(tmp_path / "gone") is None
