"""The frozen graph has the results of the original stack, and is the same for the same tensors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE, STAGES, Conv, Mixed
from i3d_rgb_tf.errors import WeightsError
from i3d_rgb_tf.weights.checkpoint import write_checkpoint
from i3d_rgb_tf.weights.freeze import freeze_checkpoint, freeze_tensors
from i3d_rgb_tf.weights.frozen_graph import identify_frozen_graph
from i3d_rgb_tf.weights.tensorflow import require_tensorflow

DATA = Path(__file__).parents[1] / "data"
GOLDEN_STAGES = json.loads((DATA / "stages.json").read_text())
TOLERANCE = 1e-5
"""Relative; the original stack and current kernels add numbers in a different order."""


def node_of(stage) -> str:
    ending = {Conv: "/Relu", Mixed: "/concat"}.get(type(stage), "")
    return f"{CHECKPOINT_SCOPE}/{stage.name}{ending}:0"


@pytest.fixture(scope="module")
def session(frozen_graph):
    tf = require_tensorflow()
    definition = tf.compat.v1.GraphDef.FromString(frozen_graph.read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    session = tf.compat.v1.Session(graph=graph)
    yield session
    session.close()


def test_every_stage_has_the_results_of_the_original_stack(session, golden_clip):
    nodes = {stage.name: node_of(stage) for stage in STAGES}
    nodes |= {"Logits": f"{CHECKPOINT_SCOPE}/Mean:0", "Predictions": "Softmax:0"}
    pixels = (golden_clip.pixels[np.newaxis].astype(np.float32) - 127.5) / 127.5

    found = session.run(nodes, {"Placeholder:0": pixels})

    expected = GOLDEN_STAGES[golden_clip.name]["stages"]
    assert found.keys() == expected.keys()
    for stage, values in found.items():
        reference = expected[stage]
        assert list(values.shape) == reference["shape"], stage
        norm = np.linalg.norm(values.astype(np.float64))
        assert norm == pytest.approx(reference["l2_norm"], rel=TOLERANCE), stage
        assert values.max() == pytest.approx(reference["max"], rel=TOLERANCE * 10), stage
    golden = golden_clip.outputs
    for stage, key in (("Logits", "logits"), ("Predictions", "probabilities")):
        difference = np.linalg.norm(found[stage][0] - golden[key])
        assert difference <= TOLERANCE * np.linalg.norm(golden[key]), stage


def test_the_same_tensors_give_the_same_bytes(frozen_graph, checkpoint, tmp_path):
    weights = freeze_checkpoint(checkpoint, tmp_path / "again.pb")

    assert weights == "rgb_scratch"
    assert (tmp_path / "again.pb").read_bytes() == frozen_graph.read_bytes()


def test_tensors_of_another_shape_are_an_error(tensors, tmp_path):
    name = next(iter(tensors))
    with pytest.raises(WeightsError, match=f"{name} has shape"):
        freeze_tensors({**tensors, name: np.zeros(3, np.float32)}, tmp_path / "graph.pb")
    assert not (tmp_path / "graph.pb").exists()


def test_unpublished_weights_are_frozen_and_reported_as_unknown(tensors, tmp_path):
    tuned = {name: tensor * 2 for name, tensor in tensors.items()}
    write_checkpoint(tuned, tmp_path / "model.ckpt")

    assert freeze_checkpoint(tmp_path / "model.ckpt", tmp_path / "graph.pb") == "unknown"
    assert identify_frozen_graph(tmp_path / "graph.pb") == "unknown"


def test_a_missing_checkpoint_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match="no checkpoint at"):
        freeze_checkpoint(tmp_path / "model.ckpt", tmp_path / "graph.pb")
    assert list(tmp_path.iterdir()) == []
