"""The command line: arguments to exit status; an error becomes one line on standard error."""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from i3d_rgb_tf.commands import COMMANDS
from i3d_rgb_tf.commands.arguments import add_verbose
from i3d_rgb_tf.errors import I3DError
from i3d_rgb_tf.version import __version__

__all__ = ["build_parser", "main"]

_PROGRAM = "i3d-rgb-tf"
_INTERRUPTED = 130
"""128 and the number of SIGINT, as a shell reports it."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_EPILOG = """\
getting started:
  i3d-rgb-tf demo                       every step, on a sample video
  i3d-rgb-tf download                   DIR/public/i3d-rgb-tf/i3d-rgb.frozen.pb
  i3d-rgb-tf convert                    DIR/public/i3d-rgb-tf/{FP16,FP32}/i3d-rgb-tf.xml
  i3d-rgb-tf classify VIDEO             the actions in it
  i3d-rgb-tf COMMAND --help             more about one command

exit status: 0 done, 1 failed (one line says why and how to fix it), 2 wrong usage
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
        Exit status: 0 done, 1 failed, 130 interrupted. Wrong usage exits with 2 by itself.
    """
    _prepare_streams()
    try:
        arguments = build_parser().parse_args(argv)
        _log_to_stderr(verbose=arguments.verbose)
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except I3DError as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        print(f"{_PROGRAM}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except PermissionError as error:
        # pathlib raises this for a folder that may not be entered, even in exists() and is_file().
        return _failed(
            f"cannot reach {error.filename}: {error.strerror}; get the right to enter its folder, "
            "or choose another path"
        )
    except OSError as error:
        return _system_failed(error)
    return status


def _system_failed(error: OSError) -> int:
    """Return the exit status for a path or for standard output; raise any other error."""
    # The reader has gone (``| head``), which Windows reports as an invalid argument.
    gone = isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)
    if error.filename is not None:
        # A name that is too long, a loop of links: the path was given on the command line.
        return _failed(f"cannot use {error.filename}: {error.strerror}; check the path")
    if not (gone or error.errno in _FULL):
        raise error
    # Python would fail once more when it flushes the stream at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if gone else _failed(f"cannot write the results: {error.strerror}; free some space")


def _failed(why: str) -> int:
    print(f"{_PROGRAM}: error: {why}", file=sys.stderr)
    return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the program with one subparser per command."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="The I3D RGB action recognition model: download the published weights, verify "
        "them, convert them to OpenVINO, and name the actions in videos.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} {__version__}")
    add_verbose(parser, default=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        _add_command(commands, name)
    return parser


def _add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str) -> None:
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


def _prepare_streams() -> None:
    """Make standard output and error accept any text, also where they are closed or ASCII."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif stream.errors == "strict":
            # A file name may hold bytes that no encoding has.
            stream.reconfigure(errors="backslashreplace")


def _log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(format=f"{_PROGRAM}: %(message)s", stream=sys.stderr, force=True)
    logging.getLogger("i3d_rgb_tf").setLevel(logging.INFO if verbose else logging.WARNING)
