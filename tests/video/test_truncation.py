"""A truncated file is recognized by its container."""

from __future__ import annotations

import pytest

from i3d_rgb_tf.video.truncation import missing_end
from videos import ramp, write_video

KINDS = {
    "mp4": {},
    "faststart.mp4": {"muxing": {"movflags": "faststart"}},
    "fragments.mp4": {"muxing": {"movflags": "frag_keyframe+empty_moov"}},
    "mov": {},
    "mkv": {},
    "webm": {"codec": "libvpx"},
    "gif": {"codec": "gif", "pix_fmt": "rgb8"},
}


@pytest.fixture(params=KINDS)
def video(request, tmp_path):
    return write_video(tmp_path / f"video.{request.param}", ramp(10), **KINDS[request.param])


def test_nothing_is_missing_in_a_complete_file(video):
    assert missing_end(video) is None


def test_bytes_after_the_end_are_ignored(video):
    video.write_bytes(video.read_bytes() + b"\0" * 9 + b"more than there was")

    assert missing_end(video) is None


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_truncated_file_is_recognized(video, share):
    data = video.read_bytes()
    kept = int(len(data) * share)
    video.write_bytes(data[:kept])

    found = missing_end(video)

    assert found is not None
    assert "trailer is missing" in found or found.startswith("its last ")


@pytest.mark.parametrize("width", range(1, 9))
def test_a_length_that_no_file_has_is_no_error(tmp_path, width):
    length = ((2 << 7 * width) - 2).to_bytes(width, "big")
    (tmp_path / "x.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + length + bytes(50))

    assert missing_end(tmp_path / "x.mkv") is None


def test_the_number_of_missing_bytes_is_reported(tmp_path):
    video = write_video(tmp_path / "video.mkv", ramp(10))
    video.write_bytes(video.read_bytes()[:-1000])

    assert missing_end(video) == "its last 1,000 bytes are missing"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF",
        b"no video at all",
        b"\0\0\0\x08free" + b"\0\0\0\x04free",
        b"\0\0\0\x01mdat" + (24).to_bytes(8, "big") + bytes(8),
        b"\0\0\0\0mdat" + bytes(5),
        b"\x1a\x45\xdf\xa3\x81\0" + b"\x18\x53\x80\x67\xff" + bytes(5),
        b"\x1a\x45\xdf\xa3\x81\0" + b"else" + bytes(5),
        b"\x1a\x45\xdf\xa3",
    ],
    ids=[
        "empty", "short", "text", "a box too short", "a box with a 64-bit length",
        "a box up to the end", "a segment of unknown length", "no segment", "a header only",
    ],
)  # fmt: skip
def test_an_unknown_container_counts_as_complete(tmp_path, data):
    (tmp_path / "file").write_bytes(data)

    assert missing_end(tmp_path / "file") is None
