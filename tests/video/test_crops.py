"""Crops are the squares that their names say."""

from __future__ import annotations

import numpy as np
import pytest

from i3d_rgb_tf.choices import CROP_COUNTS
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.crops import CROP_NAMES, crop_frame


def numbered(height: int, width: int) -> np.ndarray:
    """Return a frame whose colours are the row, the column and 0."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8)


def corners(crop: np.ndarray) -> tuple[list[int], list[int]]:
    """Return row and column of the first and of the last pixel."""
    return crop[0, 0, :2].tolist(), crop[-1, -1, :2].tolist()


def test_every_number_of_crops_has_names() -> None:
    assert tuple(CROP_NAMES) == CROP_COUNTS
    for number, names in CROP_NAMES.items():
        assert len(names) == number
        crops = crop_frame(numbered(30, 40), number, 20)
        assert [crop.shape for crop in crops] == [(20, 20, 3)] * number


def test_three_crops_lie_along_the_longer_side() -> None:
    wide = [corners(crop) for crop in crop_frame(numbered(30, 40), 3, 20)]
    high = [corners(crop) for crop in crop_frame(numbered(40, 30), 3, 20)]

    assert wide == [([5, 0], [24, 19]), ([5, 10], [24, 29]), ([5, 20], [24, 39])]
    assert high == [([0, 5], [19, 24]), ([10, 5], [29, 24]), ([20, 5], [39, 24])]


FIVE = [
    ([0, 0], [19, 19]),
    ([0, 20], [19, 39]),
    ([10, 0], [29, 19]),
    ([10, 20], [29, 39]),
    ([5, 10], [24, 29]),
]


def test_five_crops_are_the_corners_and_the_centre_in_the_order_of_torchvision() -> None:
    assert [corners(crop) for crop in crop_frame(numbered(30, 40), 5, 20)] == FIVE


def test_ten_crops_are_five_of_the_frame_and_five_of_its_mirror_image() -> None:
    crops = crop_frame(numbered(30, 40), 10, 20)

    assert [corners(crop) for crop in crops[:5]] == FIVE
    mirrored = [((top, 39 - left), (bottom, 39 - right)) for (top, left), (bottom, right) in FIVE]
    assert [tuple(map(tuple, corners(crop))) for crop in crops[5:]] == mirrored


@pytest.mark.parametrize("number", CROP_COUNTS)
def test_a_frame_that_is_too_small_is_refused(number: int) -> None:
    with pytest.raises(VideoError, match="a frame is 40x19, expected at least 20x20"):
        crop_frame(numbered(19, 40), number, 20)
