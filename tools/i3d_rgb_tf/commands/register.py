"""Put this package's entry into the installed model zoo, so that the zoo's own tools use it.

What it replaces is kept, and comes back with i3d-rgb-tf unregister.
"""

from __future__ import annotations

import argparse

EXAMPLES = """\
  i3d-rgb-tf register                         the zoo in this environment
  i3d-rgb-tf register --zoo open_model_zoo    a checkout
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_zoo

    add_zoo(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.register import register
    from i3d_rgb_tf.zoo import find_zoo

    found = register(find_zoo(arguments.zoo))
    print(f"{found.entry}: {'was ours already' if found.state == 'ours' else 'is ours now'}")
    return 0
