"""What every measurement needs: a line about the machine, fresh processes, ratios with spread."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = [
    "Measurement",
    "load_line",
    "machine_line",
    "ratio_line",
    "run_fresh",
    "seconds_line",
    "time_in_turns",
    "wait_for_idle_cores",
]

_PACKAGES = (
    "openvino",
    "nncf",
    "tensorflow",
    "torch",
    "onnxruntime",
    "av",
    "opencv-python-headless",
)
_IDLE = 0.1
"""Share of the cores' time below which nothing else runs."""
_GLANCE = 0.25
"""Seconds that the cores are looked at to see that."""
_FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


@dataclass(frozen=True)
class Measurement:
    """One run of a process."""

    seconds: float
    """Wall-clock time from start to end."""
    megabytes: float
    """Peak resident memory of the process and its children, the largest of them."""
    first_line_seconds: float
    """Wall-clock time from start to the end of its first line."""
    processor_seconds: float
    """Time of all its threads on processors; other load changes it less than the wall clock."""


def machine_line() -> str:
    """Return what the figures depend on: processor, cores, load, versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    facts = {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    flags = [flag for flag in _FLAGS if flag in facts.get("flags", "").split()]
    versions = [f"{name} {version}" for name in _PACKAGES if (version := _version(name))]
    return (
        f"{facts.get('model name', platform.machine())}, {len(os.sched_getaffinity(0))} cores, "
        f"{' '.join(flags) or 'no vector flags known'}, load {os.getloadavg()[0]:.1f}; "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def ratio_line(name: str, theirs: Sequence[float], ours: Sequence[float]) -> str:
    """Return the median ratio of runs made in turns, with its lowest and highest."""
    ratios = sorted(their / our for their, our in zip(theirs, ours, strict=True))
    return f"{name}: {statistics.median(ratios):.2f} times ({ratios[0]:.2f}..{ratios[-1]:.2f})"


def seconds_line(name: str, seconds: Sequence[float]) -> str:
    """Return the median time of several runs, with its lowest and highest."""
    return f"{name}: {statistics.median(seconds):.3f} s ({min(seconds):.3f}..{max(seconds):.3f})"


def load_line() -> str:
    """Return what else runs on the machine: the load of the last minute."""
    return f"load {os.getloadavg()[0]:.1f}"


def time_in_turns(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int,
    on_processors: dict[str, list[float]] | None = None,
) -> dict[str, list[float]]:
    """Return the seconds of each candidate in each round; every round runs each of them once.

    Each run waits for idle cores first, because load comes and goes. The time of this process on
    processors, which other load changes less, is appended to `on_processors`.
    """
    if on_processors is None:
        on_processors = {}
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds):
        # The order is reversed each round.
        for name in list(candidates)[:: -1 if number % 2 else 1]:
            wait_for_idle_cores()
            start, used = time.perf_counter(), time.process_time()
            candidates[name]()
            seconds[name].append(time.perf_counter() - start)
            on_processors.setdefault(name, []).append(time.process_time() - used)
    return seconds


def wait_for_idle_cores(most_seconds: float = 3.0) -> None:
    """Wait until no other process needs the cores, but not for ever."""
    deadline = time.monotonic() + most_seconds
    is_idle = False
    while not is_idle and time.monotonic() < deadline:
        busy, total = _core_ticks()
        time.sleep(_GLANCE)
        busy_later, total_later = _core_ticks()
        is_idle = busy_later - busy < _IDLE * (total_later - total)


def run_fresh(command: Sequence[object], environment: Mapping[str, str]) -> Measurement:
    """Run a program to its end; it must succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stdout = process.stdout
    output = stdout.readline() if stdout else ""
    first_line_seconds = time.perf_counter() - start
    output += stdout.read() if stdout else ""
    # only wait4 reports the peak memory of this one process.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed with {process.returncode}:\n{output}")
    processor_seconds = usage.ru_utime + usage.ru_stime
    return Measurement(seconds, _megabytes(usage), first_line_seconds, processor_seconds)


def _core_ticks() -> tuple[int, int]:
    """Return how long the cores were busy, and that with their idle time, since the start."""
    line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    ticks = list(map(int, line.split()[1:9]))
    return sum(ticks) - sum(ticks[3:5]), sum(ticks)


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1024


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
