"""The command line: help, exit status, errors of one line, and streams."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from i3d_rgb_tf import __version__, cli
from i3d_rgb_tf.commands import COMMANDS, info
from i3d_rgb_tf.errors import MEMORY_REMEDY, ModelError
from processes import without_coverage

PYTHON = (sys.executable, "-m", "i3d_rgb_tf")
ZOO_ACTIONS = ("register", "unregister", "status", "run")


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Restore the logging settings, which `main` changes for the whole process."""
    package, root = logging.getLogger("i3d_rgb_tf"), logging.getLogger()
    level, handlers = package.level, root.handlers[:]
    yield
    package.setLevel(level)
    root.handlers[:] = handlers


def fail_with(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        raise error

    return run


def test_help_lists_every_command_with_its_description(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])

    text = " ".join(capsys.readouterr().out.split())
    positions = [text.index(f" {name} ") for name in COMMANDS]
    assert positions[0] > text.index("COMMAND")
    assert "show versions, paths, and the contents of a model tree" in text


@pytest.mark.parametrize("command", [*COMMANDS, *(f"zoo {name}" for name in ZOO_ACTIONS)])
def test_help_of_a_command_shows_examples(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([*command.split(), "--help"])

    text = capsys.readouterr().out
    examples = text[text.index("examples:\n") :]
    assert f"i3d-rgb-tf {command}" in examples


def test_help_imports_only_the_standard_library() -> None:
    """Help is instant; one heavy import would take longer than everything else."""
    script = (
        "import sys; before = set(sys.modules); "
        "from i3d_rgb_tf import cli; cli.build_parser().format_help(); "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) - sys.stdlib_module_names == {"i3d_rgb_tf"}


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])

    assert capsys.readouterr().out == f"i3d-rgb-tf {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["dance"], "invalid choice: 'dance'"),
        (["info", "--dance"], "unrecognized arguments: --dance"),
        (["info", "-d", __file__], "is a file, expected a folder"),
        (["zoo"], "the following arguments are required: ACTION"),
        (["zoo", "dance"], "invalid choice: 'dance'"),
        (["convert", "--precisions", "FP8"], "got precision 'FP8', expected FP16, FP32, FP16-INT8"),
        (["convert", "--precisions", "INT8"], "make INT8 with i3d-rgb-tf quantize"),
        (["convert", "--calibration", "videos"], "unrecognized arguments: --calibration"),
        (["info", "a\x1b[2J\nb"], "unrecognized arguments: a\\x1b[2J\\nb\n"),
        (["zoo", "status", "a\x1b[2J\nb"], "unrecognized arguments: a\\x1b[2J\\nb\n"),
    ],
)
def test_wrong_usage_exits_with_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)

    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            ModelError("no model a\n\x1b[2J; make one"),
            1,
            "i3d-rgb-tf: error: no model a\\n\\x1b[2J; make one\n",
        ),
        (ModelError("no model; make one"), 1, "i3d-rgb-tf: error: no model; make one\n"),
        (KeyboardInterrupt(), 130, "i3d-rgb-tf: interrupted\n"),
        (MemoryError(), 1, f"i3d-rgb-tf: error: out of memory; {MEMORY_REMEDY}\n"),
        (
            ImportError("libav.so: failed to map segment", name="av._core"),
            1,
            (
                "i3d-rgb-tf: error: cannot load av._core: libav.so: failed to map segment; install "
                "it again; pip check lists what is missing\n"
            ),
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "i3d-rgb-tf: error: cannot write a file: No space left on device; free some space\n",
        ),
    ],
)
def test_an_error_becomes_one_line_and_an_exit_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    line: str,
) -> None:
    monkeypatch.setattr(info, "run", fail_with(error))

    assert cli.main(["info"]) == status
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    ("interrupt", "status"), [(KeyboardInterrupt(), 130), (cli._StoppedError(15), 143)]
)
def test_an_interrupted_import_is_an_interrupt(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    interrupt: BaseException,
    status: int,
) -> None:
    """pybind11 raises an ImportError from it, "initialization failed"."""

    def run(arguments: argparse.Namespace) -> int:
        raise ImportError("initialization failed") from interrupt

    monkeypatch.setattr(info, "run", run)

    assert cli.main(["info"]) == status
    assert "error" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "bug",
    [
        ZeroDivisionError("a bug"),
        OSError(errno.EINVAL, "a bug"),
        ImportError("a bug", name="i3d_rgb_tf.classify"),
    ],
)
def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch, bug: Exception) -> None:
    monkeypatch.setattr(info, "run", fail_with(bug))

    with pytest.raises(type(bug), match="a bug"):
        cli.main(["info"])


def test_a_closed_pipe_is_not_reported_as_an_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    result = subprocess.run([*PYTHON, "info"], stdout=writing, stderr=subprocess.PIPE, text=True)

    os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


def test_a_file_name_that_cannot_be_encoded_is_printed(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}

    result = subprocess.run([*PYTHON, "info", "-d", folder], capture_output=True, env=environment)

    assert (result.returncode, result.stderr) == (0, b"")
    assert rb"\udcff" in result.stdout


@pytest.mark.parametrize("arguments", [["-v", "info"], ["info", "-v"], ["info"]])
def test_verbose_reports_each_step_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    def run(arguments: argparse.Namespace) -> int:
        logging.getLogger("i3d_rgb_tf.weights.sources").info("getting the weights")
        return 0

    monkeypatch.setattr(info, "run", run)

    assert cli.main(arguments) == 0
    verbose = "-v" in arguments
    assert capsys.readouterr() == ("", "i3d-rgb-tf: getting the weights\n" if verbose else "")


@pytest.mark.parametrize("arguments", [["-v", "info"], ["info"]])
def test_what_other_libraries_say_is_reported_only_if_verbose(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    def run(arguments: argparse.Namespace) -> int:
        logging.getLogger("libav.h264").error("no frame\x1b[2J\nat all")
        warnings.warn("old\x07 file", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(info, "run", run)
    before = warnings.showwarning

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown = warnings.showwarning
        assert cli.main(arguments) == 0
        assert warnings.showwarning is shown

    assert warnings.showwarning is before
    lines = capsys.readouterr().err.splitlines()
    if "-v" not in arguments:
        assert lines == []
        return
    assert lines[0] == r"i3d-rgb-tf: no frame\x1b[2J\nat all"
    assert r"UserWarning: old\x07 file\n" in lines[1]
    assert len(lines) == 2


def test_a_warning_is_one_line_without_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: argparse.Namespace) -> int:
        logging.getLogger("i3d_rgb_tf.video.decode").warning("%s is damaged", "a\x1b[2J\r\nb.mp4")
        return 0

    monkeypatch.setattr(info, "run", run)

    assert cli.main(["info"]) == 0
    assert capsys.readouterr().err == "i3d-rgb-tf: a\\x1b[2J\\r\\nb.mp4 is damaged\n"


WAITING = """
import signal, sys, tempfile, time
from pathlib import Path
from i3d_rgb_tf import cli
from i3d_rgb_tf.commands import info

def run(arguments):
    with tempfile.TemporaryDirectory(dir={folder!r}):
        print("waiting", file=sys.stderr, flush=True)
        {wait}

# A shell that runs the tests in the background makes them ignore SIGINT, and nohup SIGHUP.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
info.run = run
sys.exit(cli.main(["info"]))
"""
IN_A_LOCK = "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()"
IN_A_THREAD = """\
from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(1) as pool: pool.submit(time.sleep, 4).result()"""
SIGNALS = [
    (signal.SIGINT, 130, "i3d-rgb-tf: interrupted\n"),
    (signal.SIGTERM, 143, "i3d-rgb-tf: terminated\n"),
    (signal.SIGHUP, 129, "i3d-rgb-tf: hung up\n"),
]


def stop(process: subprocess.Popen[str], sent: signal.Signals) -> str:
    """Send a signal, and return standard error, which ends with the last process that has it."""
    process.send_signal(sent)
    try:
        return process.communicate(timeout=20)[1]
    finally:
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("wait", ["time.sleep(60)", IN_A_LOCK, IN_A_THREAD])
@pytest.mark.parametrize(("sent", "status", "line"), SIGNALS)
def test_a_signal_removes_temporary_files_and_is_one_line(
    tmp_path: Path, sent: signal.Signals, status: int, line: str, wait: str
) -> None:
    script = WAITING.format(folder=str(tmp_path), wait=wait)
    with subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, env=without_coverage()
    ) as process:
        assert process.stderr
        assert process.stderr.readline() == "waiting\n"
        assert list(tmp_path.iterdir())
        error = stop(process, sent)

    assert (process.returncode, error) == (status, line)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_process_does_not_wait_for_threads_that_never_end() -> None:
    """An interrupted import of OpenVINO can leave one."""
    script = (
        "import threading; from i3d_rgb_tf import cli; from i3d_rgb_tf.commands import info\n"
        "def run(arguments):\n"
        "    print('done so far')\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    raise KeyboardInterrupt\n"
        "info.run = run\n"
        "cli.main()\n"
    )
    command = [sys.executable, "-c", script, "info"]

    environment = without_coverage()
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)

    assert (result.returncode, result.stdout) == (130, "done so far\n")
    assert result.stderr == "i3d-rgb-tf: interrupted\n"


POOL = """
import signal, sys, tempfile, time
from i3d_rgb_tf import cli, measure
from i3d_rgb_tf.commands import info

def work():
    print("working", file=sys.stderr, flush=True)
    time.sleep(60)

def run(arguments):
    with tempfile.TemporaryDirectory(dir=sys.argv[1]):
        measure._in_new_process(work)

if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    info.run = run
    sys.exit(cli.main(["info"]))
"""


@pytest.mark.parametrize(("sent", "status", "line"), SIGNALS[1:])
def test_a_signal_ends_the_processes_of_a_pool(
    tmp_path: Path, sent: signal.Signals, status: int, line: str
) -> None:
    """It is sent to one process, unlike Ctrl-C, and the pool would wait for the others."""
    script, folder = tmp_path / "pool.py", tmp_path / "temporary"
    script.write_text(POOL)
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, script, folder],
        stderr=subprocess.PIPE,
        text=True,
        env=without_coverage(),
    ) as process:
        assert process.stderr
        assert process.stderr.readline() == "working\n"
        error = stop(process, sent)

    assert (process.returncode, error) == (status, line)
    assert list(folder.iterdir()) == []


def test_an_ignored_signal_stays_ignored_and_handlers_are_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As nohup wants it, and a program that calls `main` and handles signals itself."""

    def own(number: int, frame: object) -> None: ...

    during = []

    def run(arguments: argparse.Namespace) -> int:
        during.extend(map(signal.getsignal, (signal.SIGHUP, signal.SIGTERM)))
        return 0

    monkeypatch.setattr(info, "run", run)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGTERM, own)
    try:
        assert cli.main(["info"]) == 0
        assert during == [signal.SIG_IGN, own]
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert cli.main(["info"]) == 0
        assert during[3] not in (own, signal.SIG_DFL)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_a_command_runs_in_another_thread_and_without_sighup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the main thread can set handlers, and Windows has no SIGHUP."""
    monkeypatch.delattr(signal, "SIGHUP")

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(cli.main, ["info", "--entry"]).result() == 0
    assert cli.main(["info", "--entry"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    "arguments", [["classify", "a" * 300], ["convert", "-d", "a" * 300], ["info", "-d", "a" * 300]]
)
def test_a_name_that_is_too_long_is_one_line(arguments, capsys):
    assert cli.main(arguments) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("i3d-rgb-tf: error: ")
    assert "too long" in line
