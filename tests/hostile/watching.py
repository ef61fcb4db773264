"""Notice what a reader does besides reading its file: files, processes, sockets, output."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hostile.sandbox import Places

__all__ = ["Watch", "memory_bytes", "reset_memory"]

_OPEN, _MODIFY, _ATTRIB, _CREATE, _DELETE, _MOVED = 0x20, 0x2, 0x4, 0x100, 0x200, 0xC0
_CHANGES = _MODIFY | _ATTRIB | _CREATE | _DELETE | _MOVED
_IS_FOLDER, _OVERFLOW = 0x40000000, 0x4000
_EVENT = struct.Struct("iIII")

_FORBIDDEN_EVENTS = {
    *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile"),
    *("os.system", "pty.spawn", "subprocess.Popen", "pickle.find_class", "webbrowser.open"),
}
_WRITING_EVENTS = {
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link"),
    *("os.truncate", "os.chmod", "os.chown"),
}
_HARMLESS = (
    *{str(Path(each).resolve()) for each in (sys.prefix, sys.base_prefix)},
    *(sys.prefix, sys.base_prefix, str(Path(__file__).resolve().parents[2])),
    *("/proc/", "/sys/", "/dev/null", "/dev/urandom", "/usr/lib", "/lib"),
    *("/etc/hosts", "/etc/ssl", "/etc/localtime", "/etc/resolv.conf", "/etc/mime.types"),
)
"""The interpreter, its packages and this checkout: late imports, and data files of them."""


class Watch:
    """What a process does between `start` and `stop`, as sentences about what it may not do."""

    def __init__(self, places: Places, output: int) -> None:
        self._places = places
        self._inside = str(places.case) + os.sep
        self._output = output
        self._found: list[str] = []
        self._active = self._may_write = self._may_connect = False
        self._notify = _Notify({places.outside: _OPEN | _CHANGES, places.home: _CHANGES})
        self._of_case = _Notify({places.case: _OPEN | _CHANGES})
        sys.addaudithook(self._on_event)

    def start(self, *, may_write: bool, may_connect: bool) -> None:
        """Forget what was before, and notice from now on."""
        self._notify.read()
        self._of_case.read()
        self._take_output()
        self._found = []
        self._may_write, self._may_connect = may_write, may_connect
        self._active = True

    def stop(self, reads: Iterable[str]) -> list[str]:
        """Return what was noticed, where the files called `reads` may be opened."""
        self._active = False
        found = self._found
        found += [f"outside its folder: {each}" for each in self._notify.read().values()]
        if not self._may_write:
            allowed = set(reads)
            found += [
                f"another file than the named one: {what}"
                for name, what in self._of_case.read().items()
                if name not in allowed or not what.startswith("opened")
            ]
        if text := self._take_output():
            found.append(f"a library wrote to standard output or error: {text!r}")
        return list(dict.fromkeys(found))

    def _take_output(self) -> str:
        sys.stdout.flush()
        sys.stderr.flush()
        size = os.fstat(self._output).st_size
        if not size:
            return ""
        text = os.pread(self._output, 300, 0).decode("utf-8", "replace")
        os.ftruncate(self._output, 0)
        os.lseek(self._output, 0, os.SEEK_SET)
        return text

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._active:
            return
        if event == "open":
            self._on_open(*arguments)
        elif event == "ctypes.dlopen":
            if not str(arguments[0] or "/lib").startswith(_HARMLESS):
                self._found.append(f"loaded the library {arguments[0]!r}")
        elif event in _FORBIDDEN_EVENTS:
            self._found.append(f"{event}{arguments[:2]!r}"[:200])
        elif event in _WRITING_EVENTS:
            if not (self._may_write and self._is_inside(arguments[0])):
                self._found.append(f"changed a file: {event} {arguments[0]!r}"[:200])
        elif event in {"socket.connect", "socket.sendto"}:
            address = arguments[1]
            host = address[0] if isinstance(address, tuple) else ""
            if not (self._may_connect and host in {"127.0.0.1", "::1"}):
                self._found.append(f"connected to {address!r}")

    def _on_open(self, path: object, mode: object, flags: int) -> None:
        # A file that is open already is opened again by its number.
        if isinstance(path, int) or self._is_inside(path):
            return
        if path == os.devnull:
            return
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(flags, int) else 0
        name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else str(path)
        if writes or not name.startswith(_HARMLESS):
            self._found.append(f"opened {name!r}{' for writing' if writes else ''}"[:300])

    def _is_inside(self, path: object) -> bool:
        try:
            name = os.fsdecode(path)  # type: ignore[arg-type]
        except TypeError:
            return False
        if not os.path.isabs(name):  # noqa: PTH117 (a hook has to be fast)
            name = os.path.join(os.getcwd(), name)  # noqa: PTH118, PTH109
        normal = os.path.normpath(name) + os.sep
        return normal.startswith(self._inside)


class _Notify:
    """The kernel's notices of what happens in folders, whoever does it; none where it has none."""

    def __init__(self, folders: dict[Path, int]) -> None:
        self._handle = -1
        if sys.platform == "linux":
            libc = ctypes.CDLL(None, use_errno=True)
            self._handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            for folder, mask in folders.items():
                if libc.inotify_add_watch(self._handle, os.fsencode(folder), mask) < 0:
                    raise OSError(ctypes.get_errno(), f"inotify_add_watch {folder}")

    def read(self) -> dict[str, str]:
        """Return what happened since the last call, by the name of the file."""
        found: dict[str, str] = {}
        while self._handle >= 0:
            try:
                data = os.read(self._handle, 1 << 16)
            except BlockingIOError:
                break
            place = 0
            while place < len(data):
                _, mask, _, length = _EVENT.unpack_from(data, place)
                name = os.fsdecode(data[place + 16 : place + 16 + length].rstrip(b"\0"))
                place += 16 + length
                if mask & _OVERFLOW or (mask & _IS_FOLDER and mask & _OPEN) or not name:
                    continue
                # A change says more than that it was opened for it.
                if name not in found or mask & _CHANGES:
                    found[name] = f"{'changed' if mask & _CHANGES else 'opened'} {name!r}"
        return found


def reset_memory() -> None:
    """Let `memory_bytes` begin anew, where the system can."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("5")
    except OSError:
        pass


def memory_bytes() -> int:
    """Return the largest resident memory of this process since `reset_memory`."""
    try:
        with open("/proc/self/status", "rb") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10
