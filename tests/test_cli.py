from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from i3d_rgb_tf import __version__, cli
from i3d_rgb_tf.commands import COMMANDS, info
from i3d_rgb_tf.errors import ModelError

HEAVY = {"av", "nncf", "numpy", "openvino", "pooch", "requests", "tensorflow", "tqdm", "yaml"}
PYTHON = (sys.executable, "-m", "i3d_rgb_tf")


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Put back what `main` sets for the whole process."""
    package, root = logging.getLogger("i3d_rgb_tf"), logging.getLogger()
    level, handlers = package.level, root.handlers[:]
    yield
    package.setLevel(level)
    root.handlers[:] = handlers


def fail_with(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        raise error

    return run


def test_help_names_every_command_with_the_first_line_of_its_module(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])

    text = " ".join(capsys.readouterr().out.split())
    positions = [text.index(f" {name} ") for name in COMMANDS]
    assert positions[0] > text.index("COMMAND")
    assert "show what is installed where, and what is in a model tree" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_teaches_by_example(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--help"])

    text = capsys.readouterr().out
    examples = text[text.index("examples:\n") :]
    assert f"i3d-rgb-tf {name}" in examples


def test_help_imports_nothing_heavy_and_is_instant() -> None:
    script = (
        "import sys; from i3d_rgb_tf import cli; cli.build_parser().format_help(); "
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    start_seconds = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    seconds = time.perf_counter() - start_seconds

    assert result.returncode == 0, result.stderr
    assert HEAVY.isdisjoint(result.stdout.split())
    # 0.1 s on an idle machine; a single heavy import alone takes longer than this.
    assert seconds < 1.0


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


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    result = subprocess.run([*PYTHON, "info"], stdout=writing, stderr=subprocess.PIPE, text=True)

    os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


def test_a_full_disk_behind_standard_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([*PYTHON, "info"], stdout=full, stderr=subprocess.PIPE, text=True)

    assert result.returncode == 1
    assert result.stderr == (
        "i3d-rgb-tf: error: cannot write the results: No space left on device; free some space\n"
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_error(closed: str) -> None:
    script = f'exec "$0" -m i3d_rgb_tf info {closed}'

    result = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, text=True)

    assert (result.returncode, result.stderr) == (0, "")
    assert ("i3d-rgb-tf" in result.stdout) == (closed == "2>&-")


def test_a_name_that_no_encoding_has_is_printed(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}

    result = subprocess.run([*PYTHON, "info", "-d", folder], capture_output=True, env=environment)

    assert (result.returncode, result.stderr) == (0, b"")
    assert rb"\udcff" in result.stdout


@pytest.mark.parametrize("arguments", [["-v", "info"], ["info", "-v"], ["info"]])
def test_verbose_says_what_is_being_done_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    def run(arguments: argparse.Namespace) -> int:
        logging.getLogger("i3d_rgb_tf.weights").info("getting the weights")
        return 0

    monkeypatch.setattr(info, "run", run)

    assert cli.main(arguments) == 0
    verbose = "-v" in arguments
    assert capsys.readouterr() == ("", "i3d-rgb-tf: getting the weights\n" if verbose else "")
