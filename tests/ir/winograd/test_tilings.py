"""The frames of a video are divided into tiles, each frame into one."""

from __future__ import annotations

import numpy as np
import pytest

from i3d_rgb_tf.ir.winograd.tilings import POINTS, TILINGS, Tiling, divide, frame_orders

NUM_FRAMES = (1, 7, 8, 9, 40, 79)


@pytest.mark.parametrize("tiling", [Tiling(8), Tiling(4), Tiling(8, at_once=1), Tiling(2, 3)])
@pytest.mark.parametrize("num_frames", NUM_FRAMES)
def test_every_frame_is_once_in_the_orders(num_frames, tiling):
    frames = [frame for order in frame_orders(num_frames, tiling) for frame in order]

    assert len(frames) == len(set(frames))
    assert set(range(num_frames)) <= set(frames)
    # The last tile is complete.
    assert len(frames) < num_frames + tiling.frames


@pytest.mark.parametrize("num_frames", NUM_FRAMES)
def test_the_tiles_of_a_batch_are_as_many_as_are_computed_at_once(num_frames):
    batches = divide(num_frames, Tiling(4, at_once=2))

    assert sorted(tile for batch in batches for tile in batch) == [*range(-(-num_frames // 4))]
    assert {len(batch) for batch in batches[:-1]} <= {2}
    assert len(batches[-1]) in (1, 2)


def test_the_same_places_of_all_tiles_are_neighbours():
    orders = frame_orders(24, Tiling(4, at_once=3))

    for order, first in zip(orders, (0, 12), strict=True):
        by_place = np.array(order).reshape(4, 3) - first
        np.testing.assert_array_equal(by_place % 4, [[0] * 3, [1] * 3, [2] * 3, [3] * 3])
        # The tiles are in the same order at every place.
        assert len({tuple(row) for row in by_place // 4}) == 1


@pytest.mark.parametrize("height", TILINGS)
def test_every_tile_is_one_that_there_are_points_for(height):
    num_taps = 4 if height == 112 else 3

    assert (TILINGS[height].frames, num_taps) in POINTS
