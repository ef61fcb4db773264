"""Check a copy of Kinetics-400 and write what the accuracy is measured on.

Knows the archive of CVDF (val/ and annotations/val.csv), folders of classes, and a CSV or JSON
file of path and label. Continues where it was stopped. Writes OUTPUT/manifest.json, and
OUTPUT/problems.csv with what is missing, damaged, duplicate or mislabelled, and why.
"""

from __future__ import annotations

import argparse
import json
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
        "--annotations", type=Path, metavar="FILE.csv", help="CVDF's annotations, if elsewhere"
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
        "--workers", type=positive, metavar="N", help="processes (default: one per core)"
    )
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from tqdm import tqdm

    from i3d_rgb_tf.kinetics import read_dataset
    from i3d_rgb_tf.prepare import prepare

    listing = read_dataset(
        arguments.source, split=arguments.split, annotations=arguments.annotations
    )
    if arguments.frames:
        from i3d_rgb_tf.frames import estimate_bytes

        needed = estimate_bytes([video.path for video in listing.videos]) / 1e9
        print(f"{len(listing.videos)} videos, frames need about {needed:.1f} GB", file=sys.stderr)
    with tqdm(total=len(listing.videos), unit="video", disable=None) as progress:
        prepared = prepare(
            listing,
            arguments.output,
            frames=arguments.frames,
            workers=arguments.workers,
            on_progress=progress.update,
        )
    counts = {"videos": len(prepared.videos), "problems": len(prepared.problems)}
    if arguments.format == "json":
        files = {"manifest": str(prepared.manifest), "report": str(prepared.report)}
        print(json.dumps({**counts, **files}, indent=2))
    else:
        print(f"{counts['videos']} videos in {prepared.manifest}")
        print(f"{counts['problems']} problems in {prepared.report}")
    return 1 if prepared.problems else 0
