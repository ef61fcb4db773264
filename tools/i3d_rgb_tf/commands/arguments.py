"""Arguments that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from i3d_rgb_tf.choices import INFERENCE_PRECISIONS, PERFORMANCE_HINTS, InferencePrecision

__all__ = [
    "add_allow_unknown",
    "add_calibration",
    "add_device",
    "add_directory",
    "add_format",
    "add_model",
    "add_output_directory",
    "add_performance_hint",
    "add_threads",
    "add_trees",
    "add_verbose",
    "add_videos",
    "add_winograd",
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
    """Take a whole number, at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number, at least 1")
    return int(text)


def add_directory(parser: argparse._ActionsContainer) -> None:
    """Add ``-d``: the model tree that is read."""
    parser.add_argument(
        "-d",
        "--directory",
        type=directory,
        default=Path(),
        metavar="DIR",
        help="root of the model tree, the folder that holds public/i3d-rgb-tf (default: the "
        "current folder)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add ``-d`` and ``-m``: a model tree, or one IR."""
    where = parser.add_mutually_exclusive_group()
    add_directory(where)
    where.add_argument(
        "-m", "--model", type=Path, metavar="MODEL.xml", help="IR to use instead of one in the tree"
    )


def add_videos(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the videos and folders of videos that are read."""
    parser.add_argument(
        "videos",
        nargs="+" if required else "*",
        type=Path,
        metavar="VIDEO",
        help="video files, animated GIFs, or folders of them",
    )


def add_output_directory(parser: argparse.ArgumentParser) -> None:
    """Add ``-o``: the model tree that is written."""
    parser.add_argument(
        "-o",
        "--output-directory",
        type=directory,
        default=Path(),
        metavar="DIR",
        help="root of the model tree; files go to DIR/public/i3d-rgb-tf (default: the current "
        "folder)",
    )


def add_trees(parser: argparse.ArgumentParser) -> None:
    """Add ``-d`` and ``-o``: the model tree that is read, and the one that is written."""
    add_directory(parser)
    parser.add_argument(
        "-o",
        "--output-directory",
        type=directory,
        metavar="DIR",
        help="root of the model tree that the IR is written to (default: that of -d)",
    )


def add_allow_unknown(parser: argparse.ArgumentParser) -> None:
    """Add ``--allow-unknown``."""
    parser.add_argument(
        "--allow-unknown",
        action="store_true",
        help="also accept weights that DeepMind did not publish; they are named unknown",
    )


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """Add ``--calibration`` and ``--accept``."""
    parser.add_argument(
        "--calibration",
        nargs="+",
        type=Path,
        required=True,
        metavar="VIDEO",
        help="videos that show actions, folders of them, .txt files that list them, or the "
        "manifest.json of prepare; ten or more different ones are best",
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="write the INT8 model even if it does not keep the predictions",
    )


def add_device(
    parser: argparse.ArgumentParser, *, inference_precision: InferencePrecision | None = None
) -> None:
    """Add ``-D``, ``--inference-precision`` with a default, ``--no-winograd`` and ``--threads``."""
    parser.add_argument(
        "-D",
        "--device",
        default="CPU",
        help="inference device, as OpenVINO names it (default: %(default)s)",
    )
    default = "%(default)s" if inference_precision else "the fastest of the device"
    parser.add_argument(
        "--inference-precision",
        choices=INFERENCE_PRECISIONS,
        default=inference_precision,
        help=f"precision the device runs in (default: {default})",
    )
    add_winograd(parser)
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add ``--threads``."""
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads that infer on the CPU, and the most that decode a video (default: all usable "
        "cores)",
    )


def add_winograd(parser: argparse.ArgumentParser) -> None:
    """Add ``--no-winograd``."""
    parser.add_argument(
        "--no-winograd",
        dest="winograd",
        action="store_false",
        help="compute convolutions directly; by default they take fewer multiplications in f32 on "
        "x86-64 processors",
    )


def add_performance_hint(parser: argparse.ArgumentParser) -> None:
    """Add ``--performance-hint``."""
    hints = [hint.lower() for hint in PERFORMANCE_HINTS]
    parser.add_argument(
        "--performance-hint",
        choices=hints,
        default=hints[0],
        help="one clip at a time on all cores, or several at once, which takes more memory; the "
        "parts of a longer video are always inferred in turn (default: %(default)s)",
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


def add_verbose(parser: argparse.ArgumentParser, *, default: object = argparse.SUPPRESS) -> None:
    """Add ``-v``; with the default given here, its absence does not undo an earlier one."""
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        default=default,
        help="report each step, and what other libraries say",
    )
