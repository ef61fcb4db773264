"""A fixed few of the hostile files of every kind, and that the campaign notices what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hostile.kinds import KINDS, SELF_TEST
from hostile.kinds.misbehaving import BEHAVIOURS
from processes import without_coverage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked"),
]

_RUNS = {"graph": 40, "cache": 15, "http": 30}
_RUNS_OF_OTHERS = 40
_NEEDS_TENSORFLOW = {"graph", "checkpoint"}
_NEEDS_LINUX = {
    *("read outside natively", "read beside natively", "program natively", "socket natively"),
    *("write at home",),
}


def run_campaign(tmp_path: Path, *arguments: object) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-m", "hostile", "--format=json", f"--directory={tmp_path}"]
        + [str(each) for each in arguments],
        cwd=Path(__file__).parents[1],
        env=without_coverage(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode in {0, 1}, result.stderr
    (figures,) = json.loads(result.stdout)
    assert result.returncode == bool(figures["fell_short"])
    return figures


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_files_are_used_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    if kind in _NEEDS_TENSORFLOW and find_spec("tensorflow") is None:
        pytest.skip("the template is made with TensorFlow")
    runs = _RUNS.get(kind, _RUNS_OF_OTHERS)

    figures = run_campaign(tmp_path, "--kind", kind, "--runs", runs, "--seconds", 20)

    assert figures["faults"] == []
    assert figures["tried"] == runs
    assert figures["refused"] + figures["worked"] == runs
    # Otherwise the reader was never reached, or nothing was damaged.
    assert figures["refused"] or kind in {"journal", "cache"}
    assert list(tmp_path.iterdir()) == []


def test_the_campaign_notices_whatever_a_reader_may_not_do(tmp_path: Path) -> None:
    figures = run_campaign(
        *(tmp_path, "--kind", SELF_TEST, "--runs", len(BEHAVIOURS)),
        *("--seconds", 2, "--megabytes", 500),
    )

    found = {fault["what"]: fault["reason"] for fault in figures["faults"]}
    expected = {name: text for name, (_, text) in BEHAVIOURS.items() if text}
    if sys.platform != "linux":
        expected = {name: text for name, text in expected.items() if name not in _NEEDS_LINUX}
    assert {name for name, text in expected.items() if text not in found.get(name, "")} == set()
    assert found.keys() <= {name for name, (_, text) in BEHAVIOURS.items() if text}
    assert (figures["worked"], figures["refused"]) == (1, 1)


def test_a_seed_always_makes_the_same_case(tmp_path: Path) -> None:
    first, again = (
        run_campaign(tmp_path, "--kind", "json", "--first", first, "--runs", 20) for first in (7, 7)
    )
    timing = {"longest_seconds", "longest_seed", "largest_bytes", "largest_seed", "total_seconds"}

    assert {key: first[key] for key in first.keys() - timing} == {
        key: again[key] for key in again.keys() - timing
    }
