"""How tests start a process: without coverage, or without the rights of root."""

from __future__ import annotations

import ctypes
import os
from typing import Any

__all__ = ["bound_by_modes", "without_coverage"]

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2
"""Of linux/prctl.h and linux/capability.h."""


def without_coverage() -> dict[str, str]:
    """Return this environment without coverage, whose data a killed process would damage."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def bound_by_modes() -> dict[str, Any]:
    """Return arguments for `subprocess` so that file modes apply, even if this process is root."""
    if os.geteuid() != 0:
        return {}
    drop = ctypes.CDLL(None, use_errno=True).prctl

    def drop_capabilities() -> None:
        # The program that is started gets at most what is left in the bounding set.
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if drop(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")

    return {"preexec_fn": drop_capabilities}
