"""The frozen graph of the original stack in TensorFlow, over videos of any length in one pass.

It runs in a process of its own, because TensorFlow keeps the memory of a long video.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from moving_pictures import moving_pictures

__all__ = ["original_rows"]


def original_rows(frozen_graph: Path, num_frames: int, folder: Path) -> np.ndarray:
    """Return the features and the logits of each position of moving pictures: (positions, 1424).

    The seed of the pictures is their number; `folder` is for a file.
    """
    path = folder / f"{num_frames}.npy"
    command = [sys.executable, __file__, frozen_graph, str(num_frames), path]
    path_of_modules = {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        command, env={**os.environ, **path_of_modules}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.load(path)


def _run(frozen_graph: Path, frames: list[np.ndarray]) -> np.ndarray:
    tf = require_tensorflow().compat.v1
    definition = tf.GraphDef.FromString(frozen_graph.read_bytes())
    (pixels,) = (node for node in definition.node if node.op == "Placeholder")
    assert [each.size for each in pixels.attr["shape"].shape.dim] == [1, 79, 224, 224, 3]
    pixels.attr["shape"].shape.dim[1].size = len(frames)
    (pool,) = (node.name for node in definition.node if node.op == "AvgPool3D")
    (before_mean,) = (node.input[0] for node in definition.node if node.op == "Mean")
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    # The graph takes pixels from -1 to 1.
    video = np.stack(frames, dtype=np.float32, casting="safe")[np.newaxis]
    video /= 127.5
    video -= 1
    with tf.Session(graph=graph) as session:
        outputs = [f"{pool}:0", f"{before_mean}:0"]
        features, logits = session.run(outputs, {f"{pixels.name}:0": video})
    num_positions = logits.shape[1]
    assert features.shape == (1, num_positions, 1, 1, 1024)
    assert logits.shape == (1, num_positions, 400)
    return np.concatenate([features.reshape(num_positions, 1024), logits[0]], axis=1)


if __name__ == "__main__":
    count = int(sys.argv[2])
    np.save(sys.argv[3], _run(Path(sys.argv[1]), moving_pictures(count, seed=count)))
