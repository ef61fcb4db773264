"""What a prepared data set names, and what of it is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.listed import count_left_out, list_videos
from i3d_rgb_tf.protocols import PROTOCOLS, Protocol


def _write_tree(root: Path, labels: dict[str, str], subset: str = "validation") -> Path:
    database = {
        name: {"subset": subset, "annotations": {"label": label}} for name, label in labels.items()
    }
    path = root / "kinetics" / "kinetics_400.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"labels": [], "database": database}))
    return path.parent / "frames_val"


def test_missing_videos_are_told_from_those_of_no_class(tmp_path: Path) -> None:
    rows = [
        {"name": name, "label": label, "path": str(tmp_path / name)}
        for name, label in (("c", "Abseiling"), ("b", "archery"), ("a", "sleeping late"))
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(rows), encoding="utf-8-sig")
    for name in ("a", "c"):
        (tmp_path / name).write_text("x")

    videos, missing = list_videos(tmp_path, "clip")

    assert [(video.name, video.label) for video in videos] == [
        ("a", "sleeping late"),
        ("c", "abseiling"),
    ]
    assert [video.reason for video in videos] == [
        "its label 'sleeping late' is not one of Kinetics-400",
        "",
    ]
    assert missing == {"b": str(tmp_path / "b")}


def test_the_first_that_are_there_count_as_in_accuracy_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROTOCOLS, "zoo-2", Protocol("", reads_frames=True, most_videos=2))
    labels = {"z": "abseiling", "gone": "archery", "empty": "archery", "y": "archery", "x": "yoga"}
    tree = _write_tree(tmp_path, labels)
    for name in ("z", "empty", "y", "x"):
        (tree / labels[name] / name).mkdir(parents=True)
        if name != "empty":
            (tree / labels[name] / name / "image_00001.jpg").write_text("x")

    videos, missing = list_videos(tmp_path, "zoo-2")

    assert [video.name for video in videos] == ["empty", "y", "z"]
    assert list(missing) == ["gone"]


def test_other_subsets_do_not_count(tmp_path: Path) -> None:
    _write_tree(tmp_path, {"a": "archery"}, subset="training")

    assert list_videos(tmp_path, "zoo") == ([], {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{]", "is not as prepare writes it"),
        ('{"a": 1}', "is not as prepare writes it"),
        ('[{"name": "a"}]', "is not as prepare writes it"),
        ("7", "is not as prepare writes it"),
        (
            '[{"name": "a", "label": "yoga", "path": "x"}, {"name": "a", "label": "", "path": ""}]',
            "names a more than once",
        ),
    ],
)
def test_a_damaged_manifest_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(DatasetError, match=message):
        list_videos(tmp_path, "paper")


@pytest.mark.parametrize("text", ["[]", '{"database": {"a": {}}}', '{"database": 1}'])
def test_damaged_annotations_are_one_line(tmp_path: Path, text: str) -> None:
    path = _write_tree(tmp_path, {}).parent / "kinetics_400.json"
    path.write_text(text)

    with pytest.raises(DatasetError, match="is not as prepare writes it; prepare the data set"):
        list_videos(tmp_path, "zoo")


def test_what_prepare_left_out_is_counted(tmp_path: Path) -> None:
    assert count_left_out(tmp_path) == 0

    (tmp_path / "problems.csv").write_text('path,label,reason\n"a\nb",yoga,cut\nc,yoga,cut\n')

    assert count_left_out(tmp_path) == 2


def test_what_is_not_prepared_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"prepare SOURCE -o .*"):
        list_videos(tmp_path, "paper")
    with pytest.raises(DatasetError, match=r"prepare --frames SOURCE -o .*"):
        list_videos(tmp_path, "zoo")
