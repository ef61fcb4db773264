"""The command line: arguments to exit status; an error becomes one line on standard error."""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import NoReturn

from i3d_rgb_tf.commands import COMMANDS
from i3d_rgb_tf.commands.arguments import add_verbose
from i3d_rgb_tf.commands.terminal import (
    PROGRAM,
    print_error,
    print_lines,
    standard_streams,
)
from i3d_rgb_tf.errors import MEMORY_REMEDY, I3DError, escape_controls, remedy_or_memory
from i3d_rgb_tf.signals import STOP_SIGNALS, handled
from i3d_rgb_tf.version import __version__

__all__ = ["build_parser", "main"]

_SIGNALLED = 128
"""A shell reports a process that a signal ended as this and the number of the signal."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_EPILOG = """\
getting started:
  i3d-rgb-tf demo                       every step, on a sample video
  i3d-rgb-tf download                   DIR/public/i3d-rgb-tf/i3d-rgb.frozen.pb
  i3d-rgb-tf convert                    DIR/public/i3d-rgb-tf/{FP16,FP32}/i3d-rgb-tf.xml
  i3d-rgb-tf classify VIDEO             the actions in it
  i3d-rgb-tf timeline VIDEO             when they happen
  i3d-rgb-tf features VIDEO -o DIR      its features, as NumPy files
  i3d-rgb-tf batch TASK --list FILE     the same for thousands of videos
  i3d-rgb-tf COMMAND --help             more about one command

exit status: 0 done, 1 failed (one line says why and how to fix it), 2 wrong usage;
130, 143, 129 ended by SIGINT, SIGTERM, SIGHUP, with temporary files removed
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv
        Arguments without the program's name, by default those of the process.

    Returns
    -------
    int
        Exit status: 0 done, 1 failed, 130 interrupted, 143 terminated, 129 hung up. Wrong usage
        exits with 2 by itself.
    """
    with standard_streams(), _captured_warnings():
        status = _status(argv)
    if argv is None and status >= _SIGNALLED:
        # OpenVINO, interrupted while it is imported, can leave a thread that Python would wait for.
        os._exit(status)
    return status


def _status(argv: Sequence[str] | None) -> int:
    try:
        with handled(STOP_SIGNALS, _stop, instead_of=lambda old: old is signal.SIG_DFL):
            return _run(argv)
    except (Exception, KeyboardInterrupt) as error:
        status = _failed(error)
        if status is None:
            raise
        return status


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit:
        # After --help, standard output has something to write.
        sys.stdout.flush()
        raise
    with _logged_to_stderr(verbose=arguments.verbose):
        status: int = arguments.run(arguments)
    sys.stdout.flush()
    return status


class _StoppedError(KeyboardInterrupt):
    """Another signal than SIGINT asks this process to end, raised where Ctrl-C would be."""

    def __init__(self, number: int) -> None:
        self.number = signal.Signals(number)


def _stop(number: int, _: FrameType | None) -> NoReturn:
    """End the process as Ctrl-C does, so that temporary files are removed."""
    # Ctrl-C reaches the processes of a pool as well; of other signals, they must be told.
    if "multiprocessing" in sys.modules:
        from multiprocessing import active_children, parent_process

        if parent_process():
            # A library has forked this one, such as OpenVINO's telemetry; it prints nothing.
            os._exit(_SIGNALLED + number)
        for child in active_children():
            child.terminate()
    raise _StoppedError(number)


def _failed(error: BaseException) -> int | None:
    """Print one line for what ended a command and return the exit status; None if it is a bug."""
    interrupt = _find_interrupt(error)
    if interrupt:
        number = interrupt.number if isinstance(interrupt, _StoppedError) else signal.SIGINT
        print_lines(f"{PROGRAM}: {STOP_SIGNALS[number.name]}", file=sys.stderr)
        return _SIGNALLED + number
    if isinstance(error, BrokenPipeError):
        # The reader has gone (``| head``): there is nothing to say.
        return 1
    reason = _reason(error)
    if not reason:
        return None
    print_error(reason)
    return 1


def _find_interrupt(error: BaseException | None) -> KeyboardInterrupt | None:
    """Return the interrupt that led to an error: a module in C++ raises ImportError instead."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _reason(error: BaseException) -> str:
    """Return what a line says about an error; nothing about a bug."""
    if isinstance(error, I3DError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory; {MEMORY_REMEDY}"
    if isinstance(error, ImportError) and not (error.name or "").startswith("i3d_rgb_tf"):
        remedy = remedy_or_memory(error, "install it again; pip check lists what is missing")
        return f"cannot load {error.name or 'a library'}: {error}; {remedy}"
    return _system_reason(error) if isinstance(error, OSError) else ""


def _system_reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        # pathlib raises this for a folder that may not be entered, even in exists() and is_file().
        return (
            f"cannot reach {error.filename}: {error.strerror}; get the right to enter its folder, "
            "or choose another path"
        )
    if error.filename is not None:
        # A name that is too long, a loop of links: the path was given on the command line.
        return f"cannot use {error.filename}: {error.strerror}; check the path"
    return f"cannot write a file: {error.strerror}; free some space" if error.errno in _FULL else ""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, whatever the arguments are."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with 2."""
        super().error(escape_controls(message))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the program with one subparser per command."""
    parser = _Parser(
        prog=PROGRAM,
        description="The I3D RGB action recognition model: download the published weights, verify "
        "them, convert them to OpenVINO, name the actions in videos, find when they "
        "happen, and write features.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    add_verbose(parser, default=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        _add_command(commands, name)
    return parser


def _add_command(commands: argparse._SubParsersAction[_Parser], name: str) -> None:
    module = importlib.import_module(f"i3d_rgb_tf.commands.{name}")
    description = (module.__doc__ or "").strip()
    parser = commands.add_parser(
        name,
        help=_lowered(description.splitlines()[0]),
        description=description,
        epilog=_examples(module),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    add_verbose(parser)
    parser.set_defaults(run=module.run)


def _examples(module: ModuleType) -> str:
    return f"examples:\n{module.EXAMPLES}"


def _lowered(sentence: str) -> str:
    """Fit a sentence into a list of options.

    >>> _lowered("Name the actions in videos.")
    'name the actions in videos'
    """
    return sentence[0].lower() + sentence[1:].rstrip(".")


class _LineFormatter(logging.Formatter):
    """Format each record as one line; a traceback follows it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line without a traceback."""
        return escape_controls(super().formatMessage(record))


@contextmanager
def _logged_to_stderr(*, verbose: bool) -> Iterator[None]:
    """Log to standard error only, while the body runs."""
    root, own = logging.getLogger(), logging.getLogger("i3d_rgb_tf")
    before, level = root.handlers, own.level
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LineFormatter(f"{PROGRAM}: %(message)s"))
    if not verbose:
        # What another library says, it says beside our own line about the same.
        handler.addFilter(logging.Filter("i3d_rgb_tf"))
    root.handlers = [handler]
    own.setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        yield
    finally:
        root.handlers = before
        own.setLevel(level)


@contextmanager
def _captured_warnings() -> Iterator[None]:
    """Send Python's warnings to the log."""
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
