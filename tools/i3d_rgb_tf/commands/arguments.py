"""Arguments that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = [
    "add_allow_unknown",
    "add_calibration",
    "add_device",
    "add_directory",
    "add_format",
    "add_output_directory",
    "add_performance_hint",
    "add_zoo",
    "directory",
    "positive",
]


def directory(text: str) -> Path:
    """Take a path that is not a file."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a file, expected a folder")
    return path


def positive(text: str) -> int:
    """Take a number from 1 on."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def add_directory(parser: argparse._ActionsContainer) -> None:
    """Add ``-d``: the tree of the zoo that is read."""
    parser.add_argument(
        "-d",
        "--directory",
        type=directory,
        default=Path(),
        metavar="DIR",
        help="root of the model tree, the folder that holds public/i3d-rgb-tf (default: this one)",
    )


def add_output_directory(parser: argparse.ArgumentParser) -> None:
    """Add ``-o``: the tree of the zoo that is written."""
    parser.add_argument(
        "-o",
        "--output-directory",
        type=directory,
        default=Path(),
        metavar="DIR",
        help="root of the model tree; files go to DIR/public/i3d-rgb-tf (default: this folder)",
    )


def add_allow_unknown(parser: argparse.ArgumentParser) -> None:
    """Add ``--allow-unknown``."""
    parser.add_argument(
        "--allow-unknown",
        action="store_true",
        help="take weights that DeepMind did not publish too, and name them unknown",
    )


def add_calibration(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add ``--calibration`` and ``--accept``."""
    parser.add_argument(
        "--calibration",
        nargs="+",
        type=Path,
        required=required,
        metavar="VIDEO",
        help="videos that show actions, folders of them, .txt files that list them, or the "
        "manifest.json of prepare; ten or more different ones serve best",
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="write the INT8 model even if it does not keep the answers",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``-D`` and ``--inference-precision``."""
    parser.add_argument(
        "-D",
        "--device",
        default="CPU",
        help="what to infer on, as OpenVINO names it (default: %(default)s)",
    )
    parser.add_argument(
        "--inference-precision",
        choices=("f32", "bf16", "f16"),
        help="what the device calculates in (default: what it does fastest)",
    )


def add_performance_hint(parser: argparse.ArgumentParser) -> None:
    """Add ``--performance-hint``."""
    parser.add_argument(
        "--performance-hint",
        choices=("latency", "throughput"),
        default="latency",
        help="one clip at a time on all cores, or several at once, which takes more memory "
        "(default: %(default)s)",
    )


def add_zoo(parser: argparse.ArgumentParser) -> None:
    """Add ``--zoo``."""
    parser.add_argument(
        "--zoo",
        type=Path,
        metavar="DIR",
        help="a checkout of the zoo, or its folder of models (default: the zoo that is installed "
        "in this environment)",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add ``--format``."""
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="for people or for programs (default: %(default)s)",
    )
