"""Stopped at any of its file operations, a command leaves good files and nothing for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from killable import BODY
from processes import without_coverage
from servers import FaultyServer, content

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]

KILL_AT = Path(__file__).with_name("kill_at.py")
PUBLISHED = (
    "/file",
    "/rgb_imagenet/model.ckpt.index",
    "/rgb_imagenet/model.ckpt.data-00000-of-00001",
)


def stop_at_each_operation(
    scenario: str, signal: str, folder: Path, step: int = 1, **environment: str
) -> list[str]:
    """Return the operations; fail when one of them is a bad moment to be stopped."""
    command = [sys.executable, str(KILL_AT), scenario, signal, str(folder / "home"), str(step)]
    result = subprocess.run(
        command,
        env=without_coverage() | {"OPENBLAS_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["wrong"] == []
    operations: list[str] = found["operations"]
    return operations


# The last figure is how often the command moves a file or a folder, at least.
@pytest.mark.parametrize(
    ("scenario", "signal", "step", "moves"),
    [
        ("convert", "SIGKILL", 1, 4),
        ("convert", "SIGTERM", 1, 4),
        ("convert-over", "SIGKILL", 1, 4),
        ("convert-over", "SIGTERM", 1, 4),
        ("convert-over", "SIGINT", 1, 4),
        ("convert-again", "SIGKILL", 1, 0),
        ("convert-layout", "SIGKILL", 1, 2),
        ("quantize", "SIGKILL", 1, 1),
        ("quantize", "SIGTERM", 1, 1),
        ("prepare", "SIGKILL", 1, 7),
        ("evaluate", "SIGKILL", 1, 3),
        ("features", "SIGKILL", 1, 1),
        ("features", "SIGINT", 1, 1),
        ("features-over", "SIGKILL", 1, 1),
        ("timeline-over", "SIGKILL", 1, 1),
        ("timeline-over", "SIGTERM", 1, 1),
        ("register", "SIGKILL", 1, 8),
        ("unregister", "SIGKILL", 1, 3),
        # Only some operations, and each that moves or deletes.
        ("prepare", "SIGTERM", 4, 7),
        ("evaluate", "SIGTERM", 8, 3),
        ("register", "SIGTERM", 4, 8),
        ("register", "SIGINT", 8, 8),
        ("unregister", "SIGTERM", 3, 3),
    ],
)
def test_a_command_stopped_at_any_file_operation(
    tmp_path: Path, scenario: str, signal: str, step: int, moves: int
) -> None:
    operations = stop_at_each_operation(scenario, signal, tmp_path, step)

    assert operations.count("os.rename") >= moves


@pytest.mark.parametrize(
    ("scenario", "signal"),
    [
        ("download-zoo", "SIGKILL"),
        ("download-zoo", "SIGTERM"),
        ("download-over", "SIGKILL"),
        ("download-checkpoint", "SIGKILL"),
        ("download-checkpoint", "SIGTERM"),
        ("download-checkpoint", "SIGINT"),
        ("download-package", "SIGKILL"),
        ("download-package", "SIGTERM"),
    ],
)
def test_a_download_stopped_at_any_file_operation(
    tmp_path: Path, server: FaultyServer, scenario: str, signal: str
) -> None:
    for path in PUBLISHED:
        server.responses[path] = [content(BODY)]

    operations = stop_at_each_operation(scenario, signal, tmp_path, KILL_AT_URL=server.url)

    assert operations.count("os.rename") >= 1


def test_a_conversion_of_the_real_graph_killed_where_it_moves_or_deletes(
    tmp_path: Path, frozen_graph: Path
) -> None:
    operations = stop_at_each_operation(
        "convert-real", "SIGKILL", tmp_path, 99, KILL_AT_GRAPH=str(frozen_graph)
    )

    assert operations[-4:] == ["os.remove", "os.rename", "os.rename", "os.rmdir"]
