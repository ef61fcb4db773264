"""Features follow what is shown, not how it is encoded: the picture behind docs/own-classes.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.model import Model, load_model
from i3d_rgb_tf.video.decode import read_frames
from videos import write_video

KINDS = {"windows": FeatureSettings(window=16), "dense": FeatureSettings()}
SAME_MOMENT = {"windows": 0.99, "dense": 0.98}
"""The least cosine, in docs/own-classes.md."""
H264: dict[str, Any] = {"codec": "libx264", "options": {"crf": "18", "preset": "fast"}}
VP9: dict[str, Any] = {
    "codec": "libvpx-vp9",
    "options": {"crf": "20", "b": "0", "cpu-used": "5"},
}
NUM_FRAMES = 112


@pytest.fixture(scope="module")
def model(model_root: Path) -> Model:
    return load_model(directory=model_root, inference_precision="f32", cache=False)


@pytest.fixture(scope="module")
def videos(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return one clip in two encodings, and a clip of another action."""
    folder = tmp_path_factory.mktemp("encodings")
    dog, lift = (
        # H.264 takes even sides only.
        [frame[:, :340] for frame in list(read_frames(shared_folder / "clips" / name))[:NUM_FRAMES]]
        for name in ("activitynet_v_ZNVhz7ctTq0.mp4", "activitynet_v_GGSY1Qvo990.mp4")
    )
    return [
        write_video(folder / "dog.mp4", dog, **H264),
        write_video(folder / "dog.webm", dog, **VP9),
        write_video(folder / "lift.mp4", lift, **H264),
    ]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of features."""
    return str(request.param)


@pytest.fixture(scope="module")
def directions(kind: str, model: Model, videos: list[Path]) -> list[NDArray[np.float32]]:
    """Return the features of each video, each row divided by its length."""
    rows = [model.features(video, KINDS[kind]).features for video in videos]
    return [each / np.linalg.norm(each, axis=1, keepdims=True) for each in rows]


@pytest.mark.slow
def test_the_same_moment_in_two_encodings_is_more_similar_than_different_actions(
    kind: str, directions: list[NDArray[np.float32]]
) -> None:
    h264, vp9, other = directions
    same_moment = (h264 * vp9).sum(axis=1)
    different_action = h264 @ other.T

    assert len(h264) == len(vp9) >= 7
    assert same_moment.min() > SAME_MOMENT[kind]
    assert different_action.max() < 0.8


@pytest.mark.slow
def test_the_two_encodings_differ(videos: list[Path]) -> None:
    h264, vp9 = (next(iter(read_frames(video))).astype(int) for video in videos[:2])

    assert np.abs(h264 - vp9).mean() > 0.5


@pytest.mark.slow
def test_the_last_row_of_a_dense_pass_is_like_that_of_other_videos(
    model: Model, videos: list[Path]
) -> None:
    """As docs/features.md warns; TensorFlow gives the same."""
    one, other = (model.features(videos[index]).features for index in (0, 2))
    cosine = (one * other).sum(axis=1)
    cosine /= np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)

    assert cosine[-1] > 0.6
    assert cosine[:-1].max() < 0.5
