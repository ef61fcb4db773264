"""The download command; sources and checks are tested in tests/weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.spec import ModelSpec

CHECKPOINT_FILES = ("model.ckpt.index", "model.ckpt.data-00000-of-00001")


def test_download_can_write_the_tensors_as_a_checkpoint(
    checkpoint: Path,
    frozen_graph: Path,
    tmp_path: Path,
    spec: ModelSpec,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The checkpoint has the same bytes as the one the graph was frozen from."""
    copy = tmp_path / "copy" / "model.ckpt"
    path = spec.frozen_graph_path(tmp_path)
    command = ["download", "--file", str(frozen_graph), "-o", str(tmp_path)]

    assert main([*command, "--write-checkpoint", str(copy)]) == 0

    lines = [f"{path}: rgb_scratch, from source file", f"{copy}: rgb_scratch"]
    assert capsys.readouterr().out.splitlines() == lines
    for name in CHECKPOINT_FILES:
        assert copy.with_name(name).read_bytes() == checkpoint.with_name(name).read_bytes()
