"""The info command reports versions, paths and the contents of a model tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import i3d_rgb_tf
from i3d_rgb_tf import cli
from i3d_rgb_tf.commands import COMMANDS
from i3d_rgb_tf.spec import ModelSpec, entry_folder


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("--entry", entry_folder()),
        ("--accuracy-check", entry_folder() / "accuracy-check.yml"),
        ("--mo", Path(i3d_rgb_tf.__file__).resolve().parent / "zoo" / "mo.py"),
    ],
)
def test_info_prints_a_single_path_for_scripts(
    capsys: pytest.CaptureFixture[str], option: str, path: Path
) -> None:
    assert cli.main(["info", option]) == 0

    assert capsys.readouterr().out == f"{path}\n"
    assert path.exists()


def test_info_as_json_lists_the_contents_of_a_tree(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, spec: ModelSpec
) -> None:
    there, other = (spec.ir_path(tmp_path, "FP16", layout) for layout in ("NDCHW", "NSTHWC"))
    there.parent.mkdir(parents=True)
    there.touch()
    other.touch()

    assert cli.main(["info", "-d", str(tmp_path), "--format", "json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["version"] == i3d_rgb_tf.__version__
    assert document["directory"] == {
        "path": str(spec.folder(tmp_path).resolve()),
        "frozen_graph": None,
        "FP32": None,
        "FP16": str(there),
        "FP16-INT8": None,
        "FP16 NSTHWC": str(other),
    }
    assert document["model"]["input"]["shape"] == list(spec.shape)
    assert document["model"]["frozen_graph"]["sha384"] == spec.frozen_graph.checksum.digest
    assert document["packages"]["openvino"]
    assert document["commands"] == list(COMMANDS)


def test_info_as_text_lists_the_contents_of_a_tree(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["info", "-d", str(tmp_path)]) == 0

    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["FP16", "not", "found"] in rows
    assert ["version", i3d_rgb_tf.__version__] in rows
    assert ["zoo", "entry", str(entry_folder())] in rows


def test_info_reports_a_missing_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from i3d_rgb_tf.commands import info

    monkeypatch.setattr(info, "_PACKAGES", ("no-such-distribution",))

    assert cli.main(["info"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["no-such-distribution", "not", "installed"] in rows
