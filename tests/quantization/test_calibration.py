"""Clips for calibration are taken evenly from videos that can be named in several ways."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from i3d_rgb_tf.errors import DatasetError, QuantizationError, StorageError, VideoError
from i3d_rgb_tf.quantization.calibration import find_calibration_videos, sample_clips
from videos import gray, write_video


def first_levels(clips):
    """Return the brightness of the first frame of each clip."""
    return [10 * round(float(clip[0].mean()) / 10) for clip in clips]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return videos of 9 clips, 2 clips and a rest, and less than one; each clip is brighter."""
    folder = tmp_path_factory.mktemp("videos")
    for name, num_frames, level in (("a", 9 * 79, 20), ("b", 2 * 79 + 30, 140), ("c", 10, 200)):
        frames = [gray(level + 10 * (index // 79), 32, 32) for index in range(num_frames)]
        write_video(folder / f"{name}.mp4", frames)
    return folder


def test_clips_are_spread_over_videos_and_time_and_every_third_is_held_out(folder):
    clips = sample_clips(sorted(folder.glob("*.mp4")), num_clips=6)

    assert clips.num_videos == 3
    # Three spread over the long video, two complete ones of the second, and the short one.
    assert first_levels(clips.calibration) == [20, 100, 140, 200]
    assert first_levels(clips.held_out) == [60, 150]
    assert clips.held_out[0].shape == (79, 224, 224, 3)
    assert clips.held_out[0].dtype == np.uint8


def test_no_frame_is_in_two_clips(folder):
    clips = sample_clips([folder / "b.mp4"])

    assert first_levels(clips.calibration) == [140]
    assert first_levels(clips.held_out) == [150]


def test_a_single_clip_is_too_few(folder):
    expected = r"found 1 separate clips of 79 frames, expected at least 2 \(30 or more are better\)"
    with pytest.raises(QuantizationError, match=expected):
        sample_clips([folder / "c.mp4"])


def test_videos_that_cannot_be_read_are_counted_in_the_error(tmp_path):
    videos = [tmp_path / "a.mp4", tmp_path / "b.mp4"]

    with pytest.raises(QuantizationError, match="none of the 2 calibration videos can be read; "):
        sample_clips(videos)


def test_no_videos_are_an_error():
    with pytest.raises(QuantizationError, match="there are no calibration videos; give at least"):
        sample_clips([])


def test_an_unreadable_video_is_skipped_with_a_warning(folder, tmp_path, caplog):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")

    with caplog.at_level(logging.WARNING, logger="i3d_rgb_tf"):
        clips = sample_clips([bad, folder / "b.mp4"])

    assert clips.num_videos == 1
    assert "skipping a calibration video: cannot read" in caplog.text


def test_the_videos_of_a_manifest_are_found(folder, tmp_path):
    manifest = tmp_path / "manifest.json"
    paths = {"b": str(folder / "b.mp4"), "c": "#1.mp4"}
    rows = [{"name": name, "path": path, "label": "yoga"} for name, path in paths.items()]
    manifest.write_text(json.dumps(rows))

    assert find_calibration_videos([manifest]) == [folder / "b.mp4", tmp_path / "#1.mp4"]


@pytest.mark.parametrize("text", ["{", "[1]", '[{"label": "yoga"}]', '[{"path": 3}]', "3"])
def test_a_json_file_that_is_not_a_manifest_is_an_error(tmp_path, text):
    (tmp_path / "other.json").write_text(text)

    with pytest.raises(DatasetError, match=r"other\.json is not as i3d-rgb-tf prepare writes it: "):
        find_calibration_videos([tmp_path / "other.json"])


def test_a_video_in_files_folders_and_lists_is_found_once(folder, tmp_path):
    # With the UTF-8 BOM that Windows writes.
    text = f"\ufeff# the best\n\n{folder}/b.mp4\nown.mp4\n"
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")

    found = find_calibration_videos([folder / "c.mp4", tmp_path / "list.txt", folder])

    names = [path.name for path in found]
    assert names == ["c.mp4", "b.mp4", "own.mp4", "a.mp4"]
    assert found[2] == tmp_path / "own.mp4"


def test_a_folder_can_have_the_suffix_of_a_list(folder, tmp_path):
    (tmp_path / "videos.txt").symlink_to(folder)

    found = find_calibration_videos([tmp_path / "videos.txt"])

    assert [path.name for path in found] == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_missing_list_is_an_error(tmp_path):
    with pytest.raises(StorageError, match=r"cannot read .*none.txt: No such file .*; check the"):
        find_calibration_videos([tmp_path / "none.txt"])
    with pytest.raises(DatasetError, match=r"there is no .*none.json; make it with: i3d-rgb-tf pr"):
        find_calibration_videos([tmp_path / "none.json"])


def test_a_list_that_is_not_utf8_is_an_error(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xff.mp4\n")

    with pytest.raises(DatasetError, match=r"list.txt is not UTF-8: .*; save it as UTF-8"):
        find_calibration_videos([tmp_path / "list.txt"])


def test_a_folder_without_videos_is_an_error(tmp_path):
    with pytest.raises(VideoError, match="holds no video"):
        find_calibration_videos([tmp_path])
