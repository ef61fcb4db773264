"""The freeze command; the frozen graph itself is tested in tests/weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.spec import ModelSpec
from i3d_rgb_tf.weights.checkpoint import write_checkpoint
from i3d_rgb_tf.weights.tensors import Tensors


@pytest.mark.parametrize("suffix", ["", ".index"])
def test_freeze_prints_the_path_and_the_weights(
    checkpoint: Path,
    frozen_graph: Path,
    tmp_path: Path,
    spec: ModelSpec,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
) -> None:
    assert main(["freeze", f"{checkpoint}{suffix}", "-o", str(tmp_path)]) == 0

    path = spec.frozen_graph_path(tmp_path)
    assert capsys.readouterr().out == f"{path}: rgb_scratch\n"
    assert path.read_bytes() == frozen_graph.read_bytes()


def test_freeze_accepts_unknown_weights_only_when_allowed(
    tensors: Tensors, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = tmp_path / "tuned" / "model.ckpt"
    write_checkpoint({name: tensor * 2 for name, tensor in tensors.items()}, prefix)
    command = ["freeze", str(prefix), "-o", str(tmp_path)]

    assert main(command) == 1
    assert "holds weights that DeepMind did not publish" in capsys.readouterr().err
    assert main([*command, "--allow-unknown"]) == 0
    assert capsys.readouterr().out.endswith(": unknown\n")


@pytest.mark.parametrize("path", ["missing/model.ckpt", "missing/model.ckpt.index", "."])
def test_freeze_reports_a_missing_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    assert main(["freeze", path, "-o", str(tmp_path)]) == 1

    assert "no checkpoint at " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
