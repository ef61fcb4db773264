"""Frames are cropped and divided into clips that have every frame, in bounded memory."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.clips import (
    Clip,
    center_crop,
    loop_frames,
    read_clips,
    read_cropped,
    split_clips,
)
from i3d_rgb_tf.video.decode import read_frames
from videos import places, ramp, write_video


def numbered(count):
    return [np.full((2, 3, 3), index, np.uint8) for index in range(count)]


def numbers(clips):
    return [clip.frames[:, 0, 0, 0].tolist() for clip in clips]


# Cropping.


@pytest.mark.parametrize(
    ("shape", "top", "left"),
    [
        ((256, 342, 3), 16, 59),
        ((342, 256, 3), 59, 16),
        ((225, 227, 3), 0, 1),
        ((224, 224, 3), 0, 0),
    ],
)
def test_the_crop_is_a_view_of_the_centre(shape, top, left):
    frame = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    cropped = center_crop(frame, 224)

    np.testing.assert_array_equal(cropped, frame[top : top + 224, left : left + 224])
    assert np.shares_memory(cropped, frame)


def test_several_frames_are_cropped_at_once():
    frames = np.stack([np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)] * 2)

    np.testing.assert_array_equal(center_crop(frames, 3)[1], center_crop(frames[1], 3))


def test_a_frame_smaller_than_the_crop_is_an_error():
    with pytest.raises(VideoError, match="a frame is 340x223, expected at least 224x224"):
        center_crop(np.zeros((223, 340, 3), np.uint8), 224)


# Looping.


def test_a_short_video_is_looped():
    assert loop_frames(np.arange(3, dtype=np.uint8), 7).tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_a_long_video_is_returned_unchanged():
    frames = np.arange(9, dtype=np.uint8)

    assert loop_frames(frames, 7) is frames


def test_looping_no_frames_is_an_error():
    with pytest.raises(VideoError, match="no frames, expected at least 1"):
        loop_frames(np.empty(0, np.uint8), 4)


# Splitting.


@pytest.mark.parametrize(
    ("count", "clips", "stops", "overlaps"),
    [
        (1, [[0, 0, 0, 0]], [1], [0]),
        (3, [[0, 1, 2, 0]], [3], [0]),
        (4, [[0, 1, 2, 3]], [4], [0]),
        (5, [[0, 1, 2, 3], [1, 2, 3, 4]], [4, 5], [0, 3]),
        (8, [[0, 1, 2, 3], [4, 5, 6, 7]], [4, 8], [0, 0]),
        (10, [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]], [4, 8, 10], [0, 0, 2]),
    ],
)
def test_clips_are_consecutive_and_the_last_ends_with_the_video(count, clips, stops, overlaps):
    found = list(split_clips(numbered(count), 4))

    assert numbers(found) == clips
    assert [clip.stop for clip in found] == stops
    assert [clip.overlap for clip in found] == overlaps


def test_a_clip_is_one_contiguous_array_of_bytes():
    (clip,) = split_clips(numbered(2), 79)

    assert clip.frames.shape == (79, 2, 3, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.frames.flags.c_contiguous


def test_frames_are_copied_from_a_source_that_reuses_its_array():
    frame = np.zeros((2, 3, 3), np.uint8)

    def reused():
        for index in range(6):
            frame[:] = index
            yield frame

    assert numbers(split_clips(reused(), 4)) == [[0, 1, 2, 3], [2, 3, 4, 5]]


def test_at_most_two_clips_are_in_memory():
    arrays = []
    for clip in split_clips(numbered(50), 4):
        arrays.append(weakref.ref(clip.frames))
        del clip
        assert sum(each() is not None for each in arrays) <= 2
    assert len(arrays) == 13


def test_splitting_no_frames_is_an_error():
    with pytest.raises(VideoError, match="no frames, expected at least 1"):
        list(split_clips([], 4))


def test_frames_of_different_sizes_are_an_error():
    frames = [np.zeros((2, 3, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)]

    with pytest.raises(VideoError, match=r"has shape \(1, 1, 3\), expected \(2, 3, 3\)"):
        list(split_clips(frames, 4))


# Files.


def test_the_frames_of_a_file_are_cropped(tmp_path):
    video = write_video(tmp_path / "x.mp4", ramp(5), rate=25)

    found = list(read_cropped(video, 224))

    assert {frame.shape for frame in found} == {(224, 224, 3)}
    for frame, whole in zip(found, read_frames(video), strict=True):
        np.testing.assert_array_equal(frame, center_crop(whole, 224))


def test_the_clips_of_a_file_have_the_length_and_size_asked_for(tmp_path):
    video = write_video(tmp_path / "x.mp4", ramp(10), rate=25)

    clips = list(read_clips(video, num_frames=4, size=32))

    assert all(isinstance(clip, Clip) for clip in clips)
    assert {clip.frames.shape for clip in clips} == {(4, 32, 32, 3)}
    assert [places(clip.frames) for clip in clips] == [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]]


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(VideoError, match="there is no video"):
        list(read_clips(tmp_path / "x.mp4", num_frames=4, size=32))
