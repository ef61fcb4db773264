"""Thumbnails are the frames on screen at their times, whether the file can be sought or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.thumbnails import read_thumbnails
from media import Maker, coded, display_matrix, edited, joined, numbers

H264 = "-c:v libx264 -preset ultrafast -bf 2 -g 25"
ONE_KEY_FRAME = "-c:v libx264 -preset ultrafast -bf 2 -g 9999"
TIMES = [0.0, 0.5, 7.013, 19.99, 20.01, 39.5]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "make"),
    [
        ("mp4", coded(H264, count=1000)),
        ("mkv", coded(H264, count=1000)),
        ("mkv", coded(f"{H264} -output_ts_offset 3", count=1000)),
        ("mp4", coded(ONE_KEY_FRAME, count=1000)),
        ("ts", coded(H264, count=1000)),
        ("avi", coded("-c:v mpeg4 -q:v 3 -g 25", count=1000)),
        ("flv", coded(H264, count=1000)),
        ("h264", coded(H264, count=1000)),
        ("webm", coded("-c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M -g 25", count=1000)),
        ("gif", coded("-c:v gif", count=1000)),
        # The clock is set back in the middle.
        ("ts", joined(coded(H264, count=500), coded(H264, count=500, first=500))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_they_are_on_screen_at_their_times(tmp_path: Path, suffix: str, make: Maker) -> None:
    video = tmp_path / f"video.{suffix}"
    make(video)

    thumbnails = read_thumbnails(video, TIMES, duration_seconds=40, short_side=64)

    assert numbers(each.pixels for each in thumbnails) == [int(25 * time) for time in TIMES]


def test_only_what_is_needed_is_decoded_where_the_file_can_be_sought(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    coded(H264, count=1000)(video)
    data = bytearray(video.read_bytes())
    # Zeros are no frames, so that nobody can decode what is between.
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    video.write_bytes(data)

    thumbnails = read_thumbnails(video, [0.5, 30], duration_seconds=40, short_side=64)

    assert numbers(each.pixels for each in thumbnails) == [12, 750]


def test_nothing_is_decoded_after_the_last_time(tmp_path: Path) -> None:
    video = tmp_path / "video.h264"
    coded(H264, count=400)(video)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))

    thumbnails = read_thumbnails(video, [0, 1], duration_seconds=16, short_side=64)

    assert numbers(each.pixels for each in thumbnails) == [0, 25]


@pytest.mark.parametrize(
    ("make", "ratio"),
    [
        (coded(H264), 3),
        (coded(f"-vf setsar=2 {H264}"), 6),
        (edited(coded(H264), display_matrix((0, 1, -1, 0))), 1 / 3),
        (edited(coded(f"-vf setsar=2 {H264}"), display_matrix((0, 1, -1, 0))), 1 / 6),
    ],
)
def test_the_aspect_ratio_is_that_of_the_picture_as_it_is_shown(
    tmp_path: Path, make: Maker, ratio: float
) -> None:
    video = tmp_path / "video.mp4"
    make(video)

    (thumbnail,) = read_thumbnails(video, [0], duration_seconds=1.6, short_side=64)

    assert thumbnail.aspect_ratio == pytest.approx(ratio, rel=0.01)


def test_a_time_after_the_end_gives_the_last_frame(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    coded(H264)(video)

    (thumbnail,) = read_thumbnails(video, [100], duration_seconds=1.6, short_side=64)

    assert numbers([np.asarray(thumbnail.pixels)]) == [39]


def test_a_video_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="there is no video"):
        read_thumbnails(tmp_path / "gone.mp4", [0], duration_seconds=1, short_side=64)
