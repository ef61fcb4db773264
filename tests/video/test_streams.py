"""One stream of a file is read; what it lost on the way is told apart from a missing end."""

from __future__ import annotations

import logging
import re

import pytest

from i3d_rgb_tf.video.decode import read_frames
from media import (
    coded,
    edited,
    frames_of_ffmpeg,
    joined,
    lost_packets,
    numbers,
    renamed_codec,
)
from videos import error_of

pytestmark = pytest.mark.slow

H264 = "-c:v libx264 -preset ultrafast -bf 2 -g 12"
MPEG2 = "-c:v mpeg2video -q:v 2 -bf 2"
LARGE = "-vf format=yuv420p,noise=c0s=60:c0f=t+u"
"""So that a frame takes many packets of a transport stream."""
SMALL_STREAM = "-f lavfi -t 1.6 -i testsrc2=s=96x64:r=25"
PROGRAMS = "-program st=0 -program st=1"
PACKET = 188


# Which stream is read.


@pytest.mark.parametrize("order", ["-map 0 -map 1", "-map 1 -map 0"])
@pytest.mark.parametrize("programs", ["", PROGRAMS], ids=["one program", "two programs"])
def test_the_stream_of_most_pixels_is_read(tmp_path, order, programs):
    path = tmp_path / "x.ts"
    coded(f"{H264} {order} {programs}", before=SMALL_STREAM)(path)

    frames = list(read_frames(path, short_side=None))

    assert {frame.shape for frame in frames} == {(64, 192, 3)}
    assert numbers(frames) == list(range(40))


def test_the_default_stream_is_read_before_the_one_of_most_pixels(tmp_path):
    path = tmp_path / "x.mkv"
    default = "-disposition:v:0 default -disposition:v:1 0"
    coded(f"{H264} -map 0 -map 1 {default}", before=SMALL_STREAM)(path)

    assert next(read_frames(path, short_side=None)).shape == (64, 96, 3)


UNKNOWN = {
    "x.mp4": (H264, renamed_codec(b"avc1", b"zzzz")),
    "x.mov": ("-c:v mjpeg", renamed_codec(b"jpeg", b"zzzz")),
    "x.mkv": ("-c:v ffv1", lambda data: data.replace(b"V_FFV1", b"V_ZZZZ")),
    "x.avi": ("-c:v ffv1", lambda data: data.replace(b"FFV1", b"ZZZZ")),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_codec_that_ffmpeg_does_not_know_is_an_error(tmp_path, name):
    options, edit = UNKNOWN[name]
    edited(coded(options), edit)(tmp_path / name)

    assert "has no video stream" in error_of(tmp_path / name)


def test_a_stream_of_an_unknown_codec_is_passed_over(tmp_path):
    both = "-map 1 -map 0 -s:v:1 96x64 -c:v:0 libx264 -c:v:1 mpeg4 -disposition:v:0 default"
    original = tmp_path / "x.mp4"
    coded(both, before=SMALL_STREAM)(original)
    assert next(read_frames(original, short_side=None)).shape == (64, 192, 3)

    edited(coded(both, before=SMALL_STREAM), renamed_codec(b"avc1", b"zzzz"))(original)

    frames = list(read_frames(original, short_side=None))
    assert (len(frames), frames[0].shape) == (40, (64, 96, 3))


# What is lost, and what is missing at the end.


@pytest.mark.parametrize("codec", [H264, MPEG2], ids=["h264", "mpeg2"])
@pytest.mark.parametrize(("name", "size"), [("x.ts", 188), ("x.m2ts", 192)])
def test_lost_packets_give_a_warning(tmp_path, caplog, codec, name, size):
    lost = lost_packets(0.3, 0.6, size=size)
    edited(coded(f"{LARGE} {codec}", count=50), lost)(tmp_path / name)

    with caplog.at_level(logging.WARNING):
        frames = list(read_frames(tmp_path / name, short_side=None))

    found = numbers(frames)
    # Where a packet is lost, the bars may be those of another frame.
    assert sum(number != index for index, number in enumerate(found)) <= 4
    assert len(found) == 50
    assert re.search(r"\b[12] of 50 frames .*damaged", caplog.text)


def test_after_a_joint_the_frames_may_have_another_size(tmp_path):
    joined(coded(H264), coded(H264, first=40, size=(96, 64)))(tmp_path / "x.ts")

    shapes = [frame.shape for frame in read_frames(tmp_path / "x.ts")]

    assert shapes == [(256, 768, 3)] * 40 + [(256, 384, 3)] * 40


@pytest.mark.parametrize("lengths", ["", "-omit_video_pes_length 0"], ids=["open", "stated"])
@pytest.mark.parametrize("codec", [H264, MPEG2, f"{H264} -bf 0"], ids=["B", "mpeg2", "no B"])
def test_a_stream_that_ends_within_a_frame_is_an_error(tmp_path, codec, lengths):
    path = tmp_path / "x.ts"
    coded(f"{LARGE} {codec} {lengths}")(path)
    assert len(list(read_frames(path))) == 40
    data = path.read_bytes()

    path.write_bytes(data[: -8 * PACKET])

    assert len(frames_of_ffmpeg(path, "null")) >= 39
    assert "truncated after" in error_of(path)


def test_a_stream_that_ends_within_a_packet_is_an_error(tmp_path):
    path = tmp_path / "x.ts"
    coded(f"{LARGE} {H264}")(path)

    path.write_bytes(path.read_bytes()[: -8 * PACKET - 77])

    assert "truncated after" in error_of(path)
