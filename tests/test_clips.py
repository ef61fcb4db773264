"""Frames are cropped and stacked so that every one is seen, in bounded memory."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from i3d_rgb_tf.clips import center_crop, loop_frames, split_clips
from i3d_rgb_tf.errors import VideoError


def numbered(count):
    return [np.full((2, 3, 3), index, np.uint8) for index in range(count)]


def numbers(clips):
    return [clip[:, 0, 0, 0].tolist() for clip in clips]


@pytest.mark.parametrize(
    ("shape", "top", "left"),
    [
        ((256, 342, 3), 16, 59),
        ((342, 256, 3), 59, 16),
        ((225, 227, 3), 0, 1),
        ((224, 224, 3), 0, 0),
    ],
)
def test_the_crop_is_the_centre(shape, top, left):
    frame = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    cropped = center_crop(frame, 224)

    np.testing.assert_array_equal(cropped, frame[top : top + 224, left : left + 224])
    assert np.shares_memory(cropped, frame)


def test_many_frames_are_cropped_at_once():
    frames = np.stack([np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)] * 2)

    np.testing.assert_array_equal(center_crop(frames, 3)[1], center_crop(frames[1], 3))


def test_a_frame_smaller_than_the_crop_is_refused():
    with pytest.raises(VideoError, match="a frame is 340x223, expected at least 224x224"):
        center_crop(np.zeros((223, 340, 3), np.uint8), 224)


def test_a_short_video_starts_over():
    assert loop_frames(np.arange(3, dtype=np.uint8), 7).tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_a_long_video_stays():
    frames = np.arange(9, dtype=np.uint8)

    assert loop_frames(frames, 7) is frames


def test_nothing_cannot_be_looped():
    with pytest.raises(VideoError, match="no frames, expected at least 1"):
        loop_frames(np.empty(0, np.uint8), 4)


@pytest.mark.parametrize(
    ("count", "clips"),
    [
        (1, [[0, 0, 0, 0]]),
        (3, [[0, 1, 2, 0]]),
        (4, [[0, 1, 2, 3]]),
        (5, [[0, 1, 2, 3], [1, 2, 3, 4]]),
        (8, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (10, [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]]),
    ],
)
def test_clips_follow_each_other_and_the_last_ends_with_the_video(count, clips):
    assert numbers(split_clips(numbered(count), 4)) == clips


def test_a_clip_has_79_frames_unless_told_otherwise():
    (clip,) = split_clips(numbered(2))

    assert clip.shape == (79, 2, 3, 3)
    assert clip.dtype == np.uint8
    assert clip.flags.c_contiguous


def test_a_frame_that_is_written_over_later_stays_in_its_clip():
    frame = np.zeros((2, 3, 3), np.uint8)

    def reused():
        for index in range(6):
            frame[:] = index
            yield frame

    assert numbers(split_clips(reused(), 4)) == [[0, 1, 2, 3], [2, 3, 4, 5]]


def test_only_the_previous_clip_is_kept():
    clips = []
    for clip in split_clips(numbered(50), 4):
        clips.append(weakref.ref(clip))
        del clip
        assert sum(each() is not None for each in clips) <= 2


def test_no_frames_give_no_clip():
    with pytest.raises(VideoError, match="no frames, expected at least 1"):
        list(split_clips([], 4))


def test_frames_of_different_sizes_are_refused():
    frames = [np.zeros((2, 3, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)]

    with pytest.raises(VideoError, match=r"a frame is \(1, 1, 3\) after frames of \(2, 3, 3\)"):
        list(split_clips(frames, 4))
