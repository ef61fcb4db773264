import json
import logging

import numpy as np
import pytest

from i3d_rgb_tf.calibration import find_calibration_videos, sample_clips
from i3d_rgb_tf.errors import QuantizationError, StorageError, VideoError
from videos import gray, write_video


def first_levels(clips):
    """Return the brightness of the first frame of each clip."""
    return [10 * round(float(clip[0].mean()) / 10) for clip in clips]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three videos of 9 clips, 2 clips and a bit, and less than one; brighter clip by clip."""
    folder = tmp_path_factory.mktemp("videos")
    for name, num_frames, level in (("a", 9 * 79, 20), ("b", 2 * 79 + 30, 140), ("c", 10, 200)):
        frames = [gray(level + 10 * (index // 79), 32, 32) for index in range(num_frames)]
        write_video(folder / f"{name}.mp4", frames)
    return folder


def test_clips_are_spread_over_videos_and_time_and_every_third_is_set_aside(folder):
    clips = sample_clips(sorted(folder.glob("*.mp4")), num_clips=6)

    assert clips.num_videos == 3
    # Three of the long video, far from each other; both whole ones of the second; the short one.
    assert first_levels(clips.calibration) == [20, 100, 140, 200]
    assert first_levels(clips.set_aside) == [60, 150]
    assert clips.set_aside[0].shape == (79, 224, 224, 3)
    assert clips.set_aside[0].dtype == np.uint8


def test_no_frame_is_in_two_clips(folder):
    clips = sample_clips([folder / "b.mp4"])

    assert first_levels(clips.calibration) == [140]
    assert first_levels(clips.set_aside) == [150]


def test_a_single_clip_is_too_few(folder):
    with pytest.raises(QuantizationError, match="have 1 clips of 79 frames .* at least 2"):
        sample_clips([folder / "c.mp4"])


def test_a_bad_video_is_passed_over(folder, tmp_path, caplog):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")

    with caplog.at_level(logging.WARNING, logger="i3d_rgb_tf"):
        clips = sample_clips([bad, folder / "b.mp4"])

    assert clips.num_videos == 1
    assert "passing over a calibration video: cannot read" in caplog.text


def test_a_manifest_of_prepare_names_videos(folder, tmp_path):
    manifest = tmp_path / "manifest.json"
    rows = [{"name": "b", "path": str(folder / "b.mp4"), "label": "yoga"}, {"path": "#1.mp4"}]
    # What is missing has no path.
    manifest.write_text(json.dumps([*rows, {"name": "c", "path": "", "label": "yoga"}]))

    assert find_calibration_videos([manifest]) == [folder / "b.mp4", tmp_path / "#1.mp4"]


@pytest.mark.parametrize("text", ["{", "[1]", '[{"label": "yoga"}]', '[{"path": 3}]', "3"])
def test_another_json_is_refused(tmp_path, text):
    (tmp_path / "other.json").write_text(text)

    with pytest.raises(StorageError, match=r"other\.json: .*expected .* the manifest\.json of"):
        find_calibration_videos([tmp_path / "other.json"])


def test_files_folders_and_lists_name_videos_once(folder, tmp_path):
    # With the mark that Windows puts before UTF-8.
    text = f"\ufeff# the best\n\n{folder}/b.mp4\nown.mp4\n"
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")

    found = find_calibration_videos([folder / "c.mp4", tmp_path / "list.txt", folder])

    names = [path.name for path in found]
    assert names == ["c.mp4", "b.mp4", "own.mp4", "a.mp4"]
    assert found[2] == tmp_path / "own.mp4"


def test_a_folder_may_be_called_like_a_list(folder, tmp_path):
    (tmp_path / "videos.txt").symlink_to(folder)

    found = find_calibration_videos([tmp_path / "videos.txt"])

    assert [path.name for path in found] == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_list_that_is_missing_is_named(tmp_path):
    with pytest.raises(StorageError, match="cannot read the list of videos .*none.txt"):
        find_calibration_videos([tmp_path / "none.txt"])


def test_a_folder_without_videos_is_named(tmp_path):
    with pytest.raises(VideoError, match="holds no video"):
        find_calibration_videos([tmp_path])
