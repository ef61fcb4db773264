"""How many processor cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["core_quota", "limit_cores", "num_system_cores", "num_usable_cores"]

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")

_limit: int | None = None


def num_usable_cores() -> int:
    """Return the number of cores this process may use, at least 1.

    It is that of `num_system_cores`, unless `limit_cores` has set a lower one.
    """
    return min(filter(None, (num_system_cores(), _limit)))


def num_system_cores() -> int:
    """Return the number of cores that the system gives this process and its children, at least 1.

    Linux can bind a process to some of the cores, and a container can have a quota of processor
    time; macOS and Windows do not report this, so there it is the number of cores of the machine.
    """
    return min(filter(None, (_bound_cores(), core_quota())))


def limit_cores(most: int) -> None:
    """Use at most so many cores for decoding in this process, from now on."""
    global _limit  # noqa: PLW0603  FFmpeg's threads, too, belong to the process.
    _limit = most


def core_quota(own: Path = _OWN_CGROUPS, root: Path = _CGROUPS) -> int | None:
    """Return the processor time that a container may use, as a number of cores, rounded up.

    Parameters
    ----------
    own
        The file of Linux with the control groups of this process.
    root
        Where Linux shows all control groups, of version 2, or of version 1 in a folder ``cpu``.

    Returns
    -------
    int or None
        None if there is no quota, or none below the number of cores that the process is bound to.
    """
    quotas = [quota for folder in _own_folders(own, root) if (quota := _quota(folder))]
    cores = math.ceil(min(quotas, default=math.inf)) if quotas else None
    return cores if cores and cores < _bound_cores() else None


def _bound_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _own_folders(own: Path, root: Path) -> list[Path]:
    """Return the folders of the control groups that this process is in, each with its parents.

    A line is ``0::/path`` in version 2, and ``4:cpu,cpuacct:/path`` in version 1. Inside a
    container, the path may be that of the host, and the quota is that of the root.
    """
    try:
        lines = own.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    folders: list[Path] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "cpu" if controllers else root
        inner = top / path.strip("/")
        folders += [inner, *(each for each in inner.parents if each.is_relative_to(top))]
    return folders


def _quota(folder: Path) -> float | None:
    """Return the cores' worth of time of one control group; None if it has no quota."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii")
                for name in ("quota", "period")
            )
        cores = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        # No such file, or "max".
        return None
    return cores if cores > 0 else None
