"""Published weights -> a verified frozen graph.

The scripts of the zoo entry, which are copied into users' zoos, import from here only.
"""

from __future__ import annotations

from i3d_rgb_tf.errors import I3DError
from i3d_rgb_tf.weights.freeze import freeze_checkpoint
from i3d_rgb_tf.weights.frozen_graph import identify_frozen_graph, require_published
from i3d_rgb_tf.weights.sources import adopt

__all__ = [
    "I3DError",
    "adopt",
    "freeze_checkpoint",
    "identify_frozen_graph",
    "require_published",
]
