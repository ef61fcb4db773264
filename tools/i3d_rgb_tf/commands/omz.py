"""Run a stock tool of the installed zoo with this package's entry, changing no zoo.

For zoos that cannot be written. What follows the tool's name goes to the tool.
"""

from __future__ import annotations

import argparse

EXAMPLES = """\
  i3d-rgb-tf omz downloader --name i3d-rgb-tf
  i3d-rgb-tf omz converter --name i3d-rgb-tf --precisions FP16
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "tool",
        choices=("downloader", "converter", "info_dumper", "quantizer"),
        help="which tool, without its omz_",
    )
    parser.add_argument(
        "tool_arguments", nargs=argparse.REMAINDER, metavar="...", help="what the tool takes"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.overlay import run_tool

    return run_tool(arguments.tool, arguments.tool_arguments)
