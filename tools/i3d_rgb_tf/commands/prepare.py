"""Check a copy of Kinetics-400 and prepare it for evaluation.

Reads the archive of CVDF (val/ and annotations/val.csv), folders of classes, and a CSV or JSON
file of path and label. Decodes every video once; an interrupted run resumes. Writes
OUTPUT/manifest.json, and OUTPUT/problems.csv with each file that is missing, damaged, duplicate or
mislabelled, and the reason.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """\
  i3d-rgb-tf prepare kinetics400 -o prepared
  i3d-rgb-tf prepare kinetics400/val --frames -o prepared
  i3d-rgb-tf prepare videos.csv --format json -o prepared
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_format, directory, positive

    parser.add_argument(
        "source", type=Path, help="a folder of the data set, or a CSV or JSON file of path,label"
    )
    parser.add_argument(
        "-o", "--output", type=directory, required=True, metavar="DIR", help="folder to write to"
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE.csv",
        help="the annotations of CVDF (default: SOURCE/annotations/SPLIT.csv)",
    )
    parser.add_argument(
        "--split", default="val", help="the part of the data set (default: %(default)s)"
    )
    parser.add_argument(
        "--frames",
        action="store_true",
        help="also write DIR/kinetics, the JPEG frames and annotations that accuracy_check reads",
    )
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="number of processes (default: one per core)"
    )
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.commands.progress import progress_bar
    from i3d_rgb_tf.commands.terminal import print_json, print_lines
    from i3d_rgb_tf.kinetics.annotations import read_dataset
    from i3d_rgb_tf.kinetics.prepare import prepare

    listing = read_dataset(
        arguments.source, split=arguments.split, annotations=arguments.annotations
    )
    if arguments.frames:
        from i3d_rgb_tf.kinetics.jpeg_frames import estimate_bytes

        needed = estimate_bytes([video.path for video in listing.videos]) / 1e9
        count = len(listing.videos)
        print_lines(f"{count} videos, frames need about {needed:.1f} GB", file=sys.stderr)
    with progress_bar("video") as show:
        prepared = prepare(
            listing,
            arguments.output,
            frames=arguments.frames,
            workers=arguments.workers,
            on_progress=show,
        )
    counts = {"videos": len(prepared.videos), "problems": len(prepared.problems)}
    if arguments.format == "json":
        files = {
            "manifest_path": str(prepared.manifest_path),
            "problems_path": str(prepared.problems_path),
        }
        print_json({**counts, **files})
    else:
        print_lines(
            f"videos: {counts['videos']} in {prepared.manifest_path}",
            f"problems: {counts['problems']} in {prepared.problems_path}",
        )
    return 1 if prepared.problems else 0
