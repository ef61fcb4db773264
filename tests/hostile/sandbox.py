"""Limits of a process that reads hostile files: memory, files, no network, no other programs."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Places", "confine", "die_with_parent", "make_places"]

_ADDRESS_SPACE_BYTES = 12 << 30
"""Far above what any reader needs, far below what would hurt the machine if it were touched."""
_FILE_BYTES = 1 << 30

_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_SECCOMP_KILL_PROCESS, _SECCOMP_ALLOW = 0x80000000, 0x7FFF0000
_SECCOMP_NOT_THERE = 0x00050000 | errno.ENOSYS
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_CLONE_THREAD = 0x00010000
_NUMBER_OFFSET, _MACHINE_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 4, 16


@dataclass(frozen=True)
class _Machine:
    """Numbers of system calls, and of the machine itself in linux/audit.h."""

    audit: int
    socket: int
    clone: int
    clone3: int
    forbidden: tuple[int, ...]
    """execve, execveat, and where there are such calls, fork and vfork."""


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 41, 56, 435, (59, 322, 57, 58)),
    "aarch64": _Machine(0xC00000B7, 198, 220, 435, (221, 281)),
}
_INET, _INET6 = 2, 10


@dataclass(frozen=True)
class Places:
    """The folders of a worker."""

    root: Path
    case: Path
    """Holds the files of the case, and nothing else may be opened."""
    outside: Path
    """Holds files that no case may touch."""
    home: Path
    """Home, temporary and current folder of the process."""


def make_places(root: Path) -> Places:
    """Make the folders of a worker."""
    places = Places(root, root / "case", root / "outside", root / "home")
    for folder in (places.case, places.outside, places.home / "intel"):
        folder.mkdir(parents=True, exist_ok=True)
    # Otherwise OpenVINO starts a process that sends telemetry when it is imported.
    (places.home / "intel" / "openvino_telemetry").write_text("0", encoding="ascii")
    return places


def confine(places: Places, *, loopback: bool) -> list[str]:
    """Confine this process; return what the system does not allow to be confined.

    Parameters
    ----------
    places
        Where it may be.
    loopback
        Whether it may talk to a server on its own loopback.
    """
    missing = []
    os.chdir(places.home)
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        os.environ[name] = str(places.home)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
    _limit(resource.RLIMIT_AS, _ADDRESS_SPACE_BYTES)
    # Writing beyond the limit of a file's size becomes an error instead of a signal.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if not _leave_network(loopback=loopback):
        missing.append("its own network")
    if not _filter_calls(sockets=loopback):
        missing.append("a filter of system calls")
    return missing


def die_with_parent() -> None:
    """Let this process be killed when its parent ends, so that none is left behind."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (lower, hard))


def _leave_network(*, loopback: bool) -> bool:
    """Move to a network without any other machine; its loopback is down unless wanted."""
    if sys.platform != "linux":
        return False
    unshare = _libc().unshare
    if unshare(_CLONE_NEWNET) and unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        # The loopback of the machine is what there is.
        return False
    return not loopback or _bring_up_loopback()


def _bring_up_loopback() -> bool:
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        try:
            found = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
            flags = struct.unpack("16sh14x", found)[1] | _IFF_UP
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags))
        except OSError:
            return False
    return True


def _filter_calls(*, sockets: bool) -> bool:
    """Let the kernel kill this process when it starts a program or opens an internet socket.

    The audit hook of Python does not see what native libraries do.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return False
    # Each jump is relative to the next instruction: (code, if true, if false, value).
    program = [
        (_LOAD, 0, 0, _MACHINE_OFFSET),
        (_JUMP_IF_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _SECCOMP_KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
    ]
    for number in machine.forbidden:
        program += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _SECCOMP_KILL_PROCESS)]
    # What clone3 is to make cannot be seen by a filter; without it, libraries take clone.
    program += [(_JUMP_IF_EQUAL, 0, 1, machine.clone3), (_RETURN, 0, 0, _SECCOMP_NOT_THERE)]
    # Threads may be made, processes not.
    program += [
        (_JUMP_IF_EQUAL, 0, 4, machine.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_OFFSET),
        (_JUMP_IF_SET, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _SECCOMP_KILL_PROCESS),
        (_RETURN, 0, 0, _SECCOMP_ALLOW),
    ]
    if not sockets:
        program += [
            (_JUMP_IF_EQUAL, 0, 4, machine.socket),
            (_LOAD, 0, 0, _FIRST_ARGUMENT_OFFSET),
            (_JUMP_IF_EQUAL, 1, 0, _INET),
            (_JUMP_IF_EQUAL, 0, 1, _INET6),
            (_RETURN, 0, 0, _SECCOMP_KILL_PROCESS),
        ]
    program.append((_RETURN, 0, 0, _SECCOMP_ALLOW))
    code = b"".join(struct.pack("HBBI", *each) for each in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_program = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
    prctl = _libc().prctl
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return not prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_program)
