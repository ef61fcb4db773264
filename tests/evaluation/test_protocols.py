"""The inputs and predictions of each protocol, and how much memory they need."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from i3d_rgb_tf.choices import PROTOCOL_NAMES
from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.evaluation import protocols
from i3d_rgb_tf.evaluation.protocols import PROTOCOLS, clip_starts
from videos import gray, places, ramp, write_video

pytestmark = pytest.mark.slow


def inputs(protocol: str, path: Path) -> Iterator[np.ndarray]:
    return (frames for _, frames in PROTOCOLS[protocol].read(path))


def test_every_protocol_can_be_chosen_by_its_name() -> None:
    assert set(PROTOCOLS) == set(PROTOCOL_NAMES)


@pytest.mark.parametrize(
    ("num_frames", "starts"),
    [(250, (0, 85, 170)), (79, (0, 1, 2)), (81, (0, 1, 2)), (10, (0, 1, 2))],
)
def test_clips_start_where_the_zoo_starts_them(num_frames: int, starts: tuple[int, ...]) -> None:
    assert clip_starts(num_frames) == starts


def test_clip_takes_the_middle_of_a_video(tmp_path: Path) -> None:
    levels = [gray(10 + index) for index in range(99)]
    video = write_video(tmp_path / "x.mp4", levels, options={"crf": "1"})

    (clip,) = inputs("clip", video)

    assert clip.shape == (79, 224, 224, 3)
    assert abs(clip[0].mean() - 20) < 2
    assert abs(clip[-1].mean() - 98) < 2


@pytest.mark.parametrize(("width", "height"), [(340, 256), (256, 340), (64, 64), (320, 180)])
def test_zoo_makes_squares_of_frames_of_every_shape(
    tmp_path: Path, width: int, height: int
) -> None:
    for number in range(5):
        frame = gray(10 + 6 * number, width, height)
        Image.fromarray(frame).save(tmp_path / f"image_{number + 1:05d}.jpg", quality=95)

    clips = list(inputs("zoo", tmp_path))

    assert [clip.shape for clip in clips] == [(79, 224, 224, 3)] * 3
    assert [clip.dtype for clip in clips] == [np.float32] * 3
    # A clip that starts later loops the frames that are left.
    assert [places(clip[:7]) for clip in clips] == [
        [0, 1, 2, 3, 4, 0, 1],
        [1, 2, 3, 4, 1, 2, 3],
        [2, 3, 4, 2, 3, 4, 2],
    ]


@pytest.mark.parametrize(("num_frames", "message"), [(0, "has no frames"), (2, "expected 3 or mo")])
def test_zoo_rejects_a_folder_of_too_few_frames(
    tmp_path: Path, num_frames: int, message: str
) -> None:
    for number in range(num_frames):
        Image.fromarray(gray(10)).save(tmp_path / f"image_{number + 1:05d}.jpg")

    with pytest.raises(DatasetError, match=message):
        list(inputs("zoo", tmp_path))


def test_zoo_rejects_a_damaged_frame(tmp_path: Path) -> None:
    (tmp_path / "image_00001.jpg").write_text("no picture")

    with pytest.raises(DatasetError, match=r"cannot read the frame .*jpg: .*; prepare it again"):
        list(inputs("zoo", tmp_path))


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a minute of frames that become brighter by one level in every 8."""
    frames = [gray(10 + index // 8) for index in range(1500)]
    return write_video(tmp_path_factory.mktemp("long") / "x.mp4", frames, options={"crf": "1"})


@pytest.mark.parametrize("protocol", ["clip", "paper"])
def test_a_long_video_is_never_entirely_in_memory(
    long_video: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setattr(protocols, "_MOST_HELD", 128)
    tracemalloc.start()
    try:
        for _ in inputs(protocol, long_video):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    frame_bytes = 224 * 224 * 3
    assert peak < 3.5 * 128 * frame_bytes


def test_clip_takes_the_middle_of_a_long_video(long_video: Path) -> None:
    (clip,) = inputs("clip", long_video)

    # The middle of 1500 frames begins with frame 710.
    expected = [10 + index // 8 for index in range(710, 789)]
    assert np.abs(clip.mean(axis=(1, 2, 3)) - expected).max() < 2


@pytest.mark.parametrize("num_frames", [1, 8, 9, 13])
def test_paper_loops_a_short_video_until_it_is_long_enough(tmp_path: Path, num_frames: int) -> None:
    video = write_video(tmp_path / "x.mp4", ramp(num_frames), options={"crf": "1"})

    parts = list(PROTOCOLS["paper"].read(video))

    expected = [index % num_frames for index in range(max(9, num_frames))]
    assert places(np.concatenate([frames for _, frames in parts])) == expected
    assert {count for count, _ in parts} == {len(expected)}
    assert {frames.dtype for _, frames in parts} == {np.dtype(np.uint8)}


def test_paper_reads_each_frame_of_a_long_video_once(long_video: Path) -> None:
    parts = list(PROTOCOLS["paper"].read(long_video))

    frames = np.concatenate([part for _, part in parts])
    assert {count for count, _ in parts} == {1500}
    assert len(frames) == 1500
    levels = frames.mean(axis=(1, 2, 3))
    assert np.abs(levels - [10 + index // 8 for index in range(1500)]).max() < 2


@pytest.mark.parametrize(
    ("width", "height", "grown"), [(300, 130, (522, 224)), (90, 250, (224, 624))]
)
def test_zoo_stretches_a_flat_frame_as_accuracy_check_does(
    tmp_path: Path, width: int, height: int, grown: tuple[int, int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    for number in range(1, 4):
        Image.fromarray(noise).save(tmp_path / f"image_{number:05d}.jpg")
    frame = np.array(Image.open(tmp_path / "image_00001.jpg"))

    clip = next(inputs("zoo", tmp_path))

    # The long side becomes 256, in whole levels; then the short side 224, rounded up.
    scale = 256 / max(width, height)
    small = cv2.resize(frame, (int(width * scale), int(height * scale)))
    large = cv2.resize(small.astype(np.float32), grown)
    top, left = ((side - 224) // 2 for side in large.shape[:2])
    np.testing.assert_array_equal(clip[0], large[top : top + 224, left : left + 224])
