"""The info command reports versions, paths and the contents of a model tree."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import openvino
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


@pytest.mark.parametrize(
    ("precision", "default", "reason"),
    [
        (openvino.Type.f32, "winograd", "it is faster in f32 on x86-64 processors"),
        (openvino.Type.bf16, "direct", "winograd is for f32 only, and CPU's own precision is bf16"),
    ],
)
def test_info_says_how_convolutions_are_computed_here_and_compiles_nothing(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    precision: openvino.Type,
    default: str,
    reason: str,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: precision)
    for method in ("compile_model", "import_model"):
        monkeypatch.setattr(openvino.Core, method, pytest.fail)

    assert cli.main(["info"]) == 0
    assert f"convolution        {default}: {reason}\n" in capsys.readouterr().out

    assert cli.main(["info", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["convolution"] == {"default": default, "f32": "winograd", "reason": reason}


def test_info_reports_that_openvino_cannot_be_imported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setitem(sys.modules, "openvino", None)

    assert cli.main(["info"]) == 0
    assert "convolution        unknown: import of openvino halted" in capsys.readouterr().out


def test_info_reports_a_missing_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from i3d_rgb_tf.commands import info

    monkeypatch.setattr(info, "_PACKAGES", ("no-such-distribution",))

    assert cli.main(["info"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["no-such-distribution", "not", "installed"] in rows
