"""What every measurement needs: a line about the machine, fresh processes, ratios with spread."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = ["Measurement", "machine_line", "ratio_line", "run_fresh"]

_PACKAGES = (
    "openvino",
    "nncf",
    "tensorflow",
    "torch",
    "onnxruntime",
    "av",
    "opencv-python-headless",
)
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


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1024


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
