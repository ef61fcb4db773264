"""A video in chunks gives what one pass over the whole gives, and needs no more memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf.architecture import AVERAGE_POOL, STAGES, Mixed
from i3d_rgb_tf.errors import ModelError, VideoError
from i3d_rgb_tf.ir import read_ir
from i3d_rgb_tf.runtime import compile_for_clips
from i3d_rgb_tf.spec import ModelSpec
from i3d_rgb_tf.whole import (
    FEWEST_FRAMES,
    MOST_FRAMES,
    average_logits,
    count_logits,
    cut_chunks,
    give_logits,
    plan_chunks,
)


def _window(values: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Take means as TensorFlow does, with the padding of SAME at both ends."""
    length = -(-len(values) // stride)
    total = max(0, (length - 1) * stride + kernel - len(values))
    padded = np.pad(values, (total // 2, total - total // 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel)[::stride]
    # Linear, so that what is seen at the very edge leaves a trace in the sum.
    return windows.mean(axis=1) + 0.1


def _network(values: np.ndarray) -> np.ndarray:
    """Return what the network's table does to one channel, in time only."""
    for stage in STAGES:
        branches = stage.branches if isinstance(stage, Mixed) else ((stage,),)
        values = sum(
            reduce(lambda row, each: _window(row, each.kernel[0], each.stride[0]), branch, values)
            for branch in branches
        )
    return np.convolve(values, np.ones(AVERAGE_POOL[0]), "valid")


@pytest.mark.parametrize("most_frames", [120, 121, 128, 200])
def test_the_logits_of_chunks_are_those_of_the_whole(most_frames: int) -> None:
    values = np.random.default_rng(0).normal(size=600)
    for num_frames in (*range(most_frames - 2, most_frames + 20), 333, 598, 599, 600):
        whole = _network(values[:num_frames])

        chunks = plan_chunks(num_frames, most_frames)
        parts = [_network(values[chunk.start : chunk.stop]) for chunk in chunks]
        found = [part[chunk.first : chunk.last] for part, chunk in zip(parts, chunks, strict=True)]

        assert max(chunk.stop - chunk.start for chunk in chunks) <= most_frames
        assert len(whole) == count_logits(num_frames)
        np.testing.assert_allclose(np.concatenate(found), whole, rtol=1e-9)


def test_a_chunk_that_sees_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than what a logit sees"):
        plan_chunks(400, 104)
    with pytest.raises(ValueError, match="8 frames, expected 9 or more"):
        plan_chunks(8)


def test_no_more_than_a_few_chunks_are_in_memory() -> None:
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


def test_a_video_that_has_become_shorter_is_said() -> None:
    frames = (np.zeros((4, 4, 3), np.uint8) for _ in range(150))

    with pytest.raises(VideoError, match="the video has 150 frames, expected 200"):
        list(cut_chunks(frames, plan_chunks(200, 128)))


def _frames(num_frames: int) -> np.ndarray:
    """Return noise that moves, (num_frames, 224, 224, 3) uint8."""
    picture = np.random.default_rng(1).integers(0, 256, (28, 28 + 400, 3), np.uint8)
    picture = picture.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([picture[:, 3 * index : 3 * index + 224] for index in range(num_frames)])


@pytest.fixture(scope="module")
def compiled(model_root: Path, spec: ModelSpec) -> object:
    model = give_logits(read_ir(spec.ir_path(model_root, "FP32")))
    return compile_for_clips(model, "CPU", "f32", cache=False)


# 8 lengths leave 8 remainders; the network in numpy above tries all, the real one these.
@pytest.mark.parametrize("num_frames", [129, 134, 139])
def test_chunks_answer_as_the_whole_video_in_one_pass(
    model_root: Path, spec: ModelSpec, compiled: object, num_frames: int
) -> None:
    frames = _frames(num_frames)
    model = read_ir(spec.ir_path(model_root, "FP32"))
    model.reshape([1, num_frames, 3, 224, 224])
    whole = compile_for_clips(model, "CPU", "f32", cache=False)
    expected = whole(frames[np.newaxis])[0][0]

    chunks = plan_chunks(num_frames, 120)
    logits = [
        np.asarray(compiled(part[np.newaxis])[0])[0].T[chunk.first : chunk.last]
        for chunk, part in zip(chunks, cut_chunks(frames, chunks), strict=True)
    ]

    assert len(chunks) > 1
    assert np.abs(average_logits(logits) - expected).max() < 1e-6


def test_the_shortest_video_is_answered(compiled: object) -> None:
    logits = compiled(_frames(FEWEST_FRAMES)[np.newaxis])[0]

    assert logits.shape == (1, 400, 1)


def test_a_model_without_a_mean_over_time_is_refused() -> None:
    openvino = pytest.importorskip("openvino")
    parameter = openvino.op.Parameter(openvino.Type.f32, openvino.PartialShape([1, 400]))

    with pytest.raises(ModelError, match="no mean over time"):
        give_logits(openvino.Model([parameter], [parameter], "none"))


def test_a_long_video_is_cut_evenly() -> None:
    chunks = plan_chunks(15000)

    assert {chunk.stop - chunk.start for chunk in chunks} == {MOST_FRAMES}
    assert sum(chunk.last - chunk.first for chunk in chunks) == count_logits(15000)
    starts = [chunk.start for chunk in chunks]
    assert starts == sorted(set(starts))
