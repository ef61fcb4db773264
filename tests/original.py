"""The frozen graph of the original stack in TensorFlow, over videos of any length in one pass.

It runs in a process of its own, because TensorFlow keeps the memory of a long video.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from moving_pictures import moving_pictures

__all__ = ["original_rows"]


def original_rows(
    frozen_graph: Path, lengths: Sequence[int], folder: Path
) -> dict[int, np.ndarray]:
    """Return the features and the logits of each position of videos, (positions, 1424) each.

    They are moving pictures, by their numbers of frames, which are also their seeds; `folder` is
    for files.
    """
    command = [sys.executable, __file__, frozen_graph, folder, *map(str, lengths)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {length: np.load(folder / f"{length}.npy") for length in lengths}


def _save(frozen_graph: Path, folder: Path, lengths: Iterable[int]) -> None:
    tf = require_tensorflow().compat.v1
    definition = tf.GraphDef.FromString(frozen_graph.read_bytes())
    (pixels,) = (node for node in definition.node if node.op == "Placeholder")
    assert [each.size for each in pixels.attr["shape"].shape.dim] == [1, 79, 224, 224, 3]
    # Any number of frames.
    pixels.attr["shape"].shape.dim[1].size = -1
    (pool,) = (node.name for node in definition.node if node.op == "AvgPool3D")
    (before_mean,) = (node.input[0] for node in definition.node if node.op == "Mean")
    outputs = [f"{pool}:0", f"{before_mean}:0"]
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    with tf.Session(graph=graph) as session:
        for length in lengths:
            # The graph takes pixels from -1 to 1.
            video = np.stack(moving_pictures(length, seed=length), dtype=np.float32)[np.newaxis]
            video /= 127.5
            video -= 1
            features, logits = session.run(outputs, {f"{pixels.name}:0": video})
            count = logits.shape[1]
            assert features.shape == (1, count, 1, 1, 1024)
            assert logits.shape == (1, count, 400)
            rows = np.concatenate([features.reshape(count, 1024), logits[0]], axis=1)
            np.save(folder / f"{length}.npy", rows)


if __name__ == "__main__":
    _save(Path(sys.argv[1]), Path(sys.argv[2]), map(int, sys.argv[3:]))
