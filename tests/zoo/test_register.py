"""Registration in a zoo of real files; tests/zoo_tools runs the zoo's own tools."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import ZooError
from i3d_rgb_tf.spec import entry_folder
from i3d_rgb_tf.zoo import installation as zoos
from i3d_rgb_tf.zoo import register as registering
from i3d_rgb_tf.zoo.installation import Zoo, changing, entry_digests, find_zoo
from i3d_rgb_tf.zoo.register import read_status, register, unregister
from processes import bound_by_modes, without_coverage

pytestmark = pytest.mark.slow

STOCK_MODEL = "task_type: action_recognition\ninput_info:\n  - layout: NDHWC\n"
STOCK = {
    "model.yml": STOCK_MODEL,
    "accuracy-check.yml": "models: []\n",
    "freeze.py": "# stock\n",
}


def make_zoo(folder: Path, stock: dict[str, str] = STOCK) -> Path:
    other = folder / "models" / "public" / "other"
    other.mkdir(parents=True)
    (other / "model.yml").write_text("task_type: detection\n")
    for name, content in stock.items():
        path = folder / "models" / "public" / "i3d-rgb-tf" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return folder


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_works(zoo, edited=()) -> None:
    """The zoo's loader finds each model once, and our entry is complete where it is active."""
    found = sorted(path.parent.name for path in zoo.model_root.glob("**/model.yml"))
    assert found == ["i3d-rgb-tf", "other"]
    if (zoo.entry / "model.yml").read_text() != STOCK_MODEL:
        whole = {name: each for name, each in entry_digests().items() if name not in edited}
        assert whole.items() <= entry_digests(zoo.entry).items()


@pytest.fixture
def zoo(tmp_path):
    return find_zoo(make_zoo(tmp_path))


def test_register_copies_our_files_and_unregister_restores_the_zoo(zoo, tmp_path):
    before = snapshot(tmp_path)
    assert read_status(zoo).state == "stock"

    assert register(zoo).state == "stock"

    assert read_status(zoo).state == "ours"
    assert entry_digests(zoo.entry) == entry_digests()
    assert not any(path.is_symlink() for path in zoo.entry.rglob("*"))
    assert_works(zoo)

    assert unregister(zoo).state == "ours"
    assert snapshot(tmp_path) == before
    assert read_status(zoo).state == "stock"


def test_twice_is_once(zoo, tmp_path):
    before = snapshot(tmp_path)
    register(zoo)
    once = snapshot(tmp_path)

    assert register(zoo).state == "ours"
    assert snapshot(tmp_path) == once

    unregister(zoo)
    assert unregister(zoo).state == "stock"
    assert snapshot(tmp_path) == before


def test_a_zoo_without_the_model_can_be_registered_and_unregistered(tmp_path):
    zoo = find_zoo(make_zoo(tmp_path, stock={}))
    before = snapshot(tmp_path)

    register(zoo)
    assert_works(zoo)
    unregister(zoo)

    assert snapshot(tmp_path) == before
    assert not zoo.entry.exists()


def test_compiled_python_files_are_ignored(tmp_path):
    zoo = find_zoo(make_zoo(tmp_path, stock={}))
    register(zoo)
    # As pip and an import of freeze.py leave it.
    compiled = zoo.entry / "__pycache__" / "freeze.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.touch()

    assert entry_digests(zoo.entry) == entry_digests()
    unregister(zoo)
    assert not zoo.entry.exists()


def test_file_modes_and_unrelated_files_are_kept(zoo, tmp_path):
    (zoo.entry / "freeze.py").chmod(0o755)
    (zoo.entry / "notes.txt").write_text("a user's")
    before = snapshot(tmp_path)

    register(zoo)
    assert (zoo.entry / "notes.txt").read_text() == "a user's"
    unregister(zoo)

    assert snapshot(tmp_path) == before


def test_after_the_zoo_is_installed_again_its_new_files_are_restored(zoo, tmp_path):
    register(zoo)
    # pip writes its own files again and leaves those it does not know.
    newer = {**STOCK, "freeze.py": "# stock of the next release\n"}
    make_zoo_files = {zoo.entry / name: content for name, content in newer.items()}
    for path, content in make_zoo_files.items():
        path.write_text(content)

    status = read_status(zoo)
    assert status.state == "overwritten"
    assert "i3d-rgb-tf zoo register" in status.advice

    register(zoo)
    assert read_status(zoo).state == "ours"
    (backup,) = zoo.records.glob("stock-*")
    assert {path.name: path.read_text() for path in backup.iterdir()} == newer
    unregister(zoo)
    assert {path.name: path.read_text() for path in zoo.entry.iterdir()} == newer


def test_unregister_after_a_new_installation_removes_only_our_files(zoo):
    register(zoo)
    for name, content in STOCK.items():
        (zoo.entry / name).write_text(content)

    assert unregister(zoo).state == "overwritten"
    assert {path.name: path.read_text() for path in zoo.entry.iterdir()} == STOCK


def edit(path: Path) -> None:
    path.write_text(f"{path.read_text()}# mine\n")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.yml", edit),
        ("accuracy-check.yml", edit),
        ("accuracy-check.yml", Path.unlink),
        ("README.md", edit),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_our_edited_entry_is_never_kept_as_the_zoos(zoo, tmp_path, name, change, again):
    before = snapshot(tmp_path)
    register(zoo)
    change(zoo.entry / name)

    assert read_status(zoo).state == "edited"
    if again:
        register(zoo)
        assert read_status(zoo).state == "ours"
        assert entry_digests(zoo.entry) == entry_digests()
    unregister(zoo)
    assert snapshot(tmp_path) == before


def test_a_zoo_whose_own_entry_has_our_layout_is_distinguished(tmp_path):
    theirs = {"model.yml": "input_info:\n  - layout: NDHWC->NDCHW\n", "freeze.py": "# stock\n"}
    zoo = find_zoo(make_zoo(tmp_path, stock=theirs))
    register(zoo)
    for name, content in {**theirs, "freeze.py": "# stock of the next release\n"}.items():
        (zoo.entry / name).write_text(content)

    assert read_status(zoo).state == "overwritten"
    unregister(zoo)

    assert (zoo.entry / "freeze.py").read_text() == "# stock of the next release\n"


def test_another_version_of_our_entry_is_outdated_and_gets_replaced(zoo, tmp_path, monkeypatch):
    before = snapshot(tmp_path)
    older = tmp_path.parent / f"{tmp_path.name}-older"
    shutil.copytree(entry_folder(), older)
    (older / "README.md").write_text("an older card")
    (older / "gone.txt").write_text("a file that this version no longer has")
    with monkeypatch.context() as patch:
        patch.setattr(registering, "entry_folder", lambda: older)
        patch.setattr(
            registering, "entry_digests", lambda folder=None: entry_digests(folder or older)
        )
        register(zoo)

    assert read_status(zoo).state == "outdated"
    register(zoo)
    assert read_status(zoo).state == "ours"
    unregister(zoo)
    assert snapshot(tmp_path) == before


KILLED = """
import os, signal, sys
from pathlib import Path
import yaml
from i3d_rgb_tf.zoo import register
from i3d_rgb_tf.zoo.installation import find_zoo

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OPERATIONS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime")

def run_until(last):
    count = 0

    def hook(event, arguments):
        nonlocal count
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & WRITING:
                return
        elif event not in OPERATIONS:
            return
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    getattr(register, sys.argv[2])(find_zoo(Path(sys.argv[1])))
    os._exit(0)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run_until(int(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""For each number it reads, a child runs the action, kills itself at that operation, and exits."""


@pytest.fixture
def run_killed(tmp_path, request):
    """Give a function that runs the action and kills it at an operation; it returns the status."""
    environment = without_coverage() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", KILLED, tmp_path / "zoo", request.getfixturevalue("action")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:

        def run(last: int) -> int:
            process.stdin.write(f"{last}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run


@pytest.mark.parametrize(
    "edited",
    [{}, {"accuracy-check.yml": edit, "freeze.py": edit}, {"accuracy-check.yml": Path.unlink}],
    ids=["whole", "edited", "file deleted"],
)
@pytest.mark.parametrize("action", ["register", "unregister"])
def test_killed_at_any_file_operation_the_zoo_works_and_can_be_restored(
    action, edited, tmp_path, run_killed
):
    original = find_zoo(make_zoo(tmp_path / "original"))
    before = snapshot(tmp_path / "original")
    if action == "unregister" or edited:
        register(original)
    for name, change in edited.items():
        change(original.entry / name)

    for last in range(1, 1000):
        shutil.copytree(tmp_path / "original", tmp_path / "zoo")
        zoo = find_zoo(tmp_path / "zoo")
        status = run_killed(last)
        assert_works(zoo, edited)

        if last % 2:
            register(zoo)
            assert read_status(zoo).state == "ours"
            assert_works(zoo)
        unregister(zoo)
        assert snapshot(tmp_path / "zoo") == before
        shutil.rmtree(tmp_path / "zoo")
        if status == 0:
            break
        assert status == -signal.SIGKILL

    assert last > 20  # It was killed at every one of its operations, and then not at all.


def test_an_interrupted_register_is_reported(zoo, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registering, "_replace", stop)
        with pytest.raises(KeyboardInterrupt):
            register(zoo)

    status = read_status(zoo)
    assert (status.state, "unregister" in status.advice) == ("interrupted", True)


def test_two_processes_at_once_leave_a_complete_entry(zoo, tmp_path):
    """Each has its own temporary folder, as jobs of a cluster have."""
    before = snapshot(tmp_path)
    folders = [tmp_path.parent / f"{tmp_path.name}-{number}" for number in range(2)]
    program = (
        "import sys; from pathlib import Path\n"
        "from i3d_rgb_tf.zoo.register import register, unregister\n"
        "from i3d_rgb_tf.zoo.installation import find_zoo\n"
        "zoo = find_zoo(Path(sys.argv[1]))\n"
        "for _ in range(20): register(zoo); unregister(zoo)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", program, tmp_path]
    processes = []
    for folder in folders:
        folder.mkdir()
        own = {**environment, "TMPDIR": str(folder)}
        processes.append(subprocess.Popen(command, env=own))

    while any(process.poll() is None for process in processes):
        assert (zoo.entry / "model.yml").is_file()

    assert [process.returncode for process in processes] == [0, 0]
    assert snapshot(tmp_path) == before
    assert not any(list(folder.iterdir()) for folder in folders)


PROGRAM = """
import sys
from pathlib import Path
from i3d_rgb_tf.zoo import register
from i3d_rgb_tf.zoo import installation as zoo

named = Path(sys.argv[3]) if sys.argv[3:] else None
if sys.argv[2] == "find_zoo":
    zoo.find_zoo(named)
else:
    getattr(register, sys.argv[2])(zoo.Zoo(Path(sys.argv[1]), named))
"""


def run_bound(zoo, action, *named):
    """Run a function on a zoo in a process that the modes of files bind."""
    environment = without_coverage() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", PROGRAM, zoo.model_root, action, *named]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, **bound_by_modes()
    )


@pytest.fixture
def read_only(zoo, tmp_path):
    """Make a zoo read-only, and give its bytes and modes."""
    register(zoo)
    for folder in [tmp_path, *tmp_path.parents[:2]]:
        folder.chmod(0o755)
    for path in [*tmp_path.rglob("*"), tmp_path]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield snapshot(tmp_path)
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o755)


def test_a_read_only_zoo_is_reported_with_an_alternative(zoo, read_only, tmp_path):
    zoo.entry.chmod(0o755)
    (zoo.entry / "README.md").chmod(0o644)
    edit(zoo.entry / "README.md")
    zoo.entry.chmod(0o555)
    before = snapshot(tmp_path)
    may_write = "try again as a user who may write there"

    installed = run_bound(zoo, "register").stderr
    named = run_bound(zoo, "register", tmp_path).stderr
    back = run_bound(zoo, "unregister").stderr

    assert all("ZooError: cannot change" in each for each in (installed, named, back))
    assert f"{may_write}, or run its tools on our entry without changing it" in installed
    assert "i3d-rgb-tf zoo run downloader --name i3d-rgb-tf" in installed
    # Its tools can be run only where the zoo is installed, and only on our entry.
    assert named.endswith(f"{may_write}\n")
    assert back.endswith(f"{may_write}\n")
    assert snapshot(tmp_path) == before


def test_an_unreadable_entry_is_reported(zoo, read_only):
    (zoo.entry / "model.yml").chmod(0)

    said = run_bound(zoo, "read_status").stderr

    assert f"ZooError: cannot read {zoo.entry}: Permission denied; try again as" in said


def test_an_unreadable_zoo_is_reported(zoo, read_only):
    zoo.model_root.chmod(0)

    said = run_bound(zoo, "find_zoo", zoo.model_root).stderr

    assert f"ZooError: cannot read {zoo.model_root}: Permission denied; try again as" in said


def test_a_full_disk_is_reported(zoo, monkeypatch):
    def copy(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(registering.shutil, "copy2", copy)

    with pytest.raises(ZooError, match=r"cannot change .*: No space .*; free some space"):
        register(zoo)


def test_a_changed_backup_is_not_restored(zoo):
    register(zoo)
    (backup,) = zoo.records.glob("stock-*")
    (backup / "model.yml").write_text("altered")

    with pytest.raises(
        ZooError, match=f"was changed since it was kept; remove {zoo.records}, and restore"
    ):
        unregister(zoo)
    assert read_status(zoo).state == "ours"


@pytest.mark.parametrize("lost", [".", "registration.json"])
def test_unregister_without_its_record_changes_nothing(zoo, tmp_path, lost):
    register(zoo)
    path = zoo.records / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = snapshot(tmp_path)

    with pytest.raises(
        ZooError, match="registration.json, which lists what it replaced, is missing"
    ):
        unregister(zoo)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({"openvino-dev": "2023.3.0", "openvino": "2023.3.0"}, "openvino-dev==2023.3.0$"),
        (
            {"openvino-dev": "2024.6.0", "openvino": "2026.4.1"},
            "openvino-dev==2024.6.0 && pip .* openvino==2026.4.1$",
        ),
        ({}, "in a checkout with git"),
    ],
)
def test_without_records_the_advice_says_how_to_restore_the_zoos_entry(
    zoo, monkeypatch, installed, expected
):
    monkeypatch.setattr(zoos, "_version", lambda name: installed.get(name, ""))

    assert re.search(expected, Zoo(zoo.model_root).restore_advice())
    # What is installed in this environment is not what a user names.
    assert "in a checkout with git" in zoo.restore_advice()


def test_a_register_killed_just_before_its_end_is_completed(zoo):
    register(zoo)
    path = zoo.records / "registration.json"
    path.write_text(path.read_text().replace('"complete": true', '"complete": false'))

    register(zoo)

    edit(zoo.entry / "README.md")
    assert read_status(zoo).state == "edited"


def test_a_damaged_registration_record_is_reported(zoo):
    register(zoo)
    (zoo.records / "registration.json").write_text("{")
    (zoo.entry / "model.yml").write_text(STOCK_MODEL)

    with pytest.raises(ZooError, match=f"registration.json: .*; remove {zoo.records}, and restore"):
        read_status(zoo)


@pytest.fixture
def without_folder_locks(monkeypatch, tmp_path_factory):
    """Behave as on Windows and NFS; the lock file goes to a folder of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("locks")))
    monkeypatch.setattr(zoos, "_lock_folder", lambda *_: False)


def test_a_lock_held_too_long_is_reported(zoo, monkeypatch):
    monkeypatch.setattr(zoos, "_LOCK_TIMEOUT_SECONDS", 0.1)
    with changing(zoo), pytest.raises(ZooError, match="another process"):
        register(zoo)


def test_a_folder_that_cannot_be_locked_is_detected(zoo, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", refuse)

    with ExitStack() as stack:
        assert not zoos._lock_folder(zoo, stack)


def test_where_folders_cannot_be_locked_a_file_is(zoo, tmp_path, monkeypatch, without_folder_locks):
    before = snapshot(tmp_path)
    monkeypatch.setattr(zoos, "_LOCK_TIMEOUT_SECONDS", 0.1)

    with changing(zoo), pytest.raises(ZooError, match="another process"):
        register(zoo)
    register(zoo)
    unregister(zoo)
    assert snapshot(tmp_path) == before


def test_a_lock_file_that_cannot_be_opened_is_reported(zoo, tmp_path, without_folder_locks):
    before = snapshot(tmp_path)
    path = zoos._lock_path(zoo)
    path.mkdir()
    try:
        with pytest.raises(ZooError, match=f"cannot lock {path}: .*; .* set TMPDIR to"):
            register(zoo)
    finally:
        path.rmdir()
    assert snapshot(tmp_path) == before


def test_the_zoo_may_be_given_by_its_folder_of_models(tmp_path):
    make_zoo(tmp_path)

    assert find_zoo(tmp_path) == find_zoo(tmp_path / "models")


def test_a_folder_without_a_zoo_is_rejected(tmp_path):
    with pytest.raises(ZooError, match="there is no model zoo in"):
        find_zoo(tmp_path)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Give a folder that Python imports from, with none of the zoo's packages in it."""
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    return tmp_path / "site-packages"


def install_tools(folder: Path) -> Path:
    make_zoo(folder)
    for name in ("__init__.py", "_common.py"):
        (folder / name).touch()
    return folder


def test_the_installed_zoo_is_found(packages):
    install_tools(packages / "omz_tools")

    assert find_zoo().model_root == packages / "omz_tools" / "models"


def test_the_remains_of_an_uninstalled_zoo_are_not_a_zoo(packages):
    tools = install_tools(packages / "omz_tools")
    register(find_zoo())
    for path in (tools / "__init__.py", tools / "_common.py"):
        path.unlink()

    with pytest.raises(ZooError, match="no model zoo is installed"):
        find_zoo()


@pytest.mark.parametrize("package", zoos.ZOO_PACKAGES)
def test_editable_tools_use_the_models_of_their_checkout(package, tmp_path, monkeypatch):
    make_zoo(tmp_path / "checkout")
    folder = tmp_path.joinpath("checkout", "tools", "model_tools", "src", *package.split("."))
    folder.mkdir(parents=True)
    (folder / "_common.py").touch()
    # The real openvino is imported already, so Python would not look for its parts elsewhere.
    monkeypatch.setattr(
        zoos, "_package_folder", lambda name: folder if name == package else Path("missing")
    )

    assert find_zoo().model_root == tmp_path / "checkout" / "models"


def test_without_a_zoo_the_error_says_how_to_install_one():
    with pytest.raises(ZooError, match=r"pip install 'i3d-rgb-tf\[omz\]'"):
        find_zoo()


def test_the_commands_print_what_they_did(zoo, tmp_path, capsys):
    for command, said in [
        ("register", "registered: "),
        ("register", "already registered: "),
        ("status", "ours: "),
        ("unregister", "restored: "),
        ("unregister", "not registered: "),
        ("status", "stock: "),
    ]:
        assert main(["zoo", command, "--zoo", str(tmp_path)]) == 0
        assert said in capsys.readouterr().out

    assert main(["zoo", "status", "--zoo", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "state": "stock",
        "entry": str(zoo.entry),
        "advice": f"register ours with: i3d-rgb-tf zoo register --zoo {tmp_path}",
    }


def test_a_file_in_the_place_of_the_records_is_named(zoo):
    zoo.records.write_text("")

    with pytest.raises(ZooError, match=re.escape(f"File exists; check {zoo.records}")):
        register(zoo)
