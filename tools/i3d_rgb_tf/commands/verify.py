"""Verify that the files on disk are the published model and give the expected results."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """\
  i3d-rgb-tf verify -d models
  i3d-rgb-tf verify --sample kinetics-i3d/data/v_CricketShot_g04_c01_rgb.npy
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import (
        add_directory,
        add_format,
        add_threads,
        add_winograd,
    )

    add_directory(parser)
    parser.add_argument(
        "--sample",
        type=Path,
        metavar="CLIP",
        help="DeepMind's sample clip, v_CricketShot_g04_c01_rgb.npy or .gif",
    )
    add_winograd(parser)
    add_threads(parser)
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from dataclasses import asdict

    from i3d_rgb_tf.commands.terminal import print_json, print_lines
    from i3d_rgb_tf.verify import verify

    checks = verify(
        arguments.directory,
        sample=arguments.sample,
        winograd=arguments.winograd,
        num_threads=arguments.threads,
    )
    if arguments.format == "json":
        print_json([asdict(check) for check in checks])
    else:
        print_lines(*(f"{check.status:8}{check.name}: {check.detail}" for check in checks))
    statuses = {check.status for check in checks}
    return 0 if "passed" in statuses and "failed" not in statuses else 1
