"""The receptive field is the one of the architecture: by the table, and by changed frames."""

from __future__ import annotations

from functools import cache

import numpy as np
import openvino
import pytest

from i3d_rgb_tf.inference.receptive_field import (
    FEWEST_FRAMES,
    RECEPTIVE_FRAMES,
    TIME_STRIDE,
    center_frame,
    count_logits,
    missing_before,
    receptive_span,
)
from networks import logits_over_time, small_positions

LENGTHS = [9, 15, 16, 17, 79, 107, 108, *range(240, 248)]
"""Short ones, whose positions see all frames, and all remainders by 8."""


def _noise(num_frames: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=num_frames)


@cache
def _seen_by_table(num_frames: int) -> list[tuple[int, int]]:
    """Return the first frame that changes each position, and the one after the last."""
    before = logits_over_time(np.zeros(num_frames))
    changes = np.array([logits_over_time(frame) != before for frame in np.eye(num_frames)])
    return _spans(changes)


def _spans(changes: np.ndarray) -> list[tuple[int, int]]:
    """Return the span of each column of (frames, positions), in which no frame is left out."""
    spans = []
    for column in changes.T:
        (places,) = np.nonzero(column)
        assert places.tolist() == list(range(places[0], places[-1] + 1))
        spans.append((int(places[0]), int(places[-1]) + 1))
    return spans


@pytest.mark.parametrize("num_frames", [*range(FEWEST_FRAMES, 100), 250, 384, 600])
def test_the_number_of_logits_equals_that_of_the_network(num_frames: int) -> None:
    assert count_logits(num_frames) == len(logits_over_time(_noise(num_frames)))


def test_nine_frames_are_the_fewest_that_have_a_logit() -> None:
    assert FEWEST_FRAMES == 9
    assert len(logits_over_time(_noise(FEWEST_FRAMES))) == 1
    assert len(logits_over_time(_noise(FEWEST_FRAMES - 1))) == 0
    assert count_logits(FEWEST_FRAMES - 1) == 0


def test_the_temporal_stride_is_eight_frames() -> None:
    values = _noise(400)
    whole = logits_over_time(values)

    # Away from the ends, a video that starts a stride later has the same logits.
    later = logits_over_time(values[TIME_STRIDE:])

    np.testing.assert_allclose(later[15:-15], whole[16:-15], rtol=1e-9)
    assert TIME_STRIDE == 8


@pytest.mark.slow
@pytest.mark.parametrize("num_frames", LENGTHS)
def test_the_frames_of_a_position_are_those_that_leave_a_trace_in_it(num_frames: int) -> None:
    spans = [receptive_span(position, num_frames) for position in range(count_logits(num_frames))]

    assert spans == _seen_by_table(num_frames)


@pytest.fixture(scope="module")
def compiled() -> openvino.CompiledModel:
    """The small network, whose weights are all positive, for videos of any length."""
    model = small_positions(79, height=1, width=1, positive=True)
    model.reshape([1, -1, 3, 1, 1])
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


# The frames at the ends of all spans, for each remainder by 8, and the frames beside them.
@pytest.mark.parametrize("num_frames", [16, *range(240, 248)])
def test_only_frames_of_the_span_change_a_position_of_the_network(
    compiled: openvino.CompiledModel, num_frames: int
) -> None:
    positions = range(count_logits(num_frames))
    spans = [receptive_span(position, num_frames) for position in positions]
    frames = {
        frame
        for span in spans
        for end in span
        for frame in (end - 1, end)
        if 0 <= frame < num_frames
    }
    video = np.full((1, num_frames, 3, 1, 1), 100, np.float32)
    before = compiled(video)[0][0].copy()

    for frame in frames:
        changed = video.copy()
        changed[0, frame] = 1e6
        (places,) = np.nonzero((compiled(changed)[0][0] != before).any(axis=1))
        expected = [p for p, (first, stop) in enumerate(spans) if first <= frame < stop]
        assert places.tolist() == expected, frame


def test_a_position_far_from_the_ends_depends_on_107_frames() -> None:
    assert RECEPTIVE_FRAMES == 107
    for num_frames in range(400, 408):
        first, stop = receptive_span(20, num_frames)
        assert stop - first == RECEPTIVE_FRAMES


@pytest.mark.slow
@pytest.mark.parametrize("num_frames", range(240, 248))
def test_the_centre_is_in_the_middle_of_the_frames(num_frames: int) -> None:
    spans = _seen_by_table(num_frames)

    for position in range(8, 22):
        first, stop = spans[position]
        assert center_frame(position, num_frames) == (first + stop - 1) / 2


@pytest.mark.parametrize("num_frames", range(400, 408))
def test_centres_go_on_at_both_ends(num_frames: int) -> None:
    centers = [center_frame(each, num_frames) for each in range(count_logits(num_frames))]

    assert set(np.diff(centers)) == {TIME_STRIDE}
    assert 0 <= centers[0] < 2 * TIME_STRIDE
    assert num_frames - 2 * TIME_STRIDE < centers[-1] < num_frames


@pytest.mark.parametrize("num_frames", [*range(9, 33), *range(400, 408)])
def test_missing_frames_before_a_video_make_its_length_a_multiple_of_8(num_frames: int) -> None:
    """If frames before it are no frames in any layer either, its positions are the same."""
    missing = missing_before(num_frames)

    assert 0 <= missing < 4
    shift = center_frame(0, 8 * num_frames) - center_frame(0, num_frames)
    assert shift == missing
    # Together they do not have a position more.
    assert count_logits(missing + num_frames) == count_logits(num_frames)
