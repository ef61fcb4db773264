"""Give the model zoo back the entry that register replaced, byte for byte."""

from __future__ import annotations

import argparse

EXAMPLES = """\
  i3d-rgb-tf unregister
  i3d-rgb-tf unregister --zoo open_model_zoo
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_zoo

    add_zoo(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.register import unregister
    from i3d_rgb_tf.zoo import find_zoo

    found = unregister(find_zoo(arguments.zoo))
    was_stock = "was the zoo's own already" if found.state == "stock" else "is the zoo's own again"
    print(f"{found.entry}: {was_stock}")
    return 0
