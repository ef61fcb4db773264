"""Videos are written as folders of JPEG frames, complete or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i3d_rgb_tf.errors import DependencyError, StorageError, VideoError
from i3d_rgb_tf.kinetics.jpeg_frames import check_pillow, estimate_bytes, extract_frames
from i3d_rgb_tf.video.decode import read_frames
from videos import cut, ramp, write_video


def _noise(num_frames: int) -> list[np.ndarray]:
    """Return frames that are large as JPEG."""
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(num_frames)]


def test_every_frame_is_written_in_the_size_of_the_video(tmp_path: Path) -> None:
    video = write_video(tmp_path / "x.mp4", _noise(12), rate=50)

    num_frames = extract_frames(video, tmp_path / "tree", "yoga/x")

    # 50 frames per second are resampled to 25.
    assert num_frames == 6
    files = sorted((tmp_path / "tree" / "yoga" / "x").iterdir())
    assert [file.name for file in files] == [f"image_{number:05d}.jpg" for number in range(1, 7)]
    for file in files:
        with Image.open(file) as picture:
            assert (picture.format, picture.size) == ("JPEG", (96, 64))


def test_frames_keep_their_colours(tmp_path: Path) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32] = (200, 30, 60)
    picture[32:] = (20, 180, 90)
    video = write_video(tmp_path / "x.mp4", [picture] * 2)

    extract_frames(video, tmp_path / "tree", "x")

    (expected, _) = read_frames(video, short_side=None)
    with Image.open(tmp_path / "tree" / "x" / "image_00001.jpg") as image:
        difference = np.abs(np.asarray(image).astype(int) - expected)
    # The border between two colours is less exact in JPEG.
    assert difference[:24].max() <= 3
    assert difference[40:].max() <= 3


def test_frames_have_a_high_jpeg_quality(tmp_path: Path) -> None:
    video = write_video(tmp_path / "x.mp4", _noise(1))

    extract_frames(video, tmp_path / "tree", "x")

    (frame,) = read_frames(video, short_side=None)
    with Image.open(tmp_path / "tree" / "x" / "image_00001.jpg") as image:
        found = image.quantization
    Image.fromarray(frame).save(tmp_path / "expected.jpg", quality=95)
    with Image.open(tmp_path / "expected.jpg") as image:
        assert found == image.quantization


def test_frames_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    for num_frames in (5, 3):
        video = write_video(tmp_path / "x.mp4", ramp(num_frames))

        assert extract_frames(video, tmp_path / "tree", "x") == num_frames

    assert len(list((tmp_path / "tree" / "x").iterdir())) == 3
    assert [each.name for each in (tmp_path / "tree").iterdir()] == ["x"]


def test_a_truncated_video_leaves_no_folder(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "x.mkv", _noise(20))
    extract_frames(whole, tmp_path / "tree", "earlier")

    with pytest.raises(VideoError, match="is damaged or truncated after"):
        extract_frames(cut(whole, 0.7), tmp_path / "tree", "x")

    assert [each.name for each in (tmp_path / "tree").iterdir()] == ["earlier"]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    video = write_video(tmp_path / "x.mp4", ramp(2))
    (tmp_path / "tree").write_text("a file where the folder should be")

    with pytest.raises(StorageError, match="cannot write .*; a file stands where a folder"):
        extract_frames(video, tmp_path / "tree", "x")


@pytest.mark.parametrize("num_videos", [1, 3, 20])
def test_the_bytes_of_videos_of_ten_seconds_are_estimated(tmp_path: Path, num_videos: int) -> None:
    video = write_video(tmp_path / "x.mp4", _noise(1) * 250)
    extract_frames(video, tmp_path / "tree", "x")
    needed = sum(file.stat().st_size for file in (tmp_path / "tree" / "x").iterdir())

    found = estimate_bytes([video] * num_videos)

    assert found == pytest.approx(num_videos * needed, rel=0.1)


def test_videos_that_cannot_be_read_are_left_out_of_the_estimate(tmp_path: Path) -> None:
    video = write_video(tmp_path / "x.mp4", _noise(2))

    assert estimate_bytes([video, tmp_path / "missing.mp4"]) == 2 * estimate_bytes([video])
    assert estimate_bytes([tmp_path / "missing.mp4"]) == 0
    assert estimate_bytes([]) == 0


def test_a_missing_pillow_is_an_error_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)

    with pytest.raises(DependencyError, match="needs Pillow; install it: pip install"):
        check_pillow()
    with pytest.raises(DependencyError, match="needs Pillow"):
        estimate_bytes([])
