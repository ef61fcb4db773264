"""Settings of published features, each with its source and with what cannot be matched.

All of them have a second half, of optical flow, which this network does not have.
"""

from __future__ import annotations

from dataclasses import dataclass

from i3d_rgb_tf.choices import PresetName
from i3d_rgb_tf.features.settings import FeatureSettings

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True)
class Preset:
    """Settings that published features were made with."""

    settings: FeatureSettings
    """What the source states; the rest is the default."""
    source: str
    """Who states it, and where."""
    differences: str
    """What the source leaves open, or what is done differently here."""


PRESETS: dict[PresetName, Preset] = {
    "thumos14": Preset(
        FeatureSettings(window=16, stride=4, frames_per_second=None),
        "ActionFormer (github.com/happyharrycn/actionformer_release, README): clips of 16 frames "
        "every 4 frames at the rate of the video, about 30",
        "it does not state what became of the last frames; here they are left out",
    ),
    "activitynet": Preset(
        FeatureSettings(window=16, stride=16, frames_per_second=25.0),
        "ActionFormer (github.com/happyharrycn/actionformer_release, README): clips of 16 frames "
        "every 16 frames at 25 per second",
        "it does not state what became of the last frames; here they are left out",
    ),
    "charades": Preset(
        FeatureSettings(frames_per_second=24.0),
        "pytorch-i3d (github.com/piergiaj/pytorch-i3d, extract_features.py): the whole video in "
        "one pass, which gives a feature every 8 frames, on the frames of Charades at 24 per "
        "second",
        "its frames are as large as they are, or enlarged to a short side of 226; its weights are "
        "fine-tuned on the 157 classes of Charades; videos of over 1600 frames are cut there into "
        "parts that overlap, so they have more rows",
    ),
    "captioning": Preset(
        FeatureSettings(window=24, stride=24, frames_per_second=25.0),
        "MDVC (github.com/v-iashin/MDVC, README): i3d_25fps_stack24step24_2stream, windows of 24 "
        "frames every 24 frames at 25 per second, by the extractor of video_features",
        "as for video_features",
    ),
    "video_features": Preset(
        FeatureSettings(window=64, stride=64, frames_per_second=None),
        "video_features (github.com/v-iashin/video_features, configs/i3d.yml): windows of 64 "
        "frames every 64 frames at the rate of the video, whole windows only",
        "it needs a frame after each window, so a video that ends with a window has one feature "
        "more here; a video shorter than a window has none there, and is repeated here",
    ),
}
"""By the name that ``features --preset`` takes."""
