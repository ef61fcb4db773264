"""What ``batch check`` prints."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from i3d_rgb_tf.choices import USABLE_STATUSES, VIDEO_STATUSES, VideoStatus

if TYPE_CHECKING:
    from i3d_rgb_tf.batch.check import Health

__all__ = ["check"]


def check(arguments: argparse.Namespace) -> int:
    """Check the videos of a list, and print those that are not ok, or all as JSON."""
    from dataclasses import asdict

    from i3d_rgb_tf.batch.check import check_videos
    from i3d_rgb_tf.batch.listing import read_list
    from i3d_rgb_tf.commands.progress import with_progress
    from i3d_rgb_tf.commands.terminal import print_json, print_lines

    videos = read_list(arguments.list, arguments.column)
    counts: Counter[VideoStatus] = Counter()
    found: list[Health] = []
    for each in with_progress(check_videos(videos, quick=arguments.quick), len(videos)):
        counts[each.status] += 1
        if arguments.format == "json":
            found.append(each)
        elif each.message:
            print_lines(f"{each.status:10}  {each.message}")
    if arguments.format == "json":
        print_json([asdict(each) for each in found])
    else:
        listed = ", ".join(f"{counts[each]} {each}" for each in VIDEO_STATUSES if counts[each])
        print_lines(f"{len(videos)} {'video' if len(videos) == 1 else 'videos'}: {listed}")
    return 0 if counts.keys() <= set(USABLE_STATUSES) else 1
