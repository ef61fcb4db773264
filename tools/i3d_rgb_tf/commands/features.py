"""Write the features of videos as NumPy files.

There are two kinds. Their numbers differ, so do not mix them. --dense, the default, is one pass
over the whole video, with a row every 8 frames; each depends on 107 frames around it (4.3 s at 25
per second). --window N infers N frames at a time, and a row depends on these alone, as in most
published feature files; with --stride M, a window begins every M frames. --preset NAME has the
settings of published features; other options override it.

For each video: STEM_rgb.npy, float32 (rows, 1024) or (rows, crops, 1024); STEM_fps.npy, the frame
rate; STEM_timestamps_ms.npy, the end of each window as in video_features, or the centre if dense;
and STEM.json, last, with the seconds of each row and all that the features depend on. Features that
are complete and were made in the same way are kept; any made in another way stop the run before it
begins.
"""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from i3d_rgb_tf.choices import CROP_COUNTS, LAST_WINDOWS, POOLINGS, PRESET_NAMES

if TYPE_CHECKING:
    from i3d_rgb_tf.features.files import WrittenFeatures
    from i3d_rgb_tf.features.settings import FeatureSettings

EXAMPLES = """\
  i3d-rgb-tf features cricket.mp4 --output-dir features
  i3d-rgb-tf features -d models videos/ --window 16 --stride 4 --fps native --output-dir features
  i3d-rgb-tf features -d models videos/ --preset activitynet --output-dir features
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import (
        add_device,
        add_format,
        add_model,
        add_videos,
        directory,
    )

    add_videos(parser)
    add_model(parser)
    parser.add_argument(
        "-o",
        "--output-dir",
        type=directory,
        required=True,
        metavar="DIR",
        help="folder to write to",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace features that were made in another way",
    )
    add_settings(parser)
    add_device(parser)
    add_format(parser)
    parser.set_defaults(fail=parser.error)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add what decides the features; what is not given is absent, so that a preset can set it."""
    from i3d_rgb_tf.commands.arguments import positive

    group = parser.add_argument_group("features", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--preset",
        choices=PRESET_NAMES,
        default=None,
        help="settings of published features; docs/features.md names their sources",
    )
    kind = group.add_mutually_exclusive_group()
    kind.add_argument(
        "--dense",
        action="store_true",
        help="one pass over the whole video, a feature every 8 frames (default)",
    )
    kind.add_argument(
        "--window", type=positive, metavar="N", help="N frames at a time, 9 to 384, each alone"
    )
    group.add_argument(
        "--stride",
        type=positive,
        metavar="M",
        help="frames from the start of one window to the next (default: N, or that of the preset)",
    )
    group.add_argument(
        "--fps",
        dest="frames_per_second",
        type=_rate,
        metavar="RATE",
        help="frames per second, such as 25 or 30000/1001, or native: each frame of the file once "
        "(default: 25, as in training)",
    )
    group.add_argument(
        "--last-window",
        choices=LAST_WINDOWS,
        help="frames at the end that do not fill a window: drop: left out; pad: filled with copies "
        "of the last frame; repeat: filled with these frames again (default: drop); a video "
        "shorter than a window is always kept",
    )
    group.add_argument(
        "--segments",
        type=positive,
        metavar="N",
        help="average the rows into N equal parts of the video; anomaly detection uses 32",
    )
    group.add_argument(
        "--crops",
        type=int,
        choices=CROP_COUNTS,
        help="squares of each frame: 1: the centre; 3: along the longer side; 5: corners and "
        "centre; 10: these and mirrored (default: 1)",
    )
    group.add_argument(
        "--pooling", choices=POOLINGS, help="mean: one row for the whole video (default: none)"
    )
    group.add_argument(
        "--logits", action="store_true", help="also STEM_logits.npy, of the 400 actions"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.commands.models import open_model
    from i3d_rgb_tf.commands.progress import with_progress
    from i3d_rgb_tf.commands.terminal import print_error, print_json, print_lines
    from i3d_rgb_tf.commands.videos import find_each
    from i3d_rgb_tf.errors import VideoError
    from i3d_rgb_tf.features.resume import extract_to_folder
    from i3d_rgb_tf.video.files import check_file_names

    settings = read_settings(arguments)
    videos, errors = find_each(arguments.videos)
    if not videos:
        return 1
    # A file may be named itself and be in a folder.
    videos = list(dict.fromkeys(videos))
    check_file_names(videos, ["_rgb.npy"])
    model = open_model(arguments)
    written: list[WrittenFeatures] = []
    results = extract_to_folder(
        model.networks, videos, arguments.output_dir, settings, overwrite=arguments.overwrite
    )
    for result in with_progress(results, len(videos)):
        if isinstance(result, VideoError):
            print_error(result)
            continue
        written.append(result)
        if arguments.format == "text":
            print_lines(text_line(result))
            # A reader at the other end of a pipe sees each result at once.
            sys.stdout.flush()
    if arguments.format == "json":
        print_json([_document(result) for result in written])
    return 0 if len(written) == len(videos) and not errors else 1


def read_settings(arguments: argparse.Namespace) -> FeatureSettings:
    """Return the settings of the preset, overridden by those that are given."""
    from dataclasses import fields, replace

    from i3d_rgb_tf.features.presets import PRESETS
    from i3d_rgb_tf.features.settings import FeatureSettings

    given = {
        each.name: getattr(arguments, each.name)
        for each in fields(FeatureSettings)
        if hasattr(arguments, each.name)
    }
    preset = PRESETS[arguments.preset].settings if arguments.preset else FeatureSettings()
    if hasattr(arguments, "dense"):
        given = {"window": None, "stride": None, "last_window": None, **given}
    elif "window" in given:
        # The stride of the dense pass is none for windows.
        given = {"stride": None if preset.is_dense else preset.stride, **given}
    try:
        return replace(preset, **given)
    except ValueError as error:
        arguments.fail(str(error))
        raise


def text_line(result: WrittenFeatures) -> str:
    """Return what was written for a video, for people."""
    shape = " x ".join(map(str, result.shape))
    notes = [] if result.is_new else ["was there already"]
    notes += ["repeated, because it is short"] if result.is_repeated else []
    noted = f" ({'; '.join(notes)})" if notes else ""
    return f"{result.video}: {shape}, {result.duration_seconds:.1f} s, {result.path}{noted}"


def _document(result: WrittenFeatures) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(result), "path": str(result.path)}


def _rate(text: str) -> float | None:
    if text == "native":
        return None
    try:
        rate = float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        rate = 0.0
    if rate <= 0:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected a number such as 25 or 30000/1001, or native"
        )
    return rate
