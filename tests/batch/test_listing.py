from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from i3d_rgb_tf.batch.listing import read_list
from i3d_rgb_tf.errors import DatasetError, StorageError


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("list.txt", "a.mp4\nb c.mp4\n", None),
        ("list", "a.mp4\r\n\r\n  \nb c.mp4", None),
        ("list.txt", "a.mp4\nb c.mp4\na.mp4\n", None),
        ("list.txt", "\ufeffa.mp4\nb c.mp4\n", None),
        ("list.csv", "id,video\n1,a.mp4\n\n2,b c.mp4\n", None),
        ("list.csv", '\ufeffpath,id\n"a.mp4",1\n"b c.mp4",2\n', "path"),
        ("list.TSV", "id\tpath\n1\ta.mp4\n2\tb c.mp4\n", "path"),
        ("list.jsonl", '{"video": "a.mp4"}\n\n{"id": 2, "video": "b c.mp4"}\n', None),
        ("list.ndjson", '{"path": "a.mp4"}\n{"path": "b c.mp4"}', "path"),
    ],
)
def test_a_list_has_a_path_on_each_line_or_in_a_column(
    tmp_path: Path, name: str, content: str, column: str | None
) -> None:
    assert read_list(write(tmp_path, name, content), column) == ["a.mp4", "b c.mp4"]


@pytest.mark.parametrize(
    ("content", "column"),
    [
        ("a.mp4\nb.mp4\n", None),
        ("id,path\n1,a.mp4\n2,b.mp4\n", "path"),
        ('{"path": "a.mp4"}\n{"path": "b.mp4"}\n', "path"),
    ],
)
def test_standard_input_is_a_list_or_a_table(
    monkeypatch: pytest.MonkeyPatch, content: str, column: str | None
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))

    assert read_list("-", column) == ["a.mp4", "b.mp4"]


def test_a_path_need_not_be_text(tmp_path: Path) -> None:
    assert read_list(write(tmp_path, "list.txt", b"\xff.mp4\n")) == ["\udcff.mp4"]


@pytest.mark.parametrize(
    ("name", "content", "column", "message"),
    [
        ("list.txt", "\n", None, "lists no video; give a list with one path per line"),
        ("list.txt", "a.mp4", "path", "is a list of lines and has no column 'path'"),
        ("list.csv", "id,path\n1,a.mp4", None, "no column 'video', its columns: id, path; name"),
        ("list.csv", "", None, "no column 'video', its columns: none"),
        ("list.csv", "id,video\n1,a.mp4\n2\n", None, "row 3 of"),
        ("list.csv", "video\n" + '"' + "x" * 200_000, None, "is no CSV: field larger than"),
        ("list.jsonl", '{"video": "a.mp4"}\n{', None, "line 2 of"),
        ("list.jsonl", '{"path": "a.mp4"}', None, "no column 'video', its columns: path; name"),
        ("list.txt", "a.mp4\0b.mp4\0", None, "which is no path; expected one path on each line"),
        ("list.jsonl", '{"video": "\\ud800.mp4"}', None, "which is no path"),
        ("list.jsonl", "[1]", None, "no column 'video'"),
        ("list.jsonl", '{"video": 3}', None, "has 3 as 'video', expected the path or URL"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_clear_line(
    tmp_path: Path, name: str, content: str, column: str | None, message: str
) -> None:
    path = write(tmp_path, name, content)

    with pytest.raises(DatasetError) as caught:
        read_list(path, column)

    assert message in str(caught.value)
    assert path in str(caught.value)


def test_a_list_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot read .*list\.txt: No such file"):
        read_list(str(tmp_path / "list.txt"))
