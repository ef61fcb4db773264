"""Follow a live stream, and print a line of JSON for each thing that happens.

`i3d_rgb_tf.timeline.follow.LiveEvent` names the events, and what else their lines have.
"""

from __future__ import annotations

import argparse
import json
import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i3d_rgb_tf.timeline.settings import SegmentSettings

__all__ = ["run_live"]


def run_live(arguments: argparse.Namespace, settings: SegmentSettings) -> int:
    """Follow the source ``arguments.live``, and return the exit status."""
    from i3d_rgb_tf.commands.models import open_model
    from i3d_rgb_tf.commands.terminal import print_text
    from i3d_rgb_tf.ir.forms import chunk_form
    from i3d_rgb_tf.signals import stop_signals_later
    from i3d_rgb_tf.spec import load_spec
    from i3d_rgb_tf.timeline.capture import Capture
    from i3d_rgb_tf.timeline.follow import CHUNK_FRAMES, follow
    from i3d_rgb_tf.video.sources import parse_source

    source = parse_source(arguments.live)
    model = open_model(arguments)
    # Before the source is opened: it does not wait.
    compiled = model.networks.compile(chunk_form(CHUNK_FRAMES), "LATENCY").compiled
    with (
        stop_signals_later() as is_signalled,
        Capture(source, size=load_spec().frame_size).running() as capture,
    ):

        def is_stopped() -> bool:
            return is_signalled() or _reader_is_gone()

        for event in follow(compiled, capture, settings, is_stopped=is_stopped):
            print_text(json.dumps(event.document()) + "\n")
    return 0


def _reader_is_gone() -> bool:
    """Whether nobody reads standard output any more; a quiet stream would write nothing to it."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False
