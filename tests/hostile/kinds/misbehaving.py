"""A reader that does what none may do, one thing for each seed."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from hostile.cases import Case, Kind, Setting

__all__ = ["BEHAVIOURS", "KINDS"]


def _refuse(message: str) -> None:
    from i3d_rgb_tf.errors import VideoError

    raise VideoError(message)


def _refuse_exactly(message: str) -> None:
    """Raise an error that says exactly this, where the errors of the package escape and shorten."""
    from i3d_rgb_tf.errors import VideoError

    kind = type("ExactError", (VideoError,), {"__str__": lambda self: message})
    raise kind(message)


def _raise(error: Exception) -> None:
    raise error


def _open_natively(path: Path) -> None:
    handle = ctypes.CDLL(None).open(os.fsencode(path), os.O_RDONLY)
    os.close(handle)


def _connect() -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("/nowhere")


def _touch(path: Path) -> None:
    path.write_bytes(b"x")


_Behaviour = Callable[[Path, Path], object]
"""It is given the file of the case and the folder outside."""

BEHAVIOURS: dict[str, tuple[_Behaviour, str]] = {
    "worked": (lambda path, outside: path.read_bytes(), ""),
    "refused": (lambda path, outside: _refuse(f"{path}\n\x1b[2J is no video"), ""),
    "another error": (lambda path, outside: _raise(KeyError("x")), "KeyError"),
    "unnamed": (lambda path, outside: _refuse("no"), "does not name the file"),
    "long": (lambda path, outside: _refuse_exactly(f"{path} {'x' * 3000}"), "a message of 3"),
    "control": (lambda path, outside: _refuse_exactly(f"{path} \x1b[2J"), "control characters"),
    "crash": (lambda path, outside: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV"),
    "abort": (lambda path, outside: os.abort(), "SIGABRT"),
    "exit": (lambda path, outside: os._exit(3), "exited with 3"),
    "hang": (lambda path, outside: time.sleep(1000), "took more than"),
    "memory": (lambda path, outside: bytearray(b"x" * (600 << 20)), "MB"),
    "output": (lambda path, outside: os.write(1, b"hello"), "hello"),
    "read outside": (lambda path, outside: (outside / "secret.txt").read_bytes(), "outside"),
    "read outside natively": (
        lambda path, outside: _open_natively(outside / "secret.txt"),
        "outside",
    ),
    "read beside natively": (
        lambda path, outside: _open_natively(path.with_name("beside")),
        "beside",
    ),
    "read elsewhere": (lambda path, outside: Path("/etc/passwd").read_bytes(), "/etc/passwd"),
    "write outside": (lambda path, outside: _touch(outside / "new"), "new"),
    "write beside": (lambda path, outside: _touch(path.with_name("new")), "new"),
    "write at home": (lambda path, outside: _touch(Path("new")), "new"),
    "program": (lambda path, outside: subprocess.run(["true"], check=False), "program"),
    "program natively": (lambda path, outside: ctypes.CDLL(None).system(b"true"), "program"),
    "socket natively": (lambda path, outside: ctypes.CDLL(None).socket(2, 1, 0), "socket"),
    "socket": (lambda path, outside: _connect(), "connected"),
    "pickle": (lambda path, outside: pickle.loads(b"cos\ngetpid\n(tR."), "pickle.find_class"),
}
"""What the reader does, and what has to be in the reason; empty where nothing is wrong."""


def _make(rng: Random, setting: Setting) -> Case:
    path = setting.folder / "file.bin"
    for each in (path, path.with_name("beside")):
        each.write_bytes(b"x")
    name = list(BEHAVIOURS)[setting.seed % len(BEHAVIOURS)]
    return Case(path, name, data={"outside": setting.outside})


def _use(case: Case) -> None:
    behaviour, _ = BEHAVIOURS[case.what]
    behaviour(case.path, case.data["outside"])


KINDS = {"misbehaving": Kind("misbehaving", "", _make, _use)}
