"""The real network in chunks has the outputs of one pass over the whole video.

In FP32, the pass is that of the frozen graph in TensorFlow, without its mean over time. In other
arithmetic, it is that of plain OpenVINO in the same arithmetic.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino
import pytest
from filelock import FileLock

from i3d_rgb_tf.inference.dense import CHUNK_FRAMES, frame_blocks, infer_dense
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.inference.pipeline import OutputList, read_videos
from i3d_rgb_tf.inference.receptive_field import count_logits
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.forms import chunk_form, window_form
from i3d_rgb_tf.quantization.quantize import quantize_model
from moving_pictures import moving_pictures
from original import save_original_rows

SHORT = [9, 16, 79, 80, 250]
LONG = [383, 384, 385, 400, 1000, 3000]
WINDOW = 64
OTHER = 105
"""Frames in the video of the tests in other arithmetic."""

TOLERANCE = 1e-5
"""Of features relative to their norm, of probabilities absolute."""

POSITION_TOLERANCE = {"direct": 1e-5, "winograd": 3e-5}
"""Of the probabilities of a position. Rewritten convolutions reach 1.6e-5 at one in hundreds, where
the network wavers between actions; its features, and the mean over a video, are within 1e-5."""

each_convolution = pytest.mark.parametrize("convolution", ["winograd", "direct"])
# The chunks of other videos are the same, and take minutes.
LENGTHS = {"winograd": [*SHORT, *LONG], "direct": [*SHORT, 385]}
VIDEOS = [
    pytest.param(convolution, num_frames, marks=[pytest.mark.slow] if num_frames in LONG else [])
    for convolution, lengths in LENGTHS.items()
    for num_frames in lengths
]


def pictures(num_frames):
    return moving_pictures(num_frames, seed=num_frames)


def infer_videos(compiled, lengths):
    """Return the rows of each length, all inferred in one call, in this order."""

    def read(num_frames):
        return frame_blocks(pictures(num_frames), num_frames)

    found = {
        each.video: [rows for _, rows in each.outputs]
        for each in infer_dense(compiled, read_videos(lengths, read), OutputList)
    }
    assert list(found) == list(lengths)
    return {num_frames: np.concatenate(rows) for num_frames, rows in found.items()}


class Differences(NamedTuple):
    """By how much rows differ at most."""

    features: float
    """Of their norm."""
    position: float
    """Of the probabilities of a position."""
    video: float
    """Of the probabilities of the video, which are those of the mean of the logits."""


def differences(found, expected):
    assert found.shape == expected.shape
    features, others = found[:, :1024], expected[:, :1024]
    relative = np.linalg.norm(features - others) / np.linalg.norm(others)
    logits, other_logits = np.float64(found[:, 1024:]), np.float64(expected[:, 1024:])
    position = np.abs(softmax(logits) - softmax(other_logits)).max()
    video = np.abs(softmax(logits.mean(axis=0)) - softmax(other_logits.mean(axis=0))).max()
    return Differences(float(relative), float(position), float(video))


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def assert_same(found, expected, convolution="direct"):
    difference = differences(found, expected)
    assert difference.features <= TOLERANCE
    assert difference.position <= POSITION_TOLERANCE[convolution]
    assert difference.video <= TOLERANCE


@pytest.fixture(scope="module")
def original(frozen_graph, tmp_path_factory):
    """Return a function that gives the rows of a length in TensorFlow."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # That of all workers, which wait for each other, because of the memory.
        folder = folder.parent

    def find(num_frames):
        path = folder / f"{num_frames}.npy"
        with FileLock(folder / "original.lock"):
            if not path.exists():
                group = LONG if num_frames in LONG else [*SHORT, WINDOW, OTHER]
                save_original_rows(frozen_graph, filter(_has_memory, group), folder)
        if not path.exists():
            pytest.skip("TensorFlow needs 13 GB for one pass over 3000 frames")
        return np.load(path)

    return find


def _has_memory(num_frames):
    """Whether TensorFlow can infer a video in one pass."""
    found = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    return 4e9 + 4.5e6 * num_frames < 1024 * int(found[1])


@pytest.fixture(scope="module")
def networks(model_root, spec):
    """Return a function that gives the networks of the IR in FP32 with a convolution."""

    @cache
    def load(convolution):
        options = NetworkOptions(
            inference_precision="f32", winograd=convolution == "winograd", cache=False
        )
        found = Networks(spec.ir_path(model_root, "FP32"), options)
        if found.convolution != convolution:
            pytest.skip(f"on this machine convolutions are {found.convolution}")
        return found

    return load


@pytest.fixture(scope="module")
def dense_rows(networks):
    """Return a function that gives the rows of a length; videos follow each other in a call."""

    @cache
    def infer(convolution, *lengths):
        return infer_videos(networks(convolution).dense.compiled, lengths)

    def find(convolution, num_frames):
        group = LENGTHS[convolution]
        is_short = num_frames in SHORT
        lengths = [each for each in group if (each in SHORT) == is_short]
        return infer(convolution, *lengths)[num_frames]

    return find


# In float32.


@pytest.mark.parametrize(("convolution", "num_frames"), VIDEOS)
def test_a_video_has_the_rows_of_the_original_stack(original, dense_rows, convolution, num_frames):
    expected = original(num_frames)

    rows = dense_rows(convolution, num_frames)

    assert rows.shape == (count_logits(num_frames), 1424)
    assert_same(rows, expected, convolution)


@each_convolution
def test_a_video_after_others_has_the_same_bits_as_alone(networks, dense_rows, convolution):
    (rows,) = infer_videos(networks(convolution).dense.compiled, [80]).values()

    assert np.array_equal(rows, dense_rows(convolution, 80))


@each_convolution
@pytest.mark.parametrize("num_frames", [16, WINDOW])
def test_a_window_has_the_rows_of_the_original_stack(original, networks, num_frames, convolution):
    window = networks(convolution).window(num_frames).compiled

    rows = window(np.stack(pictures(num_frames))[np.newaxis])[0][0]

    assert_same(rows, original(num_frames), convolution)


# In other arithmetic.


def chunks_and_pass(model, properties):
    """Return the rows of a video in chunks, and in one pass, in some arithmetic."""

    def compile_form(form):
        compiling = {"PERFORMANCE_HINT": "LATENCY", **properties}
        return openvino.Core().compile_model(form.adapt(model.clone()), "CPU", compiling)

    (chunks,) = infer_videos(compile_form(chunk_form(CHUNK_FRAMES)), [OTHER]).values()
    window = compile_form(window_form(OTHER))
    return chunks, window(np.float32(pictures(OTHER))[np.newaxis])[0][0]


def test_weights_in_half_precision_have_the_rows_of_their_own_pass(model_root, spec):
    model = read_ir(spec.ir_path(model_root, "FP16"))

    chunks, whole = chunks_and_pass(model, {"INFERENCE_PRECISION_HINT": "f32"})

    assert_same(chunks, whole)


@pytest.mark.slow
def test_in_bfloat16_chunks_are_as_good_as_one_pass(model_root, spec, original):
    """Numbers have 8 bits; two ways to round them differ by as much as each from the truth."""
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16")
    model = read_ir(spec.ir_path(model_root, "FP16"))

    chunks, whole = chunks_and_pass(model, {"INFERENCE_PRECISION_HINT": "bf16"})

    of_chunks, of_pass = (differences(rows, original(OTHER)) for rows in (chunks, whole))
    assert 1e-3 < of_pass.features < 0.03
    assert of_chunks.features <= 1.5 * of_pass.features
    assert differences(chunks, whole).features <= 0.03


@pytest.mark.slow
def test_quantized_chunks_differ_from_one_pass_less_than_integers_from_their_simulation(
    model_root, spec, original
):
    model = read_ir(spec.ir_path(model_root, "FP32"))
    quantized = quantize_model(model, [np.stack(pictures(79))])
    precision = {"INFERENCE_PRECISION_HINT": "f32"}

    chunks, whole = chunks_and_pass(quantized, precision)
    # The same levels, in floating point.
    simulated_chunks, simulated = chunks_and_pass(
        quantized, {**precision, "LP_TRANSFORMS_MODE": "NO"}
    )

    # Sums in another order differ by a float's rounding, which may become that of a level.
    assert differences(simulated_chunks, simulated).features <= 0.01
    arithmetic = differences(whole, simulated)
    assert 0.005 < arithmetic.features < 0.05
    assert differences(chunks, whole).features <= 1.5 * arithmetic.features
    of_chunks, of_pass = (differences(rows, original(OTHER)) for rows in (chunks, whole))
    assert of_chunks.features <= 1.25 * of_pass.features
    assert of_chunks.video <= of_pass.video + 0.01
