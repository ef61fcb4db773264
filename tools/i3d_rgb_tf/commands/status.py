"""Tell which entry the model zoo has, and what to do.

The answer is stock, ours, outdated (ours of another version), edited (ours, changed by hand),
interrupted (a register or unregister that did not end), or overwritten (the zoo was installed again
after register). The exit status is 0 whatever the answer is, and 1 when there is no zoo.
"""

from __future__ import annotations

import argparse
import json

EXAMPLES = """\
  i3d-rgb-tf status
  i3d-rgb-tf status --format json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_format, add_zoo

    add_zoo(parser)
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from dataclasses import asdict

    from i3d_rgb_tf.register import registration
    from i3d_rgb_tf.zoo import find_zoo

    status = registration(find_zoo(arguments.zoo))
    if arguments.format == "json":
        print(json.dumps(asdict(status), indent=2))
    else:
        print(f"{status.state}: {status.entry}\n{status.advice}")
    return 0
