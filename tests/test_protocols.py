"""The frames that each protocol takes, and how much memory they need."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3d_rgb_tf import protocols
from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.protocols import clip_starts, middle_clip, whole_video, zoo_clips
from i3d_rgb_tf.whole import count_logits
from videos import gray, places, ramp, write_video


@pytest.mark.parametrize(
    ("num_frames", "starts"),
    [(250, (0, 85, 170)), (79, (0, 1, 2)), (81, (0, 1, 2)), (10, (0, 1, 2))],
)
def test_clips_start_where_the_zoo_starts_them(num_frames: int, starts: tuple[int, ...]) -> None:
    assert clip_starts(num_frames) == starts


def test_the_middle_clip_is_the_middle(tmp_path: Path) -> None:
    levels = [gray(10 + index) for index in range(99)]
    video = write_video(tmp_path / "x.mp4", levels, options={"crf": "1"})

    (clip,) = middle_clip(video)

    assert clip.shape == (79, 224, 224, 3)
    assert abs(clip[0].mean() - 20) < 2
    assert abs(clip[-1].mean() - 98) < 2


@pytest.mark.parametrize(("width", "height"), [(340, 256), (256, 340), (64, 64), (320, 180)])
def test_frames_of_every_shape_become_squares(tmp_path: Path, width: int, height: int) -> None:
    pytest.importorskip("cv2", reason="needs OpenCV, from the extra evaluate")
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, from the extra evaluate")
    for number in range(5):
        frame = gray(10 + 6 * number, width, height)
        image.fromarray(frame).save(tmp_path / f"image_{number + 1:05d}.jpg", quality=95)

    clips = list(zoo_clips(tmp_path))

    assert [clip.shape for clip in clips] == [(79, 224, 224, 3)] * 3
    assert [clip.dtype for clip in clips] == [np.float32] * 3
    # A clip that starts later loops what is left.
    assert [places(clip[:7]) for clip in clips] == [
        [0, 1, 2, 3, 4, 0, 1],
        [1, 2, 3, 4, 1, 2, 3],
        [2, 3, 4, 2, 3, 4, 2],
    ]


def test_a_folder_without_frames_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no frames"):
        list(zoo_clips(tmp_path))


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a minute of frames that become brighter by one level in every 8."""
    frames = [gray(10 + index // 8) for index in range(1500)]
    return write_video(tmp_path_factory.mktemp("long") / "x.mp4", frames, options={"crf": "1"})


@pytest.mark.parametrize("read", [middle_clip, whole_video])
def test_a_long_video_is_never_in_memory(
    long_video: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], Iterator[Any]]
) -> None:
    monkeypatch.setattr(protocols, "MOST_FRAMES", 128)
    tracemalloc.start()
    try:
        for _ in read(long_video):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    frame_bytes = 224 * 224 * 3
    assert peak < 3.5 * 128 * frame_bytes


def test_the_middle_of_a_long_video_is_the_middle(long_video: Path) -> None:
    (clip,) = middle_clip(long_video)

    # The middle of 1500 frames begins with frame 710.
    expected = [10 + index // 8 for index in range(710, 789)]
    assert np.abs(clip.mean(axis=(1, 2, 3)) - expected).max() < 2


@pytest.mark.parametrize("num_frames", [1, 8, 9, 13])
def test_a_short_video_is_looped_until_it_is_long_enough(tmp_path: Path, num_frames: int) -> None:
    video = write_video(tmp_path / "x.mp4", ramp(num_frames), options={"crf": "1"})

    ((part, logits),) = whole_video(video)

    assert part.dtype == np.uint8
    expected = [index % num_frames for index in range(max(9, num_frames))]
    assert places(part) == expected
    assert logits == slice(0, count_logits(len(expected)))


def test_a_long_video_comes_in_chunks_without_a_gap(long_video: Path) -> None:
    parts = [(len(part), logits) for part, logits in whole_video(long_video)]

    assert {length for length, _ in parts} == {380}
    assert sum(logits.stop - logits.start for _, logits in parts) == count_logits(1500)


@pytest.mark.parametrize(
    ("width", "height", "grown"), [(300, 130, (522, 224)), (90, 250, (224, 624))]
)
def test_a_flat_frame_is_stretched_as_accuracy_check_stretches_it(
    tmp_path: Path, width: int, height: int, grown: tuple[int, int]
) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV, from the extra evaluate")
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, from the extra evaluate")
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    for number in range(1, 4):
        image.fromarray(noise).save(tmp_path / f"image_{number:05d}.jpg")
    frame = np.array(image.open(tmp_path / "image_00001.jpg"))

    clip = next(zoo_clips(tmp_path))

    # The long side becomes 256, in whole levels; then the short side 224, rounded up.
    scale = 256 / max(width, height)
    small = cv2.resize(frame, (int(width * scale), int(height * scale)))
    large = cv2.resize(small.astype(np.float32), grown)
    top, left = ((side - 224) // 2 for side in large.shape[:2])
    np.testing.assert_array_equal(clip[0], large[top : top + 224, left : left + 224])
