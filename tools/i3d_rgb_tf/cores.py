"""How many processor cores this process may use."""

from __future__ import annotations

import os

__all__ = ["num_usable_cores"]


def num_usable_cores() -> int:
    """Return the number of cores this process may run on, at least 1.

    Linux can bind a process to some of the cores; macOS and Windows do not report
    this, so there it is the number of cores of the machine.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
