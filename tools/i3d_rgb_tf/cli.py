"""The command line: arguments in, exit status out; errors become one line on standard error."""

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

from i3d_rgb_tf import __version__
from i3d_rgb_tf.commands import COMMANDS
from i3d_rgb_tf.errors import I3DError

__all__ = ["build_parser", "main"]

_PROGRAM = "i3d-rgb-tf"
_INTERRUPTED = 130
"""128 and the number of SIGINT, as a shell reports it."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_EPILOG = """\
the way through:
  i3d-rgb-tf demo                       all of it on a sample video
  i3d-rgb-tf download                   DIR/public/i3d-rgb-tf/i3d-rgb.frozen.pb
  i3d-rgb-tf convert                    DIR/public/i3d-rgb-tf/{FP16,FP32}/i3d-rgb-tf.xml
  i3d-rgb-tf classify VIDEO             what happens in it
  i3d-rgb-tf COMMAND --help             more about one of them

exit status: 0 done, 1 failed (one line says why and how to mend it), 2 wrong usage
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
    _mend_streams()
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
    except BrokenPipeError:
        # The reader has gone (``| head``); Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except PermissionError as error:
        # pathlib raises this where a folder above is closed, even of exists() and is_file().
        return _failed(
            f"cannot reach {error.filename}: {error.strerror}; get the right to enter its folder, "
            "or choose another path"
        )
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _failed(f"cannot write the results: {error.strerror}; free some space")
    return status


def _failed(why: str) -> int:
    print(f"{_PROGRAM}: error: {why}", file=sys.stderr)
    return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the program with one subparser per command."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="The I3D RGB action recognition model: get the published weights, prove them, "
        "convert them to OpenVINO, and name the actions in videos.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} {__version__}")
    _add_verbose(parser, default=False)
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
    # Not to be overwritten by its own absence when it stands before the command.
    _add_verbose(parser, default=argparse.SUPPRESS)
    parser.set_defaults(run=module.run)


def _add_verbose(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "-v", "--verbose", action="store_true", default=default, help="say what is being done"
    )


def _examples(module: ModuleType) -> str:
    return f"examples:\n{module.EXAMPLES}"


def _lowered(sentence: str) -> str:
    """Fit a sentence into a list of options.

    >>> _lowered("Name the actions in videos.")
    'name the actions in videos'
    """
    return sentence[0].lower() + sentence[1:].rstrip(".")


def _mend_streams() -> None:
    """Make standard output and error take everything, also where they are closed or ASCII."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif stream.errors == "strict":
            # A file's name may be of bytes that no encoding has.
            stream.reconfigure(errors="backslashreplace")


def _log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(format=f"{_PROGRAM}: %(message)s", stream=sys.stderr, force=True)
    logging.getLogger("i3d_rgb_tf").setLevel(logging.INFO if verbose else logging.WARNING)
