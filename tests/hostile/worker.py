"""A process that uses one case after the other, and reports each before and after."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hostile.cases import Case, Kind, Setting, random_for
from hostile.sandbox import confine, die_with_parent, make_places
from hostile.watching import Watch, memory_bytes, reset_memory

__all__ = ["FELL_SHORT", "REFUSED", "WORKED", "run_worker"]

WORKED, REFUSED, FELL_SHORT = "worked", "refused", "fell short"
_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
_LONGEST_MESSAGE = 2000
"""Characters of a message; longer ones are no longer one line to a reader."""


def run_worker(
    name: str,
    kind: Kind,
    seeds: Iterable[int],
    *,
    templates: Path,
    root: Path,
    reports: int,
    output: int,
) -> None:
    """Use the cases of `seeds`; write a line of JSON to `reports` before and after each."""
    die_with_parent()
    places = make_places(root)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    faulthandler.enable(file=2)
    missing = confine(places, loopback=kind.loopback)
    # Messages of loggers are lines of the command line, not output of a library.
    logging.getLogger().addHandler(logging.NullHandler())
    loaded = kind.load(templates)
    for secret in ("secret.mp4", "secret.txt", "secret.ts"):
        (places.outside / secret).write_bytes(b"nothing may open this\n" * 100)
    watch = Watch(places, output)
    _report(reports, ready=True, missing=missing)
    for seed in seeds:
        _report(reports, begin=seed)
        _empty(places.case)
        setting = Setting(places.case, places.outside, loaded, seed)
        case = kind.make(random_for(name, seed), setting)
        _report(reports, made=seed, what=case.what)
        _report(reports, end=seed, what=case.what, **use_case(kind, case, watch))
    _report(reports, done=True)


def use_case(kind: Kind, case: Case, watch: Watch) -> dict[str, Any]:
    """Use a case, and return its outcome, reason, time and memory."""
    reset_memory()
    start = time.perf_counter()
    watch.start(may_write=kind.may_write, may_connect=kind.loopback)
    outcome, reason = WORKED, ""
    try:
        kind.use(case)
    except Exception as error:  # noqa: BLE001 (to find those is what this is for)
        outcome, reason = judge_error(error, case)
    found = watch.stop(case.reads or (case.path.name,))
    seconds = time.perf_counter() - start
    if found:
        outcome, reason = FELL_SHORT, "; ".join([*found, *([reason] if reason else [])])
    return {"outcome": outcome, "reason": reason, "seconds": seconds, "bytes": memory_bytes()}


def judge_error(error: Exception, case: Case) -> tuple[str, str]:
    """Return whether an error is a clean refusal, and what it says or lacks."""
    from i3d_rgb_tf.errors import I3DError

    message = str(error)
    if not isinstance(error, I3DError):
        return FELL_SHORT, f"{type(error).__name__}: {message[:200]!r} at {_where(error)}"
    names = case.names or (case.path.name,)
    faults = []
    if any(unicodedata.category(each) in _CONTROLS for each in message):
        faults.append("control characters in the message")
    if len(message) > _LONGEST_MESSAGE:
        faults.append(f"a message of {len(message)} characters")
    if not any(name in message for name in names):
        faults.append("the message does not name the file")
    if faults:
        return FELL_SHORT, f"{', '.join(faults)}: {type(error).__name__}: {message[:300]!r}"
    return REFUSED, f"{type(error).__name__}: {message}"


def _where(error: Exception) -> str:
    """Return the last line of the package in a traceback, and the last line of all."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append((code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    own = [place for place in places if "i3d_rgb_tf" in place[0]]
    chosen = dict.fromkeys([*own[-1:], *places[-1:]])
    return " > ".join(f"{'/'.join(Path(file).parts[-2:])}:{line}" for file, line in chosen)


def _report(handle: int, **values: object) -> None:
    data = (json.dumps(values) + "\n").encode()
    while data:
        data = data[os.write(handle, data) :]


def _empty(folder: Path) -> None:
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            with contextlib.suppress(FileNotFoundError):
                Path(entry.path).unlink()
    sys.stdout.flush()
