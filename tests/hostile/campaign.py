"""Run the cases of a kind in workers, and blame each crash and each hang on its case.

A server process imports what the kind needs and starts no thread; the workers are forked from it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hostile.kinds import load_kind
from hostile.sandbox import die_with_parent
from hostile.serving import Limits, serve
from hostile.worker import FELL_SHORT, REFUSED, WORKED

__all__ = ["Fault", "Result", "run_kind"]


@dataclass(frozen=True)
class Fault:
    """A case that fell short."""

    seed: int
    reason: str
    what: str


@dataclass
class Result:
    """The figures of a kind."""

    kind: str
    tried: int = 0
    refused: int = 0
    worked: int = 0
    fell_short: int = 0
    longest_seconds: float = 0.0
    longest_seed: int = -1
    largest_bytes: int = 0
    largest_seed: int = -1
    total_seconds: float = 0.0
    missing: list[str] = field(default_factory=list)
    """What the system did not allow to be confined."""
    faults: list[Fault] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    """How often each kind of refusal was given; only counted when asked for."""

    def add(self, seed: int, report: dict[str, Any], limits: Limits) -> None:
        """Count one case."""
        self.tried += 1
        outcome, reason = report["outcome"], report["reason"]
        seconds, used = report["seconds"], report["bytes"]
        if seconds > limits.seconds:
            outcome, reason = FELL_SHORT, f"took {seconds:.0f} s; {reason}"
        if used > limits.bytes:
            outcome, reason = FELL_SHORT, f"took {used >> 20} MB; {reason}"
        self.refused += outcome == REFUSED
        self.worked += outcome == WORKED
        self.fell_short += outcome == FELL_SHORT
        self.total_seconds += seconds
        if seconds > self.longest_seconds:
            self.longest_seconds, self.longest_seed = seconds, seed
        if used > self.largest_bytes:
            self.largest_bytes, self.largest_seed = used, seed
        if outcome == FELL_SHORT:
            self.faults.append(Fault(seed, reason, report["what"]))


def run_kind(
    name: str,
    seeds: Sequence[int],
    *,
    root: Path,
    workers: int,
    limits: Limits,
    on_report: Callable[[int, dict[str, Any]], object] = lambda seed, report: None,
) -> Result:
    """Run the cases of a kind in a server of its own, and return the figures."""
    templates, places = root / "templates" / name, root / name
    templates.mkdir(parents=True, exist_ok=True)
    _in_child(lambda _: _make_templates(name, templates))
    lines = _in_child(
        lambda handle: serve(name, seeds, templates, places, workers, limits, handle), wait=False
    )
    result = Result(name)
    for line in lines:
        report = json.loads(line)
        if "missing" in report:
            result.missing = sorted({*result.missing, *report["missing"]})
        elif "end" in report:
            result.add(report["end"], report, limits)
            on_report(report["end"], report)
    shutil.rmtree(places, ignore_errors=True)
    shutil.rmtree(templates, ignore_errors=True)
    if result.tried != len(seeds):
        raise RuntimeError(f"{name}: {result.tried} of {len(seeds)} cases were reported")
    return result


def _in_child(work: Callable[[int], object], *, wait: bool = True) -> Iterator[str]:
    """Do work in a forked process, and return the lines that it writes to the handle it gets."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        status = 1
        try:
            die_with_parent()
            os.close(reading)
            work(writing)
            status = 0
        except BaseException:  # noqa: BLE001 (nothing of the parent may run in the child)
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    lines = _lines_of(child, reading)
    return iter(list(lines)) if wait else lines


def _lines_of(child: int, reading: int) -> Iterator[str]:
    try:
        with os.fdopen(reading, encoding="utf-8") as file:
            yield from file
        _, status = os.waitpid(child, 0)
        if status:
            raise RuntimeError(f"a process of the campaign ended with status {status}")
    except GeneratorExit:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


def _make_templates(name: str, folder: Path) -> None:
    """Write the templates of a kind; what encoders print on the way goes to a file."""
    log = folder.with_suffix(".log")
    saved = os.dup(2)
    handle = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    try:
        load_kind(name).make_templates(folder)
    except BaseException:
        os.write(saved, os.pread(handle, 4000, 0))
        os.dup2(saved, 2)
        raise
