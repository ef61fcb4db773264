"""Make the frozen graph from a TensorFlow checkpoint.

The graph is written only if its weights are a published set, or with --allow-unknown. Needs
TensorFlow: pip install 'i3d-rgb-tf[freeze]'.
"""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """\
  i3d-rgb-tf freeze data/checkpoints/rgb_imagenet/model.ckpt
  i3d-rgb-tf freeze tuned/model.ckpt --allow-unknown -o models
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_allow_unknown, add_output_directory

    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="path of the checkpoint, with or without its .index",
    )
    add_output_directory(parser)
    add_allow_unknown(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.commands.terminal import print_lines
    from i3d_rgb_tf.weights.sources import adopt

    checkpoint: Path = arguments.checkpoint
    # adopt takes anything else for a frozen graph.
    index = checkpoint if checkpoint.suffix == ".index" else Path(f"{checkpoint}.index")
    graph = adopt(index, arguments.output_directory, allow_unknown=arguments.allow_unknown)
    print_lines(f"{graph.path}: {graph.weights}")
    return 0
