"""What is printed: text that cannot control the terminal, JSON, and streams that may fail.

Names of files and labels, and what a model says of itself, are written by others. A terminal obeys
the control characters in them, so they are printed as escapes, as in a Python string. Inside
`standard_streams` this holds for everything that is printed; a line break is an escape too in what
`print_lines`, `print_error` and the log print, where each line is one argument or one message.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, cast

from i3d_rgb_tf.errors import StorageError, escape_controls

__all__ = [
    "PROGRAM",
    "SafeStream",
    "exact_stream",
    "exact_streams",
    "print_error",
    "print_json",
    "print_lines",
    "print_text",
    "standard_streams",
]

PROGRAM = "i3d-rgb-tf"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def print_lines(*lines: object, file: TextIO | None = None) -> None:
    """Print each argument as one line, by default on standard output."""
    for line in lines:
        print(escape_controls(str(line)), file=file)


def print_json(document: object) -> None:
    """Print a document as JSON, whose own escapes keep every name exact."""
    print(json.dumps(document, indent=2))


def print_text(text: str) -> None:
    """Print a text as it is, and at once: its format escapes control characters, or has tabs."""
    stream = exact_stream(sys.stdout)
    stream.write(text)
    # A reader at the other end of a pipe sees each result as it comes.
    stream.flush()


def print_error(message: object) -> None:
    """Print why something failed as one line on standard error."""
    print_lines(f"{PROGRAM}: error: {message}", file=sys.stderr)


class SafeStream:
    """A text stream that writes control characters, except the ends of lines, as escapes.

    Parameters
    ----------
    stream
        Where the text goes.
    required
        Whether a failed write is an error. If not, what cannot be written is dropped.
    exact
        Whether to write control characters as they are.
    """

    def __init__(self, stream: TextIO, *, required: bool, exact: bool = False) -> None:
        self._stream = stream
        self._required = required
        self._exact = exact
        self._error: OSError | None = None

    def write(self, text: str) -> int:
        """Write text.

        Raises
        ------
        StorageError
            It cannot be written.
        BrokenPipeError
            The reader has gone.
        """
        try:
            self._stream.write(text if self._exact else escape_controls(text, keep="\n"))
        except OSError as error:
            self._fail(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each text; it raises the errors of `write`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered; it raises the errors of `write`, also that of an earlier one."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)
        # argparse ignores the error of a write.
        if self._required and self._error:
            raise self._error

    def as_exact(self) -> SafeStream:
        """Return a stream to the same place that writes control characters as they are."""
        return SafeStream(self._stream, required=self._required, exact=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _fail(self, error: OSError) -> None:
        # Python would fail once more when it flushes the stream at exit.
        with suppress(OSError, ValueError):
            _redirect_to_nowhere(self._stream.fileno())
        self._error = self._error or _output_error(error)
        if self._required:
            raise self._error from error


def exact_stream(stream: TextIO) -> TextIO:
    """Return one of the `standard_streams` without escapes, for what moves the cursor."""
    return cast("TextIO", stream.as_exact()) if isinstance(stream, SafeStream) else stream


@contextmanager
def exact_streams() -> Iterator[None]:
    """Print exactly what the body prints."""
    with redirect_stdout(exact_stream(sys.stdout)), redirect_stderr(exact_stream(sys.stderr)):
        yield


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make standard output and error safe to print any text on, also where they are closed.

    Standard output raises an error that says what to do if it is full or closed. Standard error
    drops what it cannot write: the exit status still reports a failure.
    """
    before = sys.stdout, sys.stderr
    _reserve_descriptors()
    output, error = (_opened(stream, number) for number, stream in enumerate(before, 1))
    streams = SafeStream(output, required=True), SafeStream(error, required=False)
    sys.stdout, sys.stderr = cast("tuple[TextIO, TextIO]", streams)
    try:
        yield
    finally:
        for stream in streams:
            with suppress(OSError):
                stream.flush()
        # A stream that was closed stays closed: Python flushes the others at exit.
        sys.stdout, sys.stderr = before


def _reserve_descriptors() -> None:
    """Open those of the numbers 0, 1 and 2 that are closed, so that no file gets one of them.

    They are opened for reading, so that writing fails, as it does on a closed one.
    """
    while (number := os.open(os.devnull, os.O_RDONLY)) <= 2:  # noqa: PLR2004
        os.set_inheritable(number, True)
    os.close(number)


def _opened(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        return open(number, "w", encoding="utf-8", closefd=False)
    if stream.errors == "strict":
        # An encoding such as ASCII does not have every character.
        cast("Any", stream).reconfigure(errors="backslashreplace")
    return stream


def _redirect_to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _output_error(error: OSError) -> OSError:
    # Windows reports a reader that has gone as an invalid argument.
    if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL):
        return BrokenPipeError(errno.EPIPE, "the reader has gone")
    if error.errno == errno.EBADF:
        return StorageError("cannot write the results: standard output is closed; open it")
    remedy = "free some space" if error.errno in _FULL else "send standard output elsewhere"
    return StorageError(f"cannot write the results: {error.strerror or error}; {remedy}")
