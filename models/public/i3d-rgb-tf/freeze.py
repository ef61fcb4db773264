"""Freeze DeepMind's rgb_imagenet checkpoint into i3d-rgb.frozen.pb.

Copy this file into the root of a clone of https://github.com/deepmind/kinetics-i3d and run it there
without arguments. It needs the i3d-rgb-tf package and a current TensorFlow, but not Sonnet.
"""

from __future__ import annotations

import sys
from pathlib import Path

_CLONE = Path(__file__).resolve().parent
_CHECKPOINT = _CLONE / "data" / "checkpoints" / "rgb_imagenet" / "model.ckpt"
_OUTPUT = _CLONE / "i3d-rgb.frozen.pb"


def main() -> int:
    """Write the frozen graph beside this file; return the exit status."""
    try:
        from i3d_rgb_tf.weights import I3DError, freeze_checkpoint
    except ImportError as error:
        return _failed(
            f"the package i3d-rgb-tf cannot be imported ({error}); install it, from a clone of "
            "its repository, with: pip install '.[freeze]'"
        )
    if not _CHECKPOINT.with_name("model.ckpt.index").is_file():
        return _failed(
            f"no checkpoint {_CHECKPOINT}; copy this script into the root of a clone of "
            "https://github.com/deepmind/kinetics-i3d and run it there"
        )
    try:
        weights = freeze_checkpoint(_CHECKPOINT, _OUTPUT)
    except I3DError as error:
        return _failed(str(error))
    print(f"{_OUTPUT}: {weights}")
    return 0


def _failed(reason: str) -> int:
    print(f"freeze.py: error: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
