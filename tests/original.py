"""The frozen graph of the original stack in TensorFlow, over videos of any length in one pass.

It runs in a process of its own, because TensorFlow keeps the memory of a long video.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from moving_pictures import moving_pictures

__all__ = ["save_original_rows"]


def save_original_rows(frozen_graph: Path, lengths: Iterable[int], folder: Path) -> None:
    """Save the features and the logits of each position of videos, (positions, 1424) each.

    They are moving pictures, by their numbers of frames, which are also their seeds and the names
    of the files.
    """
    command = [sys.executable, __file__, frozen_graph, folder, *map(str, lengths)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _save(frozen_graph: Path, folder: Path, lengths: Iterable[int]) -> None:
    tf = require_tensorflow().compat.v1
    definition = tf.GraphDef.FromString(frozen_graph.read_bytes())
    (pixels,) = (node for node in definition.node if node.op == "Placeholder")
    assert [each.size for each in pixels.attr["shape"].shape.dim] == [1, 79, 224, 224, 3]
    (pool,) = (node.name for node in definition.node if node.op == "AvgPool3D")
    (before_mean,) = (node.input[0] for node in definition.node if node.op == "Mean")
    outputs = [f"{pool}:0", f"{before_mean}:0"]
    graph = tf.Graph()
    with graph.as_default():
        frames = tf.placeholder(tf.uint8, (1, None, 224, 224, 3))
        # The graph takes pixels from -1 to 1.
        fractions = tf.cast(frames, tf.float32) / 127.5 - 1
        tf.import_graph_def(definition, {pixels.name: fractions}, name="")
    with tf.Session(graph=graph) as session:
        for length in lengths:
            video = np.stack(moving_pictures(length, seed=length))[np.newaxis]
            features, logits = session.run(outputs, {frames: video})
            count = logits.shape[1]
            assert features.shape == (1, count, 1, 1, 1024)
            assert logits.shape == (1, count, 400)
            rows = np.concatenate([features.reshape(count, 1024), logits[0]], axis=1)
            np.save(folder / f"{length}.npy", rows)


if __name__ == "__main__":
    _save(Path(sys.argv[1]), Path(sys.argv[2]), map(int, sys.argv[3:]))
