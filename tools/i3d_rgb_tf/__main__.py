"""``python -m i3d_rgb_tf`` is ``i3d-rgb-tf``."""

from __future__ import annotations

import sys

from i3d_rgb_tf.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
