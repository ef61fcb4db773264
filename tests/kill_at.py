"""Stop a command at each of its file operations, in a child process, and look at what it left.

    python kill_at.py SCENARIO SIGNAL FOLDER [STEP]

Prints the operations of an undisturbed run, and what is wrong after one that was stopped before
its first, second, ... operation (with STEP, only before each STEP-th and before each one that moves
or deletes). Run in a process of its own, which imports everything once and then forks: no thread
may be running.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import killable

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OPERATIONS = {
    *("os.chmod", "os.chown", "os.fsync", "os.link", "os.mkdir", "os.remove", "os.rename"),
    *("os.rmdir", "os.setxattr", "os.symlink", "os.truncate", "os.utime", "fcntl.flock"),
    "save_model",
}
"""Audit events, and two that `audit_more` adds. Opening a file to write counts as well."""
MOVING = {"os.remove", "os.rename", "os.rmdir"}

TEMPORARY = re.compile(r"\.i3d-rgb-tf-[0-9a-f]{16}\.part|\.part-.{8}|\..*lock")
State = dict[str, tuple[int, bytes]]
"""Mode and content of each file, and mode of each folder, by path."""


def main(name: str, number: int, home: Path, step: int = 1) -> dict[str, list[str]]:
    """Stop a command at each operation."""
    scenario = killable.SCENARIOS[name]
    work, before = home / "work", home / "before"
    for folder in (work, work / "tmp", home / "inputs"):
        folder.mkdir(parents=True)
    assert run(lambda: scenario.make(work), home) == 0, log(home)
    shutil.copytree(work, before, symlinks=True)
    old = read_state(work)
    expected_status = run(lambda: scenario.run(work), home)
    assert expected_status == scenario.status, log(home)
    operations = (home / "operations").read_text().split()
    new = read_state(work)
    assert not leftovers(new), leftovers(new)

    wrong = []
    for count, operation in enumerate(operations, 1):
        if count % step and operation not in MOVING:
            continue
        shutil.rmtree(work)
        shutil.copytree(before, work, symlinks=True)
        status = run(lambda: scenario.run(work), home, number, count)
        found = find_wrong(read_state(work), old, new, gone=number != signal.SIGKILL)
        if status != (-number if number == signal.SIGKILL else 128 + number):
            found.append(f"exit status {status}: {log(home)}")
        if number == signal.SIGKILL:
            status = run(lambda: scenario.run(work), home)
            found += [f"run again: {each}" for each in compare(read_state(work), new)]
            if status != scenario.status:
                found.append(f"run again: exit status {status}: {log(home)}")
        wrong += [f"before {count} of {len(operations)}, {operation}: {each}" for each in found]
    return {"operations": operations, "wrong": wrong}


def run(action: Callable[[], int], home: Path, number: int = 0, last: int = 0) -> int:
    """Run in a child, which sends itself a signal before an operation; return its exit status."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            with (home / "log").open("w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            operations = watch(home, number, last)
            status = action()
            Path(home / "operations").write_text("\n".join(operations))
        except BaseException:  # noqa: BLE001 (whatever it is, it goes to the log)
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def watch(home: Path, number: int, last: int) -> list[str]:
    """Note each operation in the list that is returned; send a signal before one of them."""
    done: list[str] = []
    work = str(home / "work")
    audit_more()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        flags = arguments[2] if event == "open" else 0
        opens = isinstance(flags, int) and flags & WRITING and str(arguments[0]).startswith(work)
        if opens or event in OPERATIONS:
            done.append(event)
            if len(done) == last:
                os.kill(os.getpid(), number)

    sys.addaudithook(hook)
    return done


def audit_more() -> None:
    """Report what Python does not: before a file is written to the disk, and before an IR is."""
    import openvino

    def with_event(event: str, function: Callable[..., object]) -> Callable[..., object]:
        def audited(*arguments: object, **options: object) -> object:
            sys.audit(event)
            return function(*arguments, **options)

        return audited

    os.fsync = with_event("os.fsync", os.fsync)
    openvino.save_model = with_event("save_model", openvino.save_model)


def log(home: Path) -> str:
    return (home / "log").read_text(errors="replace")[-2000:]


def read_state(work: Path) -> State:
    state = {}
    for path in sorted(work.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".blob":
            content = b""  # OpenVINO's bytes differ from run to run.
        elif path.suffix == ".jsonl":
            content = b"".join(sorted(content.splitlines(keepends=True)))
        name = path.relative_to(work).as_posix() + "/" * path.is_dir()
        state[name] = (path.lstat().st_mode, content)
    return state


def leftovers(state: State) -> list[str]:
    """Return what is temporary, or a lock."""
    return [
        path
        for path in state
        if any(TEMPORARY.fullmatch(part) for part in path.rstrip("/").split("/"))
        or (path.startswith("tmp/") and path != "tmp/")
    ]


def compare(found: State, expected: State) -> list[str]:
    return [
        f"{path} is {describe(found, path)}, expected {describe(expected, path)}"
        for path in sorted(found.keys() | expected.keys())
        if found.get(path) != expected.get(path)
    ]


def describe(state: State, path: str) -> str:
    mode, content = state.get(path, (0, b""))
    return f"{mode:o} {content[:80]!r}" if mode else "missing"


def find_wrong(state: State, old: State, new: State, *, gone: bool) -> list[str]:
    """Return what is neither as before nor as it is to be and, if it is to be gone, temporary."""
    temporary = leftovers(state)
    wrong = [f"left {path}" for path in temporary] if gone else []
    if gone:
        filled = {f"{parent}/" for path in state for parent in Path(path).parents}
        empty = {path for path in state if path.endswith("/")} - filled - old.keys()
        wrong += [f"left the empty {path}" for path in sorted(empty)]
    groups: dict[str, set[str]] = {}
    for path in state.keys() | old.keys() | new.keys():
        if path not in temporary and not path.endswith("/") and not path.startswith("cache/"):
            groups.setdefault(group(path), set()).add(path)
    for name, paths in sorted(groups.items()):
        found, before, after = (
            {path: each[path] for path in paths if path in each} for each in (state, old, new)
        )
        if found not in (before, after) and not is_allowed(name, found, before, after):
            wrong.append(f"{name} is neither old nor new: {sorted(found)}")
    return wrong


def group(path: str) -> str:
    """Return what must be as it was or as it is to be as a whole."""
    if path.endswith((".xml", ".bin")):
        return path[:-4] + ".xml"
    return str(Path(path).parent) + "/" if path.endswith(".jpg") else path


def is_allowed(name: str, found: State, before: State, after: State) -> bool:
    """Return whether something is right although it is neither as before nor as it is to be."""
    if name.endswith(".xml"):
        # Two files cannot be replaced in one step. In between, there is none that readers open.
        weights = name[:-4] + ".bin"
        return name not in found and before.get(weights) != after.get(weights)
    if name == "out/a.unfinished":
        return True  # It says that the next run makes the features anew.
    if name == "out/a.json":
        return not found  # Features whose files are being replaced are not finished.
    if name.endswith("/"):
        return not found  # The frames of a video that has changed.
    content = found.get(name, (0, b""))[1]
    if name.endswith(".jsonl"):
        known = {
            line for each in (before, after) for _, text in each.values() for line in lines(text)
        }
        return set(lines(content)) <= known
    return name.endswith("registration.json") and isinstance(json.loads(content or b"{}"), dict)


def lines(journal: bytes) -> list[bytes]:
    """Return the complete lines."""
    return [line for line in journal.splitlines(keepends=True) if line.endswith(b"\n")]


if __name__ == "__main__":
    _, _name, _signal, _home, *_step = sys.argv
    print(json.dumps(main(_name, signal.Signals[_signal], Path(_home), *map(int, _step))))
