"""What a killed process left is removed; what a living one has is not, whoever else writes."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from i3d_rgb_tf.locks import try_lock
from i3d_rgb_tf.storage import replaced_file
from i3d_rgb_tf.temporary import (
    remove_leftovers,
    temporary_file,
    temporary_folder,
    temporary_name,
    temporary_root,
)
from processes import without_coverage

DEAD = temporary_name()
TWO_DAYS = 2 * 24 * 60 * 60

HOLD = """
import sys, time
from pathlib import Path
from i3d_rgb_tf.temporary import temporary_file, temporary_folder
with temporary_folder(Path(sys.argv[1])) as folder, temporary_file(Path(sys.argv[1])) as file:
    (folder / "weights").write_text("half")
    file.write_text("half")
    print("ready", flush=True)
    time.sleep(600)
"""

WRITE = """
import sys
from pathlib import Path
from i3d_rgb_tf.storage import replaced_file, replaced_folder
folder, name = Path(sys.argv[1]), sys.argv[2]
for number in range(150):
    with replaced_file(folder / "file") as part:
        part.write_text(name * 1000)
    with replaced_folder(folder / "new", (name, f"{name}.last")) as part:
        (part / name).write_text(f"{number}")
        (part / f"{name}.last").write_text(f"{number}")
    (folder / "new" / name).unlink()
    (folder / "new" / f"{name}.last").unlink()
    try:
        with replaced_folder(folder / "made" / "again", (name,)) as part:
            raise KeyError
    except KeyError:
        pass
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = without_coverage() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def age(path: Path) -> None:
    then = time.time() - TWO_DAYS
    for each in [*path.rglob("*"), path]:
        os.utime(each, (then, then), follow_symlinks=False)


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behave as on Windows, which has no fcntl."""
    monkeypatch.setitem(sys.modules, "fcntl", None)


def test_what_a_process_has_stays_while_it_lives(tmp_path: Path) -> None:
    process = start(HOLD, tmp_path)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        held = sorted(tmp_path.iterdir())
        for each in held:
            age(each)

        remove_leftovers(tmp_path)
        assert sorted(tmp_path.iterdir()) == held
        assert len(held) == 2
    finally:
        process.kill()
        process.communicate()

    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / DEAD).mkdir()
    (tmp_path / DEAD / "weights").write_text("half")
    (tmp_path / temporary_name()).write_text("half")

    with replaced_file(tmp_path / "file") as part:
        part.write_text("whole")

    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_many_may_write_beside_each_other(tmp_path: Path) -> None:
    processes = [start(WRITE, tmp_path, name) for name in "abcd"]

    assert [process.wait(timeout=100) for process in processes] == [0] * 4
    for process in processes:
        process.communicate()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "file"]
    assert not list(tmp_path.rglob(".*"))
    assert (tmp_path / "file").read_text() in {name * 1000 for name in "abcd"}


def test_a_name_that_is_removed_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = []

    def remove_first(path: Path, **options: bool) -> int | None:
        if not removed:
            removed.append(path)
            path.rmdir()
        return try_lock(path, **options)

    monkeypatch.setattr("i3d_rgb_tf.temporary.try_lock", remove_first)

    with temporary_folder(tmp_path / "new") as folder:
        assert folder.is_dir()
        assert folder not in removed
    assert len(removed) == 1


def test_a_name_that_is_always_removed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(path: Path) -> int | None:
        path.unlink()
        return try_lock(path)

    monkeypatch.setattr("i3d_rgb_tf.temporary.try_lock", remove)

    with pytest.raises(FileNotFoundError), temporary_file(tmp_path / "new"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_another_host_may_be_writing_is_removed_a_day_later(tmp_path: Path) -> None:
    folder = tmp_path / ".i3d-rgb-tf-0123456789abcdef.part"
    folder.mkdir()

    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [folder]

    age(folder)
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_programs_keep_their_files_in_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder = tmp_path / ".part-download"
    folder.mkdir()
    age(folder)

    remove_leftovers(tmp_path)

    assert list(tmp_path.iterdir()) == [folder]


def test_what_earlier_versions_left_is_removed_a_day_later(tmp_path: Path) -> None:
    folder, file = tmp_path / ".part-abcd_123", tmp_path / ".file.abcd_123.part"
    folder.mkdir()
    (folder / "weights").write_text("half")
    file.write_text("half")

    remove_leftovers(tmp_path, "file")
    assert sorted(tmp_path.iterdir()) == [file, folder]

    # A file in it that is new shows that it is in use.
    age(folder)
    (folder / "weights").touch()
    age(file)
    remove_leftovers(tmp_path, "file")
    assert list(tmp_path.iterdir()) == [folder]

    age(folder)
    remove_leftovers(tmp_path, "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [".other.abcd_123.part", ".part-abcd", ".part-ABCDEFGH", "x.part", ".i3d-rgb-tf-1.part"],
)
def test_other_names_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    age(tmp_path / name)

    remove_leftovers(tmp_path, "file")

    assert (tmp_path / name).read_text() == "mine"


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (tmp_path / DEAD).symlink_to("mine")
    (tmp_path / ".part-abcd_123").symlink_to("mine")
    age(tmp_path / ".part-abcd_123")
    os.mkfifo(tmp_path / temporary_name())

    remove_leftovers(tmp_path)

    assert (tmp_path / "mine" / "file").read_text() == "mine"


def test_without_locks_only_age_tells(tmp_path: Path, without_locks: None) -> None:
    (tmp_path / DEAD).write_text("perhaps of a living process")
    age(tmp_path / DEAD)

    with temporary_folder(tmp_path) as folder, temporary_file(tmp_path) as file:
        (folder / "weights").write_text("half")
        file.write_text("half")
        assert folder.name.startswith(".part-")
        assert file.name.startswith(".part-")
        remove_leftovers(tmp_path)
        assert folder.exists()
        assert file.exists()
        age(folder)
        remove_leftovers(tmp_path)
        assert not folder.exists()
        assert file.exists()

    assert [each.name for each in tmp_path.iterdir()] == [DEAD]


def test_where_a_lock_is_refused_only_age_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", refuse)

    with temporary_folder(tmp_path) as folder:
        monkeypatch.undo()
        remove_leftovers(tmp_path)
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_while_cleaning_up_leaves_nothing(tmp_path: Path) -> None:
    class Stop:
        """Interrupts the first removal of a file."""

        number = 0

        def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
            if event == "os.remove" and str(arguments[0]) == "weights":
                self.number += 1
                if self.number == 1:
                    raise KeyboardInterrupt

    stop = Stop()
    sys.addaudithook(stop)
    with pytest.raises(KeyboardInterrupt):
        with temporary_folder(tmp_path / "new") as folder:
            (folder / "weights").write_text("half")

    assert list(tmp_path.iterdir()) == []
    assert stop.number == 2


def test_a_file_has_the_usual_mode_and_a_folder_is_private(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        with temporary_file(tmp_path) as file, temporary_folder(tmp_path) as folder:
            assert stat.S_IMODE(file.stat().st_mode) == 0o640
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        os.umask(umask)


def test_the_folder_for_temporary_files_is_that_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert temporary_root() == tmp_path
    assert list(tmp_path.iterdir()) == []

    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    for name in ("TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    assert temporary_root().is_dir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert temporary_root() == Path(tempfile.gettempdir())
