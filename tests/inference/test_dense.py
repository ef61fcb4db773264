"""A video in chunks has the predictions of one pass over the whole video, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from i3d_rgb_tf.errors import ModelError, VideoError
from i3d_rgb_tf.inference.dense import (
    MOST_FRAMES,
    average_logits,
    cut_chunks,
    plan_chunks,
    with_logits_as_output,
)
from i3d_rgb_tf.inference.receptive_field import FEWEST_FRAMES, count_logits
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.spec import ModelSpec
from networks import logits_over_time


@pytest.mark.parametrize("most_frames", [120, 121, 128, 200])
def test_the_logits_of_chunks_equal_those_of_the_whole_video(most_frames: int) -> None:
    values = np.random.default_rng(0).normal(size=600)
    for num_frames in (*range(most_frames - 2, most_frames + 20), 333, 598, 599, 600):
        whole = logits_over_time(values[:num_frames])

        chunks = plan_chunks(num_frames, most_frames)
        parts = [logits_over_time(values[chunk.start : chunk.stop]) for chunk in chunks]
        found = [part[chunk.first : chunk.last] for part, chunk in zip(parts, chunks, strict=True)]

        assert max(chunk.stop - chunk.start for chunk in chunks) <= most_frames
        assert len(whole) == count_logits(num_frames)
        np.testing.assert_allclose(np.concatenate(found), whole, rtol=1e-9)


def test_chunks_shorter_than_the_receptive_field_are_an_error() -> None:
    with pytest.raises(ValueError, match="chunks of 104 frames are shorter than the receptive"):
        plan_chunks(400, 104)


def test_a_video_too_short_for_a_logit_is_an_error() -> None:
    with pytest.raises(ValueError, match="8 frames, expected 9 or more"):
        plan_chunks(8)


def test_a_long_video_is_divided_into_equal_chunks() -> None:
    chunks = plan_chunks(15000)

    assert {chunk.stop - chunk.start for chunk in chunks} == {MOST_FRAMES}
    assert sum(chunk.last - chunk.first for chunk in chunks) == count_logits(15000)
    starts = [chunk.start for chunk in chunks]
    assert starts == sorted(set(starts))


def test_at_most_a_few_chunks_are_in_memory() -> None:
    def frames() -> Iterator[np.ndarray]:
        for index in range(1500):
            yield np.full((64, 64, 3), index % 256, np.uint8)

    chunk_bytes = 128 * 64 * 64 * 3
    chunks = plan_chunks(1500, 128)
    tracemalloc.start()
    try:
        firsts = [int(part[0, 0, 0, 0]) for part in cut_chunks(frames(), chunks)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert firsts == [chunk.start % 256 for chunk in chunks]
    assert peak < 3 * chunk_bytes


def test_a_video_with_fewer_frames_than_planned_is_an_error() -> None:
    frames = (np.zeros((4, 4, 3), np.uint8) for _ in range(150))

    with pytest.raises(VideoError, match="the video has 150 frames, expected 200"):
        list(cut_chunks(frames, plan_chunks(200, 128)))


def _frames(num_frames: int) -> np.ndarray:
    """Return moving noise, (num_frames, 224, 224, 3) uint8."""
    picture = np.random.default_rng(1).integers(0, 256, (28, 28 + 400, 3), np.uint8)
    picture = picture.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([picture[:, 3 * index : 3 * index + 224] for index in range(num_frames)])


@pytest.fixture(scope="module")
def compiled(model_root: Path, spec: ModelSpec) -> Any:
    model = with_logits_as_output(read_ir(spec.ir_path(model_root, "FP32")))
    return compile_model(model, "CPU", "f32", cache=False)


# Padding depends on the length modulo 8. The first test has all 8 cases; these are some of them.
@pytest.mark.parametrize("num_frames", [129, 134, 139])
def test_chunks_predict_the_same_as_the_whole_video_in_one_pass(
    model_root: Path, spec: ModelSpec, compiled: Any, num_frames: int
) -> None:
    frames = _frames(num_frames)
    model = read_ir(spec.ir_path(model_root, "FP32"))
    model.reshape([1, num_frames, 3, 224, 224])
    # Directly, as the model of any length is.
    whole = compile_model(model, "CPU", "f32", convolution="direct", cache=False)
    expected = whole(frames[np.newaxis])[0][0]

    chunks = plan_chunks(num_frames, 120)
    logits = [
        np.asarray(compiled(part[np.newaxis])[0])[0].T[chunk.first : chunk.last]
        for chunk, part in zip(chunks, cut_chunks(frames, chunks), strict=True)
    ]

    assert len(chunks) > 1
    assert np.abs(average_logits(logits) - expected).max() < 1e-6


def test_the_shortest_video_has_one_logit(compiled: Any) -> None:
    logits = compiled(_frames(FEWEST_FRAMES)[np.newaxis])[0]

    assert logits.shape == (1, 400, 1)


def test_a_model_without_a_mean_over_time_is_an_error() -> None:
    parameter = openvino.op.Parameter(openvino.Type.f32, openvino.PartialShape([1, 400]))

    with pytest.raises(ModelError, match="no mean over time"):
        with_logits_as_output(openvino.Model([parameter], [parameter], "none"))


def test_every_logit_has_the_same_weight_in_the_mean() -> None:
    logits = [np.float32([[1, 0], [1, 0]]), np.float32([[4, 0]])]

    found = average_logits(logits)

    assert found == pytest.approx(np.exp([2, 0]) / np.exp([2, 0]).sum())
