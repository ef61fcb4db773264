"""Features of the real network are those that the golden logits are made of."""

from __future__ import annotations

import numpy as np
import pytest

from i3d_rgb_tf.features import extract
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.model import load_model

SETTINGS = {
    "window": FeatureSettings(window=79, logits=True),
    "dense": FeatureSettings(pooling="mean", logits=True),
}


@pytest.fixture(scope="module")
def model(model_root, spec):
    return load_model(spec.ir_path(model_root, "FP32"), inference_precision="f32", cache=False)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_window_and_the_mean_of_a_dense_pass_have_the_golden_logits(
    model, golden_clip, settings, tensors, monkeypatch
):
    # A file would be scaled and so would be another clip.
    monkeypatch.setattr(extract, "read_frames", lambda *_, **__: iter(golden_clip.pixels))
    monkeypatch.setattr(extract, "count_frames", lambda *_, **__: len(golden_clip.pixels))

    found = model.features("clip", settings)

    golden = golden_clip.outputs["logits"]
    assert found.features.shape == (1, 1024)
    assert np.abs(found.logits[0] - golden).max() <= 1e-4 * np.abs(golden).max()
    # The classifier is linear, so the logits show that the features are those before it.
    classifier = "RGB/inception_i3d/Logits/Conv3d_0c_1x1/conv_3d/"
    weights, bias = (np.asarray(tensors[classifier + name]) for name in "wb")
    from_features = found.features @ weights.reshape(1024, 400) + bias
    assert np.abs(from_features - found.logits).max() <= 1e-4 * np.abs(golden).max()
    assert found.features.min() >= 0
