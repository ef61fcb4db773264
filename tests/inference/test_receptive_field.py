"""The receptive field is the one of the architecture table, applied to numbers."""

from __future__ import annotations

import numpy as np
import pytest

from i3d_rgb_tf.inference.receptive_field import (
    FEWEST_FRAMES,
    TIME_STRIDE,
    count_logits,
    exact_logits,
)
from networks import logits_over_time


def _noise(num_frames: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=num_frames)


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


@pytest.mark.parametrize("length", [*range(240, 248)])
@pytest.mark.parametrize(("at_start", "at_end"), [(True, False), (False, False), (False, True)])
def test_logits_away_from_cuts_equal_those_of_the_whole_video(
    length: int, at_start: bool, at_end: bool
) -> None:
    # Padding depends on the length modulo the stride, so the whole video has the same remainder.
    values = _noise(length + 40 * TIME_STRIDE)
    start = 0 if at_start else 40 * TIME_STRIDE if at_end else 20 * TIME_STRIDE
    whole = logits_over_time(values)[start // TIME_STRIDE :]

    part = logits_over_time(values[start : start + length])

    span = exact_logits(length, at_start=at_start, at_end=at_end)
    equal = np.isclose(part, whole[: len(part)], rtol=1e-9)
    assert span.length == len(part)
    assert 0 < span.last - span.first < span.length
    assert np.flatnonzero(equal).tolist() == list(range(span.first, span.last))


def test_without_a_cut_every_logit_is_exact() -> None:
    span = exact_logits(79, at_start=True, at_end=True)

    assert (span.first, span.last, span.length) == (0, 9, 9)
