"""Only the named file is opened, only formats of videos, and only what fits into memory."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import wave
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.container import demux
from i3d_rgb_tf.video.decode import read_frames
from i3d_rgb_tf.video.limits import MOST_PIXELS, longest_seconds
from media import coded, replace_box
from videos import places, ramp, write_video

READ = """
import pathlib, sys
from i3d_rgb_tf.video.decode import read_frames
try:
    print(len(list(read_frames(pathlib.Path(sys.argv[1])))))
except ValueError as error:
    print(error)
"""

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n"
DASH = (
    '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT9S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="9">'
    "<BaseURL>{other}</BaseURL></Representation></AdaptationSet></Period></MPD>\n"
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mp4", "m3u8", "txt"])
@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile {other}\n",
        "ffconcat version 1.0\nfile 'subfile,,start,0,end,9,,:{other}'\n",
        HLS,
        DASH,
        SDP,
    ],
    ids=["ffconcat", "subfile", "HLS", "DASH", "SDP"],
)
def test_a_file_that_another_file_names_is_not_opened(tmp_path, suffix, text):
    # Whoever opens this pipe waits for ever, because nobody writes to it.
    os.mkfifo(tmp_path / "other.ts")
    video = tmp_path / f"x.{suffix}"
    video.write_text(text.format(other="other.ts"), encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-c", READ, video], capture_output=True, text=True, timeout=20
    )

    assert done.returncode == 0
    assert f"cannot read {video}: it is a list of files, expected a video file" in done.stdout


def test_a_picture_of_a_numbered_name_does_not_bring_the_others(tmp_path):
    for number in (1, 2, 3):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))

    with pytest.raises(VideoError, match="it is a picture, expected a video file"):
        list(read_frames(tmp_path / "1.png"))


def test_a_format_that_is_not_read_is_named(tmp_path):
    with wave.open(str(tmp_path / "x.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))

    with pytest.raises(VideoError, match="it is of none of the formats that are read, expected"):
        list(read_frames(tmp_path / "x.wav"))


@pytest.mark.parametrize(
    ("old", "new"), [(b"avc1", b"zzzz"), (b"stsd", b"zzzz")], ids=["codec", "description"]
)
def test_a_codec_that_is_not_known_is_an_error(tmp_path, old, new):
    video = write_video(tmp_path / "x.mp4", ramp(3))
    video.write_bytes(video.read_bytes().replace(old, new))

    with pytest.raises(VideoError, match="no video stream|cannot read") as caught:
        list(read_frames(video))
    assert "\n" not in str(caught.value)


# Limits.


def write_gif(path: Path, width: int, height: int, *, delay: int = 4, count: int = 3) -> Path:
    """Write frames that change one pixel of a canvas; `delay` is in hundredths of a second."""
    size = np.array([width, height], "<u2").tobytes()
    head = b"GIF89a" + size + bytes([0x80, 0, 0]) + bytes([255, 0, 0, 0, 0, 255])
    control = b"\x21\xf9\x04\x00" + delay.to_bytes(2, "little") + b"\x00\x00"
    image = b"\x2c" + bytes(4) + b"\x01\x00\x01\x00\x00" + b"\x02\x02\x4c\x01\x00"
    path.write_bytes(head + (control + image) * count + b"\x3b")
    return path


def peak_megabytes(video: Path) -> tuple[str, float]:
    """Return what reading a video says, and the memory that it took at most."""
    # The peak of this program alone; that of resource.getrusage includes the process before it.
    program = f"{READ}\nprint(pathlib.Path('/proc/self/status').read_text())"
    done = subprocess.run(
        [sys.executable, "-c", program, video], capture_output=True, text=True, check=True
    )
    said, *status = done.stdout.splitlines()
    (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM:"))
    return said, int(peak) / 1024


def test_frames_that_are_too_large_are_refused_before_they_are_decoded(tmp_path):
    said, megabytes = peak_megabytes(write_gif(tmp_path / "x.gif", 16000, 16000))

    assert f"more than {MOST_PIXELS:,} pixels" in said
    assert megabytes < 300


@pytest.mark.slow
def test_an_index_of_millions_of_frames_in_a_small_file_is_refused(tmp_path):
    count = 80_000_000
    tables = "moov/trak/mdia/minf/stbl/"
    data = write_video(tmp_path / "x.mp4", ramp(3)).read_bytes()
    for box, content in [
        ("stsz", struct.pack(">III", 0, 1, count)),
        ("stsc", struct.pack(">IIIII", 0, 1, 1, count, 1)),
        ("stts", struct.pack(">IIII", 0, 1, count, 512)),
    ]:
        data = replace_box(data, tables + box, lambda _, content=content: content)
    (tmp_path / "x.mp4").write_bytes(data)

    said, megabytes = peak_megabytes(tmp_path / "x.mp4")

    assert "x.mp4 is damaged or truncated after 0 frames" in said
    assert megabytes < 600


@pytest.mark.parametrize(
    ("suffix", "size", "pixels", "codec"),
    [
        ("mkv", (4096, 2160), "gbrap16le", "ffv1"),
        ("mov", (8192, 8192), "yuv422p10le", "prores_ks"),
    ],
)
@pytest.mark.slow
def test_frames_that_need_too_much_memory_are_refused(tmp_path, suffix, size, pixels, codec):
    width, height = size
    frames = [np.zeros((height, width, 3), np.uint8)]
    video = write_video(tmp_path / f"x.{suffix}", frames, codec=codec, pix_fmt=pixels)

    with pytest.raises(VideoError, match=rf"is {width}x{height} with \d+ bits a pixel, expected"):
        list(read_frames(video))


@pytest.mark.slow
def test_frames_of_4k_with_16_bits_and_alpha_are_read_if_each_is_encoded_by_itself(tmp_path):
    frames = [np.full((2160, 3840, 3), 100, np.uint8)] * 2
    video = write_video(tmp_path / "x.mov", frames, codec="prores_ks", pix_fmt="yuva444p10le")

    assert [frame.shape for frame in read_frames(video)] == [(256, 455, 3)] * 2


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path):
    frames = [np.full((1080, 1920, 3), 100, np.uint8)]
    peaks = []
    for count in (30, 120):
        video = tmp_path / f"{count}.mp4"
        write_video(video, frames * count, options={"preset": "ultrafast"})
        said, megabytes = peak_megabytes(video)
        assert said == str(count)
        peaks.append(megabytes)

    assert peaks[1] < peaks[0] + 60


@pytest.mark.slow
def test_frames_that_grow_too_large_are_refused(tmp_path):
    small, large = tmp_path / "small.ts", tmp_path / "large.ts"
    write_video(small, ramp(30))
    write_video(
        large,
        [np.full((4320, 8192, 3), 100, np.uint8)] * 8,
        pix_fmt="yuv444p",
        options={"preset": "ultrafast"},
    )
    small.write_bytes(small.read_bytes() + large.read_bytes())

    said, megabytes = peak_megabytes(small)

    assert "is 8192x4320 with 24 bits a pixel, expected at most" in said
    assert megabytes < 1500


def test_another_user_of_ffmpeg_is_not_limited_while_frames_are_read(tmp_path):
    frames = read_frames(write_video(tmp_path / "x.mp4", ramp(3)))
    next(frames)

    assert av.VideoFrame(12_000, 8_000, "rgb48le").width == 12_000


def test_a_recording_whose_clock_does_not_begin_at_0_is_read(tmp_path):
    path = tmp_path / "x.flv"
    # As a camera that is on for days streams it.
    late = "-output_ts_offset 180000 -flvflags no_duration_filesize"
    coded(f"-c:v libx264 -preset ultrafast {late}", count=30)(path)

    assert len(list(read_frames(path, short_side=None))) == 30


@pytest.mark.slow
def test_frames_of_8k_are_read(tmp_path):
    video = write_video(
        tmp_path / "x.mp4",
        [np.full((4320, 8192, 3), 100, np.uint8)] * 2,
        options={"preset": "ultrafast"},
    )

    assert [frame.shape for frame in read_frames(video)] == [(256, 485, 3)] * 2


@pytest.mark.slow
def test_many_frames_of_one_pixel_are_refused_at_once(tmp_path):
    video = write_gif(tmp_path / "x.gif", 1, 1, count=1_000_000)

    with pytest.raises(VideoError, match="is 1x1, expected sides of at least 8 pixels"):
        next(read_frames(video))


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_hours_of_pauses_in_a_small_file_are_refused_at_once(tmp_path, suffix):
    times = [3_599_000 * index for index in range(100)]
    video = write_video(tmp_path / f"x.{suffix}", ramp(1) * 100, times=times)

    with pytest.raises(
        VideoError, match=r"claims to last 99\.0 h, expected at most 1\.\d h for its size; encode"
    ):
        next(read_frames(video))


def test_hours_of_pauses_that_the_file_does_not_sum_up_are_refused(tmp_path):
    video = write_gif(tmp_path / "x.gif", 64, 64, delay=60_000, count=20)

    with pytest.raises(VideoError, match=r"claims to last .* h, expected at most 1\.0 h"):
        list(read_frames(video))


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [1, 3])
def test_a_slide_show_is_read(tmp_path, minutes):
    times = [60_000 * minutes * index for index in range(3)]
    video = write_video(tmp_path / "x.mp4", ramp(3), times=times)

    shown = Counter(places(read_frames(video)))

    # The last slide states no length of its own.
    assert shown[0] == shown[1] == minutes * 60 * 25
    assert shown[2] >= 1


def test_a_long_video_may_be_as_long_as_its_size_makes_plausible():
    an_hour = Fraction(3600)

    # 0.7 kilobits per second: less than an encoder writes for a still picture at 25 per second.
    assert longest_seconds(0) == an_hour
    assert longest_seconds(90_000_000) > 240 * an_hour


class LateStreams:
    """A container as PyAV has it: at its end it looks in vain for a stream that came late."""

    streams = ("a stream",)

    def demux(self, stream):
        yield "a packet"
        yield "the empty packet"
        yield self.streams[len(self.streams)]


def test_streams_that_appear_late_do_not_matter():
    packets = list(demux(LateStreams(), LateStreams.streams[0]))

    assert packets == ["a packet", "the empty packet"]
