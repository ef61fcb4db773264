"""Open the timelines of videos in a browser.

Drop a video on the page: it shows when each action happens, beside the video, and gives every
format of `i3d-rgb-tf timeline` to download. The page is served from this machine, to this machine
only unless --host says otherwise. Nothing is sent elsewhere, and no video is kept after the end.

From another machine, run `ssh -L 7860:127.0.0.1:7860 THIS_MACHINE` there, and open
http://127.0.0.1:7860/. A proxy that asks for a password has to refuse an Origin that is not its
own, and to set, where http://127.0.0.1:7860/ is printed, Host to 127.0.0.1:7860, Origin to
http://127.0.0.1:7860, and X-Forwarded-Host and X-Forwarded-Proto to its own. With another --host,
let a firewall close the port to all but the proxy: the port itself asks for no password.
"""

from __future__ import annotations

import argparse
import sys

EXAMPLES = """\
  i3d-rgb-tf ui
  i3d-rgb-tf ui -d models --port 8000
  i3d-rgb-tf ui -d models --max-megabytes 1000 --max-minutes 120
"""

_LARGEST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_device, add_model, positive

    add_model(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to serve the page on (default: %(default)s, this machine only)",
    )
    parser.add_argument(
        "--port", type=_port, help="port to serve it on (default: 7860, or the next free one)"
    )
    parser.add_argument(
        "--max-megabytes",
        type=positive,
        default=200,
        metavar="N",
        help="refuse larger videos (default: %(default)s)",
    )
    parser.add_argument(
        "--max-minutes",
        type=positive,
        default=30,
        metavar="N",
        help="refuse longer videos (default: %(default)s)",
    )
    add_device(parser)


def _port(text: str) -> int:
    from i3d_rgb_tf.commands.arguments import positive

    port = positive(text)
    if port > _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"got {text}, expected at most {_LARGEST_PORT}")
    return port


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from contextlib import closing

    from i3d_rgb_tf.commands.models import open_model
    from i3d_rgb_tf.commands.terminal import PROGRAM, print_error, print_lines
    from i3d_rgb_tf.ui.app import check_ui_packages
    from i3d_rgb_tf.ui.server import is_loopback, listen, serve
    from i3d_rgb_tf.ui.sessions import Limits

    check_ui_packages()
    model = open_model(arguments)
    try:
        listener = listen(arguments.host, arguments.port)
    except OSError as error:
        place = f"{arguments.host}:{arguments.port}" if arguments.port else arguments.host
        reason = error.strerror or error
        print_error(f"cannot serve on {place}: {reason}; choose another --host or --port")
        return 1
    with closing(listener):
        if not is_loopback(listener):
            print_lines(
                f"{PROGRAM}: warning: anybody who reaches {arguments.host} can upload videos and "
                "use this machine; there is no password",
                file=sys.stderr,
            )
        limits = Limits(arguments.max_megabytes, arguments.max_minutes)
        serve(model, listener, limits, _announce)
    return 0


def _announce(address: str) -> None:
    from i3d_rgb_tf.commands.terminal import print_lines

    print_lines(address)
    sys.stdout.flush()
