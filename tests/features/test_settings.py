"""Settings are checked when they are made, and presets say what published features used."""

from __future__ import annotations

import math

import pytest

from i3d_rgb_tf.choices import PRESET_NAMES
from i3d_rgb_tf.features.presets import PRESETS
from i3d_rgb_tf.features.settings import FeatureSettings


def test_the_default_is_one_dense_pass_at_the_rate_of_the_training() -> None:
    settings = FeatureSettings()

    assert settings.is_dense
    assert (settings.stride, settings.frames_per_second, settings.crops) == (8, 25, 1)


def test_windows_follow_each_other_unless_a_stride_is_given() -> None:
    assert FeatureSettings(window=16) == FeatureSettings(window=16, stride=16)
    assert FeatureSettings(window=16, stride=4).step == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 8}, "window is 8, expected 9 to 384 frames: .*; use the dense pass"),
        ({"window": 385}, "window is 385, expected 9 to 384 frames"),
        ({"window": 16, "stride": 0}, "stride is 0, expected 1 or more frames"),
        ({"stride": 4}, "stride is 4 without a window, expected 8, .*; give a window too"),
        ({"last_window": "pad"}, "last_window is pad without a window; .*; give a window too"),
        ({"window": 16, "last_window": "keep"}, "last_window is 'keep', expected one of drop, pad"),
        ({"frames_per_second": 0}, "frames_per_second is 0, expected 0.001 or more"),
        ({"frames_per_second": math.inf}, "frames_per_second is inf"),
        ({"frames_per_second": math.nan}, "frames_per_second is nan"),
        ({"crops": 2}, "crops is 2, expected one of 1, 3, 5, 10"),
        ({"pooling": "max"}, "pooling is 'max', expected one of none, mean"),
        ({"segments": 0}, "segments is 0, expected 1 or more"),
        ({"segments": 32, "pooling": "mean"}, "expected one of them; leave one out"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        FeatureSettings(**options)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("window", [9, 384])
def test_the_shortest_and_the_longest_window_are_accepted(window: int) -> None:
    assert FeatureSettings(window=window).window == window


def test_every_preset_has_a_row_with_its_source() -> None:
    assert tuple(PRESETS) == PRESET_NAMES
    for preset in PRESETS.values():
        assert "github.com/" in preset.source
        assert preset.differences


@pytest.mark.parametrize(
    ("name", "window", "stride", "rate"),
    [
        ("thumos14", 16, 4, None),
        ("activitynet", 16, 16, 25),
        ("charades", None, 8, 24),
        ("captioning", 24, 24, 25),
        ("video_features", 64, 64, None),
    ],
)
def test_a_preset_has_the_published_settings(
    name: str, window: int | None, stride: int, rate: float | None
) -> None:
    expected = FeatureSettings(window=window, stride=stride, frames_per_second=rate)

    assert PRESETS[name].settings == expected
    assert expected.last_window == ("drop" if window else None)
