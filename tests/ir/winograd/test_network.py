"""The rewritten network has the results of the original stack, and those of plain OpenVINO."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import numpy as np
import openvino
import pytest

from i3d_rgb_tf.architecture import STAGES, Conv, Mixed
from i3d_rgb_tf.choices import LAYOUTS
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.layouts import change_layout
from i3d_rgb_tf.ir.winograd.rewrite import rewrite
from i3d_rgb_tf.reference import waves_clip
from networks import infer_in_f32

GOLDEN_STAGES = json.loads((Path(__file__).parents[2] / "data" / "stages.json").read_text())
TOLERANCE = 1e-5
"""Of probabilities absolute, of everything else relative."""


@pytest.fixture
def model(model_root, spec):
    """The IR in FP32, for 79 frames as (1, 79, 3, 224, 224)."""
    return read_ir(spec.ir_path(model_root, "FP32"))


def frames_of_waves(num_frames):
    """Return a video of any length, (1, frames, 3, 224, 224) float32."""
    clip = waves_clip()
    return np.float32(np.resize(clip, (num_frames, *clip.shape[1:])).transpose(0, 3, 1, 2)[None])


def find_stages(model):
    """Return the output of each stage of the architecture, and of the two that follow.

    They are found by the types of the nodes alone: from the first convolution on, the first reader
    of an output is a layer of the same stage or of the next.
    """
    nodes = model.get_ordered_ops()
    node = next(each for each in nodes if each.get_type_name() == "Convolution")
    node = node.input_value(0).get_node()
    found = {}
    for stage in STAGES:
        last = {Conv: "Relu", Mixed: "Concat"}.get(type(stage), "MaxPool")
        node = next(iter(node.output(0).get_target_inputs())).get_node()
        while node.get_type_name() != last:
            node = next(iter(node.output(0).get_target_inputs())).get_node()
        found[stage.name] = node.output(0)
    softmax = model.outputs[0].get_node().input_value(0)
    return {**found, "Logits": softmax.get_node().input_value(0), "Predictions": softmax}


def with_logits(model):
    """Return the model with the logits as a second output."""
    model.add_outputs([find_stages(model)["Logits"]])
    return model


def assert_same_predictions(model, frames):
    """Compare a network with two outputs, probabilities and logits, with the rewritten one."""
    probabilities, logits = infer_in_f32(model, frames)

    found, found_logits = infer_in_f32(rewrite(model), frames)

    assert np.abs(found - probabilities).max() <= TOLERANCE
    assert np.abs(found_logits - logits).max() <= TOLERANCE * np.abs(logits).max()
    # The comparison is of a prediction, not of 400 equal numbers.
    assert probabilities.max() > 0.01


@pytest.mark.slow
def test_every_stage_has_the_results_of_the_original_stack(model, golden_clip):
    stages = find_stages(model)
    predictions = stages.pop("Predictions")
    model.add_outputs(list(stages.values()))
    frames = np.float32(golden_clip.pixels.transpose(0, 3, 1, 2)[np.newaxis])

    rewritten = rewrite(model)
    probabilities, *outputs = infer_in_f32(rewritten, frames)

    assert predictions.get_shape() == probabilities.shape
    found = dict(zip([*stages, "Predictions"], [*outputs, probabilities], strict=True))
    expected = GOLDEN_STAGES[golden_clip.name]["stages"]
    assert found.keys() == expected.keys()
    assert len(found) == 18
    for stage, values in found.items():
        reference = expected[stage]
        channels_last = np.moveaxis(values, 1, -1)
        assert list(channels_last.shape) == reference["shape"], stage
        norm = np.linalg.norm(np.float64(values))
        assert norm == pytest.approx(reference["l2_norm"], rel=TOLERANCE), stage
        assert np.float64(values).mean() == pytest.approx(
            reference["mean"], rel=TOLERANCE, abs=TOLERANCE * reference["max"]
        ), stage
        assert values.max() == pytest.approx(reference["max"], rel=TOLERANCE), stage
    golden = golden_clip.outputs
    assert np.abs(found["Predictions"][0] - golden["probabilities"]).max() <= TOLERANCE
    difference = np.linalg.norm(found["Logits"][0] - golden["logits"])
    assert difference <= TOLERANCE * np.linalg.norm(golden["logits"])


def test_a_clip_has_the_predictions_of_the_original_stack(model, golden_clip):
    frames = np.float32(golden_clip.pixels.transpose(0, 3, 1, 2)[np.newaxis])

    (probabilities,) = infer_in_f32(rewrite(model), frames)

    assert np.abs(probabilities[0] - golden_clip.outputs["probabilities"]).max() <= TOLERANCE


@pytest.mark.parametrize(
    "num_frames",
    [9, 16, *(pytest.param(number, marks=pytest.mark.slow) for number in (79, 80, 250, 400))],
)
def test_any_number_of_frames_has_the_predictions_of_plain_openvino(model, num_frames):
    model = with_logits(model)
    model.reshape([1, num_frames, 3, 224, 224])

    assert_same_predictions(model, frames_of_waves(num_frames))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_the_predictions_of_plain_openvino(model, layout):
    model = with_logits(model)
    change_layout(model, layout)
    axes = {"NDCHW": (0, 1, 2, 3, 4)}.get(layout, (0, 1, 3, 4, 2))
    frames = frames_of_waves(9).transpose(axes)
    if layout == "NSTHWC":
        frames = frames[np.newaxis]
    model.reshape(list(frames.shape))

    assert_same_predictions(model, np.ascontiguousarray(frames))


def test_weights_in_half_precision_have_the_predictions_of_plain_openvino(model_root, spec):
    model = with_logits(read_ir(spec.ir_path(model_root, "FP16")))
    model.reshape([1, 9, 3, 224, 224])
    kernels = [
        node.input_value(1).get_node().get_type_name()
        for node in model.get_ops()
        if node.get_type_name() == "Convolution"
    ]
    assert set(kernels) == {"Convert"}

    assert_same_predictions(model, frames_of_waves(9))


def test_every_convolution_of_the_network_is_rewritten(model):
    rewritten = rewrite(model)

    windows = [
        node
        for node in chain(model.get_ops(), rewritten.get_ops())
        if node.get_type_name() in ("Convolution", "MaxPool") and len(node.output(0).shape) == 5
    ]
    # Those of the given model only.
    assert len(windows) == 58 + 13


def test_a_dynamic_number_of_frames_stays(model):
    model.reshape([1, openvino.Dimension(9, 80), 3, 224, 224])

    rewritten = rewrite(model)

    kinds = [[node.get_type_name() for node in each.get_ops()] for each in (model, rewritten)]
    assert sorted(kinds[0]) == sorted(kinds[1])
