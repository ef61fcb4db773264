"""What is printed cannot control the terminal, and a stream that is full or closed is told."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from i3d_rgb_tf import cli
from i3d_rgb_tf.commands import COMMANDS
from i3d_rgb_tf.commands.terminal import (
    SafeStream,
    exact_stream,
    exact_streams,
    print_error,
    print_json,
    print_lines,
    standard_streams,
)
from i3d_rgb_tf.errors import escape_controls
from processes import without_coverage

PACKAGE = Path(cli.__file__).parent
PRINTABLE = "a B-é 动作 ёж עברית 👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ~\\ \ufeff\u00a0\u3000"
ESCAPES = [
    ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    ("\x1b[2J", r"\x1b[2J"),
    ("\n\r\t\b\0\x7f", r"\n\r\t\x08\x00\x7f"),
    ("\x85\x9b31m\x9d", r"\x85\x9b31m\x9d"),
    ("\u2028\u2029", r"\u2028\u2029"),
    ("\u202agpj.\u202e4pm\u2066\u2069\u200f\u061c", r"\u202agpj.\u202e4pm\u2066\u2069\u200f\u061c"),
    ("\udcff\udc9b", r"\udcff\udc9b"),
]


@pytest.mark.parametrize(("text", "escaped"), [*ESCAPES, (PRINTABLE, PRINTABLE)])
def test_control_characters_are_escaped_and_the_rest_stays(text, escaped):
    assert escape_controls(text) == escaped
    assert escape_controls(escaped) == escaped


def test_exactly_the_controls_of_unicode_are_escaped():
    """Those that change the direction are named by their classes, except for three marks."""
    directional = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    marks = {"\u061c", "\u200e", "\u200f"}

    for character in map(chr, range(sys.maxunicode + 1)):
        expected = (
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
            or unicodedata.bidirectional(character) in directional
            or character in marks
        )
        assert (escape_controls(character) != character) is expected, hex(ord(character))


def test_each_argument_is_one_line(capsys):
    print_lines("a\nb", Path("c\rd"), 3)
    print_error("no\x1b[31m model\n; make one")

    assert capsys.readouterr() == (
        "a\\nb\nc\\rd\n3\n",
        "i3d-rgb-tf: error: no\\x1b[31m model\\n; make one\n",
    )


def test_no_line_is_nothing(capsys):
    print_lines()

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", [text for text, _ in ESCAPES] + [PRINTABLE])
def test_json_is_exact_and_ascii(text, capsys):
    with standard_streams():
        print_json({text: [text]})

    printed = capsys.readouterr().out
    assert printed.isascii()
    assert printed.replace("\n", "").isprintable()
    assert json.loads(printed) == {text: [text]}


def test_whatever_is_printed_is_safe_by_default(capsys):
    """A plain print, of a new command or another library, cannot reach the terminal raw."""
    before = sys.stdout, sys.stderr
    with standard_streams():
        print("\x1b[2J\rdone")
        sys.stdout.writelines(["\x9b", "é\n"])
        print("\x07", file=sys.stderr)

    assert capsys.readouterr() == ("\\x1b[2J\\rdone\n\\x9bé\n", "\\x07\n")
    assert (sys.stdout, sys.stderr) == before


def test_what_draws_prints_exactly(capsys):
    with standard_streams():
        with exact_streams():
            print("\x1b[1mtool\x1b[0m")
        print("\x1b", file=exact_stream(sys.stderr))
        print("\x1b", file=sys.stderr)

    assert capsys.readouterr() == ("\x1b[1mtool\x1b[0m\n", "\x1b\n\\x1b\n")


def test_only_one_module_prints():
    """`print_lines` escapes line breaks as well, which a plain print cannot."""
    modules = [PACKAGE / "cli.py", *sorted((PACKAGE / "commands").glob("*.py"))]
    users = {
        module.stem
        for module in modules
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "print"
    }

    assert users == {"terminal"}


class Broken(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error


def test_what_is_not_required_is_dropped():
    stream = SafeStream(Broken(OSError(28, "No space left on device")), required=False)

    assert stream.write("text") == 4
    stream.flush()


def test_an_error_is_not_forgotten_when_somebody_ignores_it():
    """argparse does."""
    stream = SafeStream(Broken(OSError(28, "No space left on device")), required=True)
    with pytest.raises(OSError, match="cannot write the results: No space left on device; free"):
        stream.write("help")
    stream._stream = io.StringIO()

    with pytest.raises(OSError, match="cannot write the results"):
        stream.flush()


@pytest.mark.parametrize(
    ("system", "expected"), [("nt", "the reader has gone"), ("posix", "cannot write the results")]
)
def test_windows_reports_a_reader_that_has_gone_as_an_invalid_argument(
    system, expected, monkeypatch
):
    stream = SafeStream(Broken(OSError(22, "Invalid argument")), required=True)
    monkeypatch.setattr(os, "name", system)

    with pytest.raises(OSError, match=expected) as caught:
        stream.write("text")
    monkeypatch.undo()
    assert isinstance(caught.value, BrokenPipeError) == (system == "nt")


FULL = "i3d-rgb-tf: error: cannot write the results: No space left on device; free some space\n"
CLOSED = "i3d-rgb-tf: error: cannot write the results: standard output is closed; open it\n"
PRINTS = [
    ["--help"],
    ["--version"],
    *([command, "--help"] for command in COMMANDS),
    ["zoo", "run", "--help"],
    ["info"],
    ["info", "--format", "json"],
    ["info", "--mo"],
    ["verify", "-d", "nothing"],
    ["verify", "-d", "nothing", "--format", "json"],
]
"""Whatever needs no model to print something."""


def run(shell: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run the program in a shell, where `shell` redirects its streams."""
    command = ["sh", "-c", f'exec "$0" -m i3d_rgb_tf "$@" {shell}', sys.executable, *arguments]
    environment = {**without_coverage(), **variables}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    return result.returncode, result.stdout, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("shell", "line"), [("> /dev/full", FULL), (">&-", CLOSED)])
@pytest.mark.parametrize("arguments", PRINTS, ids=" ".join)
def test_standard_output_that_is_full_or_closed_fails_with_one_line(arguments, shell, line):
    assert run(shell, *arguments) == (1, "", line)


def test_unbuffered_standard_output_that_is_full_fails_with_one_line():
    """argparse ignores the error of its write, and nothing is left to flush."""
    assert run("> /dev/full", "--help", PYTHONUNBUFFERED="1") == (1, "", FULL)


@pytest.mark.parametrize("broken", ["2> /dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("arguments", "status"), [(["info"], 0), (["info", "-d", "a" * 300], 1), (["dance"], 2)]
)
def test_standard_error_that_is_full_or_closed_keeps_the_exit_status(arguments, status, broken):
    found, output, error = run(broken, *arguments)

    assert (found, error) == (status, "")
    assert ("i3d-rgb-tf" in output) == (status == 0)


@pytest.mark.parametrize("shell", [">&- 2>&- <&-", "> /dev/full 2> /dev/full"])
def test_without_any_stream_the_exit_status_still_tells(shell):
    assert run(shell, "info") == (1, "", "")


def test_no_file_gets_the_number_of_a_closed_stream():
    """Otherwise what a library prints on standard output or error would be written into it."""
    script = (
        "import os; from i3d_rgb_tf.commands.terminal import standard_streams\n"
        "with standard_streams(): number = os.open(os.devnull, os.O_RDONLY)\n"
        "os._exit(number)"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, script]

    assert subprocess.run(command, env=without_coverage()).returncode == 3
