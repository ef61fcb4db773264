"""The number of frames that the packets of a file promise is the number that decoding gives."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video import length
from i3d_rgb_tf.video.container import demux
from i3d_rgb_tf.video.decode import read_frames
from i3d_rgb_tf.video.length import count_frames
from media import (
    Maker,
    coded,
    converted,
    edit_list,
    edited,
    joined,
    lost_packets,
    replace_box,
)
from videos import cut, ramp, write_audio, write_video


class Row(NamedTuple):
    """A kind of video."""

    suffix: str
    name: str
    make: Maker


H264 = "-c:v libx264 -preset ultrafast -bf 2 -g 12"
PYRAMID = "-c:v libx264 -preset ultrafast -bf 3 -x264-params b-pyramid=normal:b-adapt=0"
OPEN_GOP = "-c:v libx264 -preset ultrafast -bf 2 -x264-params open-gop=1:keyint=10:scenecut=0"
HEVC = "-c:v libx265 -preset ultrafast -x265-params log-level=none"
VP8_HIDDEN = "-c:v libvpx -cpu-used 5 -b:v 1M -auto-alt-ref 1 -lag-in-frames 9"
VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 1M"
VP9_HIDDEN = "-c:v libvpx-vp9 -cpu-used 5 -b:v 1M -auto-alt-ref 1 -lag-in-frames 25"
MPEG2 = "-c:v mpeg2video -q:v 3 -bf 2"
MPEG4 = "-c:v mpeg4 -q:v 3 -bf 2"
GIF = "-c:v gif"
PASS = "-fps_mode passthrough"
UNEQUAL = f"-vf \"settb=1/1000,setpts='40*N+16*mod(N,3)'\" {PASS} -enc_time_base 1/1000"
PAUSE = f"-vf \"setpts='N+75*gte(N,20)'\" {PASS}"
SEVENTH = f"-vf \"select='mod(n,7)'\" {PASS}"
SEVENTH_EMPTY = "-vf \"select='mod(n,7)'\" -fps_mode vfr"
FRAME, DELAY = 512, 1024
"""Units of a frame in the tracks below, and of the first frame when there are B-frames."""

ROWS = [
    *(
        Row(suffix, f"{name}, {rate} per second", coded(options, rate=rate))
        for suffix, name, options in [
            ("mp4", "h264 with B-frames", H264),
            ("mkv", "h264 with a B-pyramid", PYRAMID),
            ("webm", "vp9", VP9),
            ("ts", "h264 with B-frames", H264),
            ("avi", "h264 with B-frames", H264),
            ("avi", "mpeg4 with B-frames", MPEG4),
        ]
        for rate in ("25", "15", "30000/1001", "60")
    ),
    *(Row("gif", f"gif, {rate} per second", coded(GIF, rate=rate)) for rate in ("25", "10", "50")),
    *(
        Row(suffix, name, coded(options))
        for suffix, name, options in [
            ("mp4", "h264 with open GOPs", OPEN_GOP),
            ("mp4", "h264 in fragments", f"{H264} -movflags frag_keyframe+empty_moov"),
            ("mp4", "hevc", HEVC),
            ("ts", "hevc", HEVC),
            ("ts", "mpeg2", MPEG2),
            ("webm", "vp8 with hidden frames", VP8_HIDDEN),
            ("webm", "vp9 with hidden frames", VP9_HIDDEN),
            ("mov", "prores", "-c:v prores_ks"),
            ("mp4", "frames of unequal length", f"{UNEQUAL} {H264}"),
            ("mkv", "frames of unequal length", f"{UNEQUAL} {H264}"),
            ("mp4", "without every seventh frame", f"{SEVENTH} {H264}"),
            ("ts", "without every seventh frame", f"{SEVENTH} {H264}"),
            ("avi", "without every seventh frame", f"{SEVENTH_EMPTY} {MPEG4}"),
            ("mp4", "a pause of 3 s", f"{PAUSE} {H264}"),
            ("mkv", "a pause of 3 s", f"{PAUSE} {H264}"),
            ("mp4", "from 3 s on", f"{H264} -output_ts_offset 3"),
            ("ts", "over the end of the clock", f"{H264} -output_ts_offset 95441.5"),
        ]
    ),
    *(
        Row("mp4", f"an edit list {name}", edited(coded(H264), edit_list(*segments)))
        for name, segments in [
            ("without the start", [(1200, DELAY + 10 * FRAME)]),
            ("without start and end", [(600, DELAY + 13 * FRAME)]),
            ("with a pause before", [(500, -1), (1600, DELAY)]),
            ("of two segments", [(800, DELAY), (800, DELAY + 20 * FRAME)]),
            ("of two segments with a gap", [(400, DELAY), (800, DELAY + 20 * FRAME)]),
            ("of the second half first", [(600, DELAY + 24 * FRAME), (600, DELAY)]),
        ]
    ),
    Row("mp4", "one frame", coded(H264, count=1)),
    Row("mkv", "turned", converted(coded(H264), "-c copy", before="-display_rotation:v:0 90")),
    Row("ts", "twice the same, the clock jumps back", joined(coded(H264), coded(H264))),
    Row("ts", "one packet lost", edited(coded(H264, count=100), lost_packets(0.5))),
]

INEXACT = [
    Row("mpg", "packs that state one time for many frames", coded(H264)),
    Row("mpg", "mpeg2", coded(MPEG2)),
    Row("ts", "frames of unequal length", coded(f"{UNEQUAL} {H264}")),
    Row("avi", "two frames in a packet", coded("-c:v libxvid -q:v 3 -bf 2")),
    Row("ts", "from within a GOP on", edited(coded(H264, count=100), lost_packets(0, count=60))),
    Row(
        "ts",
        "five packets lost",
        edited(coded(H264, count=100), lost_packets(0.2, 0.35, 0.5, 0.65, 0.8)),
    ),
]
"""Kinds in which only decoding shows how many frames there are."""


def title(row: Row) -> str:
    return f"{row.suffix}, {row.name}"


def make(row: Row, folder: Path) -> Path:
    path = folder / f"x.{row.suffix}"
    row.make(path)
    return path


def count_decoded(path: Path, rate: float | None) -> int:
    return sum(1 for _ in read_frames(path, frames_per_second=rate, short_side=None))


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=title)
def test_as_many_frames_are_counted_as_are_decoded(tmp_path, row):
    path = make(row, tmp_path)

    for rate in (25, None, 15, 30000 / 1001):
        assert count_frames(path, frames_per_second=rate) == count_decoded(path, rate), rate


@pytest.mark.slow
@pytest.mark.parametrize("row", INEXACT, ids=title)
def test_where_only_decoding_shows_the_number_it_is_a_few_frames_off(tmp_path, row):
    path = make(row, tmp_path)

    differences = [
        count_frames(path, frames_per_second=rate) - count_decoded(path, rate)
        for rate in (25, None)
    ]

    # If all were 0, the row belongs to the others.
    assert 0 < max(map(abs, differences)) <= 8


@pytest.mark.parametrize("num_frames", [1, 8, 9, 40])
@pytest.mark.parametrize("rate", [25, 30])
def test_a_short_video_is_counted(tmp_path, num_frames, rate):
    path = write_video(tmp_path / "x.mp4", ramp(num_frames), rate=rate)

    assert count_frames(path, frames_per_second=None) == num_frames
    assert count_frames(path) == count_decoded(path, 25)


def test_counting_decodes_nothing(tmp_path):
    path = write_video(tmp_path / "x.mp4", ramp(40))
    path.write_bytes(replace_box(path.read_bytes(), "mdat", lambda pictures: bytes(len(pictures))))

    assert count_frames(path) == 40
    with pytest.raises(VideoError):
        count_decoded(path, 25)


def test_a_truncated_video_is_counted_as_far_as_it_states_itself(tmp_path):
    """Decoding reports it; counting must not fail before."""
    path = cut(write_video(tmp_path / "x.mkv", ramp(40)), 0.6)

    assert 0 < count_frames(path) < 40


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "fast"])
def test_a_wrong_rate_is_an_error(tmp_path, rate):
    path = write_video(tmp_path / "x.mp4", ramp(9))

    with pytest.raises(ValueError, match="expected a finite number of 0.001 or more"):
        count_frames(path, frames_per_second=rate)


def test_what_is_no_video_is_an_error_as_for_decoding(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    paths = [tmp_path / "none.mp4", text, write_audio(tmp_path / "sound.mp4")]

    for path in paths:
        messages = []
        for read in (count_frames, lambda path: list(read_frames(path))):
            with pytest.raises(VideoError) as caught:
                read(path)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_the_frames_of_hours_of_pauses_in_a_small_file_are_not_counted(tmp_path: Path) -> None:
    times = [3_599_000 * index for index in range(100)]
    video = write_video(tmp_path / "x.mkv", ramp(1) * 100, times=times)

    with pytest.raises(VideoError, match=r"h, expected at most 1\.\d h for its size"):
        count_frames(video)


@pytest.mark.parametrize(
    ("num_frames", "most", "count"), [(40, 39, 39), (40, 40, 40), (40, 41, 40)]
)
@pytest.mark.parametrize("rate", [25, None])
def test_no_more_frames_are_counted_than_asked_for(tmp_path, num_frames, most, count, rate):
    path = write_video(tmp_path / "x.mp4", ramp(num_frames))

    assert count_frames(path, frames_per_second=rate, most=most) == count


def test_the_pauses_of_a_small_file_are_not_counted_beyond_that(tmp_path):
    video = write_video(tmp_path / "x.mkv", ramp(2), times=[0, 3_000_000])

    assert count_frames(video) > 75_000
    assert count_frames(video, most=100) == 100


def test_not_all_packets_of_a_file_of_tiny_ones_are_read(tmp_path, monkeypatch):
    path, num_read = tmp_path / "x.ivf", 0
    head = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP80", 64, 64, 10_000, 1, 9, 0)
    path.write_bytes(head + b"".join(struct.pack("<IQB", 1, time, 0) for time in range(20_000)))

    def counted(container, stream):
        nonlocal num_read
        for packet in demux(container, stream):
            num_read += 1
            yield packet

    monkeypatch.setattr(length, "demux", counted)

    # They last two seconds.
    assert count_frames(path) == 50
    assert num_read > 20_000
    num_read = 0
    assert count_frames(path, most=51) == 51
    assert num_read == 51 * 12


def test_a_video_that_is_removed_while_it_is_counted_is_an_error(tmp_path, monkeypatch):
    video = write_video(tmp_path / "removed.mp4", ramp(10))
    find_stream = length.video_stream

    def remove(container, path):
        path.unlink()
        return find_stream(container, path)

    monkeypatch.setattr(length, "video_stream", remove)

    with pytest.raises(VideoError, match=r"removed\.mp4: No such file .*stay until it is read"):
        count_frames(video)
