"""The layouts of Kinetics-400, and the problems of its copies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from i3d_rgb_tf.errors import DatasetError, StorageError
from i3d_rgb_tf.kinetics.annotations import Listing, read_dataset

HEADER = "label,youtube_id,time_start,time_end,split\n"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def reasons(listing: Listing) -> dict[str, str]:
    return {problem.path.name: problem.reason for problem in listing.problems}


def names(listing: Listing) -> dict[str, str]:
    return {video.name: video.label for video in listing.videos}


def test_the_archive_of_cvdf_is_read(tmp_path: Path) -> None:
    touch(tmp_path / "val" / "-a_b_000003_000013.mp4", tmp_path / "val" / "cc_000100_000110.mp4")
    table = tmp_path / "annotations" / "val.csv"
    touch(table)
    rows = "walking the dog,-a_b,3,13,val\nabseiling,cc,100,110,val\n"
    table.write_text("\ufeff" + HEADER + rows + "abseiling,gone,0,10,val\n")

    listing = read_dataset(tmp_path)

    assert names(listing) == {
        "-a_b_000003_000013": "walking the dog",
        "cc_000100_000110": "abseiling",
    }
    assert reasons(listing) == {"gone_000000_000010.mp4": "missing: there is no such file"}


def test_wrong_annotations_are_problems(tmp_path: Path) -> None:
    touch(*(tmp_path / "val" / f"{name}_000000_000010.mp4" for name in ("aa", "bb", "cc", "dd")))
    table = tmp_path / "annotations" / "val.csv"
    touch(table)
    rows = ["abseiling,aa,0,10", "abseiling,aa,0,10", "sleeping late,bb,0,10", "archery,cc,0,10"]
    rows += ["abseiling,cc,0,10", "archery,dd,soon,10"]
    table.write_text(HEADER + "".join(f"{row},val\n" for row in rows))

    listing = read_dataset(tmp_path)

    assert names(listing) == {"aa_000000_000010": "abseiling"}
    found = {(problem.path.name, problem.label, problem.reason) for problem in listing.problems}
    several = "mislabelled: its name has several labels: abseiling, archery"
    path = tmp_path / "val" / "aa_000000_000010.mp4"
    assert found == {
        (path.name, "abseiling", f"duplicate: {path} is used"),
        ("bb_000000_000010.mp4", "sleeping late", "the label is not one of Kinetics-400"),
        ("cc_000000_000010.mp4", "abseiling", several),
        ("cc_000000_000010.mp4", "archery", several),
        ("dd_000000_000010.mp4", "", f"not in {table}"),
        ("val.csv", "archery", "line 7: a time is not a number"),
    }
    table.write_text("label,youtube_id,time_start,split\n")
    with pytest.raises(DatasetError, match="has no column time_end; its first line must name"):
        read_dataset(tmp_path)


def test_a_file_without_annotation_is_a_problem(tmp_path: Path) -> None:
    touch(tmp_path / "val" / "aa_000000_000010.mp4", tmp_path / "all.csv")
    (tmp_path / "all.csv").write_text(HEADER)

    listing = read_dataset(tmp_path, annotations=tmp_path / "all.csv")

    assert reasons(listing)["aa_000000_000010.mp4"].startswith("not in ")


@pytest.mark.parametrize("folder", ["walking the dog", "walking_the_dog", "Walking_The_Dog"])
@pytest.mark.parametrize("above", ["", "val"])
def test_folders_of_classes_are_read(tmp_path: Path, folder: str, above: str) -> None:
    touch(tmp_path / above / folder / "x.mp4", tmp_path / above / folder / "._x.mp4")

    assert names(read_dataset(tmp_path)) == {"x": "walking the dog"}


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_plain_lists_are_read(tmp_path: Path, ending: str) -> None:
    touch(tmp_path / "v" / "x.mp4")
    path = tmp_path / f"list.{ending}"
    rows = [{"path": "v/x.mp4", "label": "abseiling"}]
    path.write_text(
        json.dumps(rows) if ending == "json" else "\ufeffpath,label\nv/x.mp4,abseiling\n"
    )

    listing = read_dataset(path)

    assert names(listing) == {"x": "abseiling"}
    assert listing.videos[0].path == tmp_path / "v" / "x.mp4"


def test_nothing_is_dropped_silently(tmp_path: Path) -> None:
    touch(
        tmp_path / "abseiling" / "twice.mp4",
        tmp_path / "abseiling" / "twice.avi",
        tmp_path / "abseiling" / "both.mp4",
        tmp_path / "archery" / "both.mp4",
        tmp_path / "archery" / "notes.txt",
        tmp_path / "no such action" / "x.mp4",
    )

    listing = read_dataset(tmp_path)

    assert names(listing) == {"twice": "abseiling"}
    assert reasons(listing) == {
        "twice.mp4": f"duplicate: {tmp_path / 'abseiling' / 'twice.avi'} is used",
        "both.mp4": "mislabelled: its name has several labels: abseiling, archery",
        "notes.txt": "it does not have the suffix of a video",
        "no such action": "the folder is not named after a class",
    }
    assert len(listing.problems) == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path\nx.mp4\n", "has no column label; its first line must name the columns path,label"),
        (b"", "has no column path or label"),
        (b"path,label\n\xff,a\n", "is not UTF-8"),
        (b'path,label\na.mp4,"yoga\nb.mp4,yoga\n', "is not CSV: .*is a quote not closed"),
        (b'path,label\na.mp4,"' + b"yoga\n" * 40_000, "is not CSV: .*limit"),
    ],
)
def test_a_damaged_table_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "list.csv").write_bytes(content)

    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path / "list.csv")


@pytest.mark.parametrize(
    "content",
    ["[", '{"path": "x"}', '[{"path": "x"}]', "[" * 100_000, '[{"path":' * 100_000],
    ids=lambda content: content[:9],
)
def test_damaged_json_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "list.json").write_text(content)

    with pytest.raises(DatasetError, match=r"list.json (is not JSON|is not a list of objects)"):
        read_dataset(tmp_path / "list.json")


def test_a_folder_of_another_layout_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path / "x.mp4")

    with pytest.raises(DatasetError, match="neither folders named after classes"):
        read_dataset(tmp_path)
    with pytest.raises(DatasetError, match="there is no data set"):
        read_dataset(tmp_path / "gone")
    with pytest.raises(StorageError, match="cannot read"):
        read_dataset(tmp_path, annotations=tmp_path / "gone.csv")


def test_two_files_of_one_name_and_an_infinite_time_are_problems(tmp_path: Path) -> None:
    touch(tmp_path / "val" / "id_000001_000011.mkv", tmp_path / "val" / "id_000001_000011.mp4")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "val.csv").write_text(
        "label,youtube_id,time_start,time_end\nabseiling,id,0.9999,11.0\narchery,other,inf,11\n"
    )

    listing = read_dataset(tmp_path)

    assert names(listing) == {"id_000001_000011": "abseiling"}
    assert reasons(listing) == {
        "id_000001_000011.mp4": f"duplicate: {listing.videos[0].path} is used",
        "val.csv": "line 3: a time is not a number",
    }
