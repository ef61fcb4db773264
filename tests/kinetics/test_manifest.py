"""The files of a prepared data set, and which of its videos are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.kinetics.annotations import LabelledVideo, Problem
from i3d_rgb_tf.kinetics.manifest import (
    PreparedVideo,
    count_problems,
    frames_folder,
    list_videos,
    read_annotations,
    read_manifest,
    write_annotations,
    write_manifest,
    write_problems,
)

VIDEOS = [
    PreparedVideo("b", Path("/data/b.mp4"), "yoga", 250),
    PreparedVideo("a", Path("/a"), "", 9),
]


def write_tree(root: Path, labels: dict[str, str], subset: str = "validation") -> Path:
    database = {
        name: {"subset": subset, "annotations": {"label": label}} for name, label in labels.items()
    }
    path = root / "kinetics" / "kinetics_400.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"labels": [], "database": database}))
    return path.parent / "frames_val"


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, VIDEOS)

    assert read_manifest(path) == [
        LabelledVideo("b", Path("/data/b.mp4"), "yoga"),
        LabelledVideo("a", Path("/a"), ""),
    ]
    first, _ = json.loads(path.read_text())
    assert first == {
        "name": "b",
        "path": "/data/b.mp4",
        "label": "yoga",
        "num_frames": 250,
        "duration_seconds": 10.0,
    }


def test_paths_in_a_manifest_are_relative_to_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('[{"name": "a", "path": "#1.mp4", "label": "yoga"}]')

    assert [video.path for video in read_manifest(path)] == [tmp_path / "#1.mp4"]


def test_annotations_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_annotations(tmp_path, VIDEOS[:1])

    folder = tmp_path / "kinetics" / "frames_val" / "yoga" / "b"
    assert read_annotations(tmp_path) == [LabelledVideo("b", folder, "yoga")]
    assert folder.is_relative_to(frames_folder(tmp_path))


def test_missing_videos_and_unknown_labels_are_distinguished(tmp_path: Path) -> None:
    rows = [
        {"name": name, "label": label, "path": str(tmp_path / name)}
        for name, label in (("c", "Abseiling"), ("b", "archery"), ("a", "sleeping late"))
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(rows), encoding="utf-8-sig")
    for name in ("a", "c"):
        (tmp_path / name).write_text("x")

    videos, missing = list_videos(tmp_path, frames=False)

    assert [(video.name, video.label) for video in videos] == [
        ("a", "sleeping late"),
        ("c", "abseiling"),
    ]
    assert [video.reason for video in videos] == [
        "its label 'sleeping late' is not one of Kinetics-400",
        "",
    ]
    assert missing == {"b": str(tmp_path / "b")}


def test_the_first_usable_folders_of_frames_are_listed_as_in_accuracy_check(tmp_path: Path) -> None:
    labels = {"z": "abseiling", "gone": "archery", "empty": "archery", "y": "archery", "x": "yoga"}
    tree = write_tree(tmp_path, labels)
    for name in ("z", "empty", "y", "x"):
        (tree / labels[name] / name).mkdir(parents=True)
        if name != "empty":
            (tree / labels[name] / name / "image_00001.jpg").write_text("x")

    videos, missing = list_videos(tmp_path, frames=True, most_videos=2)

    assert [video.name for video in videos] == ["empty", "y", "z"]
    assert list(missing) == ["gone"]


def test_other_subsets_of_the_annotations_are_ignored(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a": "archery"}, subset="training")

    assert list_videos(tmp_path, frames=True) == ([], {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{]", "it is not JSON: "),
        ("\xff", "it is not JSON: "),
        ("[" * 100_000, "it is not JSON: "),
        ('{"a": 1}', "it is not a list"),
        ("7", "it is not a list"),
        ("[1]", "entry 1 has no name or no path"),
        ('[{"name": "a"}]', "entry 1 has no name or no path"),
        ('[{"name": "a", "path": 3, "label": "yoga"}]', "entry 1 has no name or no path"),
        ('[{"name": "a", "path": "", "label": "yoga"}]', "entry 1 has no name or no path"),
        ('[{"name": "a", "path": "x"}]', "entry 1 has no label"),
        (
            '[{"name": "a", "path": "x", "label": ""}, {"name": "a", "path": "y", "label": ""}]',
            "it has a more than once",
        ),
    ],
    ids=lambda text: text[:30],
)
def test_a_damaged_manifest_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="latin-1")

    with pytest.raises(DatasetError, match="is not as i3d-rgb-tf prepare writes it: ") as error:
        list_videos(tmp_path, frames=False)
    assert f"writes it: {message}" in str(error.value)
    assert str(error.value).endswith("; prepare the data set again")


@pytest.mark.parametrize("text", ["[]", '{"database": {"a": {}}}', '{"database": 1}'])
def test_damaged_annotations_are_an_error(tmp_path: Path, text: str) -> None:
    path = write_tree(tmp_path, {}).parent / "kinetics_400.json"
    path.write_text(text)

    with pytest.raises(DatasetError, match="is not as i3d-rgb-tf prepare writes it: .*; prepare"):
        list_videos(tmp_path, frames=True)


_OTHER_FOLDERS = ["", ".", "..", "/tmp", "../../x", "a/b", "a\0b"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *((name, "yoga") for name in _OTHER_FOLDERS),
        *(("a", label) for label in (*_OTHER_FOLDERS, 3, None, ["yoga"])),
    ],
)
def test_annotations_that_lead_to_another_folder_are_an_error(
    tmp_path: Path, name: str, label: object
) -> None:
    path = write_tree(tmp_path, {"good": "archery"}).parent / "kinetics_400.json"
    document = json.loads(path.read_text())
    document["database"][name] = {"subset": "validation", "annotations": {"label": label}}
    path.write_text(json.dumps(document))

    with pytest.raises(DatasetError, match="the name or label of entry 2 cannot name a folder"):
        list_videos(tmp_path, frames=True)


@pytest.mark.parametrize("name", ["x" * 6_000, "\ud800"])
def test_videos_with_impossible_names_are_missing_or_left_to_their_reader(
    tmp_path: Path, name: str
) -> None:
    write_tree(tmp_path, {name: "archery"})
    rows = [{"name": "a", "path": name, "label": "archery"}]
    (tmp_path / "manifest.json").write_text(json.dumps(rows))

    for frames in (True, False):
        videos, missing = list_videos(tmp_path, frames=frames, most_videos=1)
        assert len(videos) + len(missing) == 1


def test_problems_are_counted(tmp_path: Path) -> None:
    assert count_problems(tmp_path) == 0

    write_problems(tmp_path, [Problem(Path("a\nb"), "yoga", "cut"), Problem(Path("c"), "", "cut")])

    assert count_problems(tmp_path) == 2
    assert (tmp_path / "problems.csv").read_text() == (
        'path,label,reason\n"a\nb",yoga,cut\nc,,cut\n'
    )


def test_a_damaged_list_of_problems_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "problems.csv").write_bytes(b"path,label,reason\n\xff\n")

    with pytest.raises(DatasetError, match=r"problems.csv is not as i3d-rgb-tf prepare writes it"):
        count_problems(tmp_path)


def test_a_data_set_that_is_not_prepared_is_an_error_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"make it with: i3d-rgb-tf prepare SOURCE -o .*"):
        list_videos(tmp_path, frames=False)
    with pytest.raises(DatasetError, match=r"i3d-rgb-tf prepare --frames SOURCE -o .*"):
        list_videos(tmp_path, frames=True)
