"""How tests start a process: without coverage, without the rights of root, in an environment."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Environment", "bound_by_modes", "obey_signals", "without_coverage"]

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2
"""Of linux/prctl.h and linux/capability.h."""


def without_coverage() -> dict[str, str]:
    """Return this environment without coverage.

    A process that is killed, or whose standard streams are closed, would damage its data.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def obey_signals() -> dict[str, Any]:
    """Return arguments for `subprocess` so that signals are obeyed.

    What a shell starts in the background ignores SIGINT, and under nohup SIGHUP.
    """

    def obey() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    return {"preexec_fn": obey}


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


@dataclass(frozen=True)
class Environment:
    """The commands of an environment; they run with a home of their own and a time limit.

    The tools that send telemetry can wait forever without a network: before them, run
    ``opt_in_out --opt_out``, which writes a file in the home.
    """

    folder: Path
    home: Path

    def path(self, command: str) -> str:
        path = self.folder / "bin" / command
        return str(path) if path.exists() else command

    def command(self, command: str, *arguments: str) -> list[str]:
        return [self.path(command), *arguments]

    def run(
        self,
        command: str,
        *arguments: object,
        check: bool = True,
        cwd: Path | None = None,
        timeout: float = 1200,
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            self.command(command, *map(str, arguments)),
            cwd=cwd,
            env={"HOME": str(self.home), "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
            | {name: value for name, value in os.environ.items() if name.startswith("PIP_")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and result.returncode != 0:
            pytest.fail(f"{command} exited with {result.returncode}:\n{result.stdout[-4000:]}")
        return result
