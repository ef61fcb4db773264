"""Signals that arrive while a process is forked, where Python drops what a handler raises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from processes import without_coverage

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

FORKED = r"""
import multiprocessing
import os
import sys
import time

from i3d_rgb_tf import cli
from i3d_rgb_tf.commands import info

def work():
    os.write(2, b"working\n")
    time.sleep(60)

def run(arguments):
    multiprocessing.get_context("fork").Process(target=work, daemon=True).start()
    os.write(2, b"started\n")
    time.sleep(60)

info.run = run
sys.exit(cli.main(["info"]))
"""
DURING_A_FORK = """
import os
import signal
import sys

from i3d_rgb_tf import cli
from i3d_rgb_tf.commands import info
from i3d_rgb_tf.signals import stop_signals_later

def run(arguments):
    os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))
    with stop_signals_later() as is_signalled:
        if not os.fork():
            os._exit(0)
        print(is_signalled(), file=sys.stderr)
    print("not reached", file=sys.stderr)

info.run = run
sys.exit(cli.main(["info"]))
"""


def start(script: str, folder: Path) -> subprocess.Popen[str]:
    path = folder / "script.py"
    path.write_text(script)
    command = [sys.executable, path]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=without_coverage())


def test_a_process_that_a_library_has_forked_prints_nothing(tmp_path: Path) -> None:
    with start(FORKED, tmp_path) as process:
        assert process.stderr
        assert {process.stderr.readline() for _ in range(2)} == {"working\n", "started\n"}
        process.terminate()
        _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (143, "i3d-rgb-tf: terminated\n")


def test_a_signal_during_a_fork_is_not_lost(tmp_path: Path) -> None:
    with start(DURING_A_FORK, tmp_path) as process:
        _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (143, "True\ni3d-rgb-tf: terminated\n")
