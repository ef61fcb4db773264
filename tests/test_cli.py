"""The command line: help, exit status, errors of one line, and streams."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from i3d_rgb_tf import __version__, cli
from i3d_rgb_tf.commands import COMMANDS, info
from i3d_rgb_tf.errors import ModelError

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
        (ModelError("no model a\nb; make one"), 1, "i3d-rgb-tf: error: no model a b; make one\n"),
        (ModelError("no model; make one"), 1, "i3d-rgb-tf: error: no model; make one\n"),
        (KeyboardInterrupt(), 130, "i3d-rgb-tf: interrupted\n"),
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


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "run", fail_with(ZeroDivisionError("a bug")))

    with pytest.raises(ZeroDivisionError, match="a bug"):
        cli.main(["info"])


def test_a_closed_pipe_is_not_reported_as_an_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    result = subprocess.run([*PYTHON, "info"], stdout=writing, stderr=subprocess.PIPE, text=True)

    os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


def test_a_full_disk_behind_standard_output_is_reported_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([*PYTHON, "info"], stdout=full, stderr=subprocess.PIPE, text=True)

    assert result.returncode == 1
    assert result.stderr == (
        "i3d-rgb-tf: error: cannot write the results: No space left on device; free some space\n"
    )


@pytest.mark.parametrize(("system", "status"), [("nt", 1), ("posix", "OSError")])
def test_a_closed_pipe_on_windows_is_not_reported_as_an_error(
    system: str, status: int | str
) -> None:
    """Windows reports it as an invalid argument, which would be a bug elsewhere."""
    script = (
        "import errno, os, sys; from i3d_rgb_tf import cli; from i3d_rgb_tf.commands import info\n"
        "def run(arguments):\n"
        f"    os.name = {system!r}\n"
        "    raise OSError(errno.EINVAL, 'Invalid argument')\n"
        "info.run = run\n"
        "try: status = cli.main(['info'])\n"
        "except OSError: status = 'OSError'\n"
        "print(status, file=sys.stderr)\n"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert result.stderr == f"{status}\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_not_an_error(closed: str) -> None:
    script = f'exec "$0" -m i3d_rgb_tf info {closed}'

    result = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, text=True)

    assert (result.returncode, result.stderr) == (0, "")
    assert ("i3d-rgb-tf" in result.stdout) == (closed == "2>&-")


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


@pytest.mark.parametrize(
    "arguments", [["classify", "a" * 300], ["convert", "-d", "a" * 300], ["info", "-d", "a" * 300]]
)
def test_a_name_that_is_too_long_is_one_line(arguments, capsys):
    assert cli.main(arguments) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("i3d-rgb-tf: error: ")
    assert "too long" in line
