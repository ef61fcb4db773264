"""A process that forks workers, watches their limits, and replaces those that end too early.

It imports what the kind needs and starts no thread, because only such a process can be forked.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import platform
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hostile.cases import Kind
from hostile.kinds import load_kind
from hostile.worker import FELL_SHORT, run_worker

__all__ = ["Limits", "serve"]

_POLL_SECONDS = 0.1
_START_SECONDS = 120
"""A worker may take so long until its first case."""


@dataclass(frozen=True)
class Limits:
    """What a run may take."""

    seconds: float = 60
    bytes: int = 1536 << 20


@dataclass
class _Worker:
    """A running worker, as its server sees it."""

    number: int
    process: int
    reports: int
    output: int
    seeds: Sequence[int]
    """Those it was given."""
    buffer: bytes = b""
    seed: int | None = None
    """The case it is at, if any."""
    what: str = ""
    """How that was made."""
    since: float = field(default_factory=time.monotonic)
    largest_bytes: int = 0
    num_done: int = 0
    is_ready: bool = False
    is_done: bool = False


def serve(
    name: str,
    seeds: Sequence[int],
    templates: Path,
    root: Path,
    workers: int,
    limits: Limits,
    handle: int,
) -> None:
    """Run the workers, replace those that end before they are done, pass their reports on."""
    kind = load_kind(name)
    for module in kind.imports:
        importlib.import_module(module)
    # OpenVINO asks for it when it is imported; Python starts a program once and remembers.
    platform.processor()
    # What exists now is not looked at again, so that the pages stay shared.
    gc.collect()
    gc.freeze()
    running: dict[int, _Worker] = {}

    def start(number: int, share: Sequence[int]) -> None:
        worker = _fork(name, kind, number, share, templates, root)
        running[worker.reports] = worker

    for number in range(workers):
        if share := seeds[number::workers]:
            start(number, share)
    while running:
        ready, _, _ = select.select(list(running), [], [], _POLL_SECONDS)
        for reports in ready:
            worker = running[reports]
            if not _read(worker, handle):
                del running[reports]
                _reap(worker, handle, start, limits)
        for worker in running.values():
            _check_limits(worker, limits)


def _fork(
    name: str, kind: Kind, number: int, seeds: Sequence[int], templates: Path, root: Path
) -> _Worker:
    reading, writing = os.pipe()
    folder = root / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / "output", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    process = os.fork()
    if process:
        os.close(writing)
        os.set_blocking(reading, False)
        return _Worker(number, process, reading, output, seeds)
    try:
        os.close(reading)
        run_worker(
            name,
            kind,
            seeds,
            templates=templates,
            root=folder,
            reports=writing,
            output=output,
        )
        os._exit(0)
    except BaseException:  # noqa: BLE001 (a fault of the harness itself)
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(70)
    raise AssertionError


def _read(worker: _Worker, handle: int) -> bool:
    """Pass on what a worker reported; return False when it has closed its end."""
    try:
        data = os.read(worker.reports, 1 << 16)
    except BlockingIOError:
        return True
    worker.buffer += data
    *lines, worker.buffer = worker.buffer.split(b"\n")
    for line in lines:
        report = json.loads(line)
        worker.since = time.monotonic()
        if "begin" in report:
            worker.seed, worker.what, worker.largest_bytes = report["begin"], "", 0
        elif "made" in report:
            worker.what = report["what"]
        elif "end" in report:
            worker.seed = None
            worker.num_done += 1
            _write(handle, report)
        elif "done" in report:
            worker.is_done = True
        else:
            worker.is_ready = True
            _write(handle, report)
    return bool(data)


def _reap(
    worker: _Worker, handle: int, start: Callable[[int, Sequence[int]], None], limits: Limits
) -> None:
    """Blame the end of a worker on its case, and start another for the rest."""
    _, status = os.waitpid(worker.process, 0)
    os.close(worker.reports)
    text = os.pread(worker.output, 4000, 0).decode("utf-8", "replace")
    os.close(worker.output)
    if worker.is_done:
        return
    if worker.seed is None or os.waitstatus_to_exitcode(status) == 70:
        why = _why(status, 0, 0, limits)
        raise RuntimeError(f"a worker failed by itself (seed {worker.seed}): {why}: {text}")
    seconds = time.monotonic() - worker.since
    why = _why(status, seconds, worker.largest_bytes, limits)
    _write(
        handle,
        {
            "end": worker.seed,
            "outcome": FELL_SHORT,
            "reason": f"{why}{': ' + repr(_short(text)) if text else ''}",
            "seconds": seconds,
            "bytes": worker.largest_bytes,
            "what": worker.what,
        },
    )
    rest = worker.seeds[worker.num_done + 1 :]
    if rest:
        start(worker.number, rest)


def _why(status: int, seconds: float, used: int, limits: Limits) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL:
        if used > limits.bytes:
            return f"took {used >> 20} MB"
        return f"took more than {seconds:.0f} s"
    if code == -signal.SIGSYS:
        return "started a program or opened an internet socket"
    return f"crashed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"


def _short(text: str) -> str:
    return text if len(text) < 900 else f"{text[:400]} ... {text[-400:]}"


def _check_limits(worker: _Worker, limits: Limits) -> None:
    """Kill a worker whose case takes too long or too much memory."""
    if worker.seed is None:
        late = time.monotonic() - worker.since > _START_SECONDS and not worker.is_done
    else:
        late = time.monotonic() - worker.since > limits.seconds + 1
        worker.largest_bytes = max(worker.largest_bytes, _resident_bytes(worker.process))
    if late or worker.largest_bytes > limits.bytes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.process, signal.SIGKILL)


def _resident_bytes(process: int) -> int:
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _write(handle: int, report: dict[str, Any]) -> None:
    data = (json.dumps(report) + "\n").encode()
    while data:
        data = data[os.write(handle, data) :]
