"""Videos of many formats are decoded to RGB frames at 25 per second, or give one clear error."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.decode import read_frames, resample_frames
from videos import (
    cut,
    error_of,
    gray,
    places,
    ramp,
    rotate,
    write_audio,
    write_solid,
    write_transparent_gif,
    write_video,
)


def noise(num_frames, size=64):
    random = np.random.default_rng(7)
    return [random.integers(0, 256, (size, size, 3), np.uint8) for _ in range(num_frames)]


def frames_of_ffmpeg(path, *filters):
    """Return the frames of a video after FFmpeg's own filters."""
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        graph = av.filter.Graph()
        nodes = [graph.add_buffer(template=stream)]
        nodes += [graph.add(name, options) for name, options in (*filters, ("buffersink", None))]
        graph.link_nodes(*nodes).configure()
        frames = []
        for frame in (*container.decode(stream), None):
            graph.push(frame)
            while True:
                try:
                    frames.append(graph.pull().to_ndarray(format="rgb24"))
                except (av.BlockingIOError, av.EOFError):
                    break
        return frames


def digest(frames):
    sha256 = hashlib.sha256()
    for frame in frames:
        sha256.update(frame)
    return sha256.hexdigest()


# Frames.


def test_the_frames_of_a_gif_are_exact(shared_folder):
    gif = shared_folder / "v_CricketShot_g04_c01_rgb.gif"

    frames = list(read_frames(gif, frames_per_second=None, short_side=None))

    assert (len(frames), frames[0].shape) == (79, (224, 224, 3))
    assert digest(frames) == "22bbc748403c861c6559f32c38d60a61612956e12df4b8aa909bce7b25d22c28"
    assert digest(read_frames(gif, short_side=None)) == digest(frames)


@pytest.mark.parametrize(
    ("name", "num_frames", "shape"),
    [
        ("v_CricketShot_g04_c01_rgb.gif", 79, (256, 256, 3)),
        ("clips/activitynet_v_GGSY1Qvo990.mp4", 452, (256, 341, 3)),
        ("clips/activitynet_v_ZNVhz7ctTq0.mp4", 350, (256, 341, 3)),
        ("clips/gluoncv_basketball.gif", 120, (256, 341, 3)),
        ("clips/nasa_13013.mp4", 325, (256, 455, 3)),  # The second, larger of its two streams.
        ("clips/ntu_S001C001P001R001A001.avi", 86, (256, 455, 3)),
        ("clips/omz_action_recognition.gif", 75, (256, 453, 3)),
    ],
)
def test_real_videos_have_the_frames_of_ffmpegs_program(shared_folder, name, num_frames, shape):
    shapes = [frame.shape for frame in read_frames(shared_folder / name)]

    assert len(shapes) == num_frames
    assert set(shapes) == {shape}


@pytest.mark.parametrize("rate", [12, 25, 30, 50])
@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_resampled_frames_equal_those_of_ffmpegs_fps_filter(tmp_path, rate, b_frames):
    video = write_video(tmp_path / "x.mp4", ramp(40), rate=rate, options={"bf": b_frames})

    found = places(read_frames(video, short_side=None))

    assert found == places(frames_of_ffmpeg(video, ("fps", "25")))
    assert len(found) == pytest.approx(40 * 25 / rate, abs=1)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_a_variable_frame_rate_is_resampled_as_ffmpeg_does(tmp_path, suffix):
    times = [400, 440, 500, 510, 700, 1000, 1033, 1066, 1100]
    video = write_video(tmp_path / f"x.{suffix}", ramp(9), times=times)

    found = places(read_frames(video))

    # Only the length of the last frame may differ: the file does not state it, so FFmpeg guesses.
    expected = places(frames_of_ffmpeg(video, ("fps", "25")))
    shared = min(len(found), len(expected))
    assert found[:shared] == expected[:shared]
    assert shared >= 17
    assert set(found[shared:] + expected[shared:]) <= {8}


def test_half_of_29_97_frames_per_second_gives_every_second_frame(tmp_path):
    video = write_video(tmp_path / "x.mp4", ramp(20), rate=Fraction(30000, 1001))

    frames = read_frames(video, frames_per_second=15000 / 1001)

    assert places(frames) == list(range(0, 20, 2))


def test_a_repeated_frame_is_converted_once(tmp_path):
    video = write_video(tmp_path / "x.mkv", ramp(2), rate=5, codec="ffv1", pix_fmt="bgr0")

    frames = list(read_frames(video))

    assert len(frames) == 10
    assert len({id(frame) for frame in frames}) == 2


def test_without_a_frame_rate_every_frame_is_given_once(tmp_path):
    video = write_video(tmp_path / "x.mp4", ramp(7), rate=10)

    assert places(read_frames(video, frames_per_second=None)) == list(range(7))


def test_a_stream_without_timestamps_is_read(tmp_path):
    video = write_video(tmp_path / "x.h264", ramp(9), options={"bf": "0"})

    assert places(read_frames(video)) == list(range(9))


def test_the_frames_of_an_avi_with_b_frames_are_in_order(tmp_path):
    video = write_video(tmp_path / "x.avi", ramp(30), rate=25, options={"bf": "3", "b-adapt": "0"})

    found = places(read_frames(video))

    assert found == sorted(found)
    assert len(found) == pytest.approx(30, abs=2)
    assert len(set(found)) >= 27


@pytest.mark.parametrize(
    ("size", "short_side", "shape"),
    [
        ((240, 320), 256, (256, 341, 3)),
        ((320, 240), 256, (341, 256, 3)),
        ((98, 64), 32, (49, 32, 3)),
        ((98, 64), None, (98, 64, 3)),
    ],
)
def test_the_short_side_is_scaled(tmp_path, size, short_side, shape):
    height, width = size
    video = write_video(tmp_path / "x.mp4", [gray(100, width, height)] * 2)

    frame = next(read_frames(video, short_side=short_side))

    assert (frame.shape, frame.dtype) == (shape, np.uint8)
    assert frame.flags.c_contiguous
    assert np.abs(frame.astype(int) - 100).max() <= 1


def test_frames_of_odd_width_and_height_keep_their_size(tmp_path):
    video = write_video(tmp_path / "x.gif", noise(3, 33), codec="gif", pix_fmt="rgb8")

    (frame, *_) = read_frames(video, short_side=None)

    assert frame.shape == (33, 33, 3)


def test_scaling_is_bilinear(tmp_path):
    video = write_video(tmp_path / "x.gif", noise(1), codec="gif", pix_fmt="rgb8")

    (found,) = list(read_frames(video, short_side=100))[:1]

    options = "100:100:flags=bilinear"
    (expected,) = frames_of_ffmpeg(video, ("format", "gbrp"), ("scale", options))[:1]
    assert np.abs(found.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    ("colorspace", "color_range", "rgb"),
    [
        # y + 1.402 v, y - 0.344 u - 0.714 v, y + 1.772 u of BT.601, and so on.
        pytest.param(2, 0, (236.0, 77.4, 44.4), id="unspecified is BT.601"),
        pytest.param(5, 1, (236.0, 77.4, 44.4), id="BT.601"),
        pytest.param(1, 1, (250.2, 90.6, 40.8), id="BT.709"),
        pytest.param(5, 2, (220.9, 81.7, 52.7), id="BT.601, full range"),
        pytest.param(1, 2, (233.4, 93.4, 49.5), id="BT.709, full range"),
    ],
)
@pytest.mark.parametrize("short_side", [None, 32])
def test_colours_follow_the_matrix_and_range_of_the_video(
    tmp_path, colorspace, color_range, rgb, short_side
):
    yuv = (120, 90, 200)
    video = write_solid(tmp_path / "x.mp4", yuv, colorspace=colorspace, color_range=color_range)

    frame = next(read_frames(video, short_side=short_side))

    np.testing.assert_allclose(frame[5, 5], rgb, atol=1)


@pytest.mark.parametrize(("degrees", "corner"), [(0, 0), (90, 1), (180, 3), (270, 2)])
def test_a_rotated_video_is_upright(tmp_path, degrees, corner):
    frame = gray(0, 64, 32)
    frame[:16, :32] = 255
    video = rotate(write_video(tmp_path / "x.mp4", [frame] * 2), degrees)

    upright = next(read_frames(video, short_side=None))

    assert upright.shape == ((32, 64, 3) if degrees % 180 == 0 else (64, 32, 3))
    assert upright.flags.c_contiguous
    corners = upright[:: upright.shape[0] - 1, :: upright.shape[1] - 1, 0].ravel()
    assert corners.argmax() == corner


def test_transparent_pixels_are_white(tmp_path):
    frames = list(read_frames(write_transparent_gif(tmp_path / "x.gif"), short_side=None))

    expected = [[[255, 0, 0], [255, 255, 255]]] * 2
    assert [frame.tolist() for frame in frames] == [expected, expected]


@pytest.mark.parametrize("size", [64, 720])
def test_decoding_does_not_depend_on_threads(tmp_path, size):
    video = write_video(tmp_path / "x.mp4", noise(6, size), options={"bf": "2"})

    frames = list(read_frames(video, short_side=None))

    with av.open(str(video)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        expected = [
            frame.to_ndarray(format="gbrp", interpolation=2 | 1 << 18)
            for frame in container.decode()
        ]
    assert len(frames) == len(expected) == 6
    for frame, other in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame, other)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to list open files")
def test_the_file_is_closed_when_reading_stops_early(tmp_path):
    video = write_video(tmp_path / "x.mp4", ramp(20))

    def open_files():
        return [each for each in os.listdir("/proc/self/fd") if _target(each) == str(video)]

    frames = read_frames(video)
    next(frames)
    assert open_files()
    frames.close()
    gc.collect()
    assert not open_files()


def _target(descriptor):
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    except OSError:
        return None


@pytest.mark.parametrize("name", ["12:30 at home.mp4", "concat:a.mp4", "ein Käse.mp4", "%03d.mp4"])
def test_file_names_with_special_characters_are_opened(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_video(Path("x.mp4"), ramp(2)).rename(name)

    assert len(list(read_frames(Path(name)))) == 2


def test_metadata_that_is_not_utf_8_is_accepted(tmp_path):
    video = write_video(tmp_path / "x.mkv", ramp(2))
    data = video.read_bytes()
    # The name of the library that wrote the file is metadata, as a title is.
    assert b"Lavf" in data
    video.write_bytes(data.replace(b"Lavf", b"L\xe9vf"))

    assert len(list(read_frames(video))) == 2


# Frames that are decoded already.


def frames_of_opencv(capture):
    while (found := capture.read())[0]:
        yield found[1][..., ::-1]


@pytest.mark.slow
@pytest.mark.parametrize("rate", [5, 12, 24, 25, Fraction(30000, 1001), 50, 60])
def test_decoded_frames_are_resampled_as_those_of_a_file(tmp_path, rate):
    video = write_video(tmp_path / "x.mp4", ramp(40), rate=rate)
    capture = cv2.VideoCapture(str(video))

    found = places(resample_frames(frames_of_opencv(capture), capture.get(cv2.CAP_PROP_FPS)))

    assert found == places(frames_of_ffmpeg(video, ("fps", "25")))
    assert found == places(read_frames(video))
    assert found == places(resample_frames(map(gray, range(10, 250, 6)), rate))


@pytest.mark.parametrize("size", [(64, 64), (333, 201), (480, 640), (720, 1280)])
def test_decoded_frames_are_scaled_as_those_of_a_file(tmp_path, size):
    random = np.random.default_rng(7)
    frames = [random.integers(0, 256, (*size, 3), np.uint8) for _ in range(2)]
    video = write_video(tmp_path / "x.mkv", frames, codec="ffv1", pix_fmt="bgr0")

    found = list(resample_frames(frames, 25))

    assert all(frame.flags.c_contiguous for frame in found)
    np.testing.assert_array_equal(found, list(read_frames(video)))


class ArrayOfAnotherLibrary:
    """A frame that NumPy can convert, such as a tensor."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


@pytest.mark.parametrize(
    "make",
    [list, iter, np.stack, lambda frames: map(ArrayOfAnotherLibrary, frames)],
    ids=["list", "generator", "4-D array", "other arrays"],
)
@pytest.mark.parametrize("rate", [25, 25.0, np.float32(25), np.int64(25), Fraction(25)])
def test_frames_of_the_right_size_and_rate_are_unchanged(make, rate):
    frames = noise(3, 256)

    np.testing.assert_array_equal(list(resample_frames(make(frames), rate)), frames)


@pytest.mark.parametrize(
    "view",
    [
        lambda frame: frame[:256, :256, ::-1],
        lambda frame: frame[255::-1, :256],
        lambda frame: frame[4:260, 5:261],
        lambda frame: frame.transpose(1, 0, 2)[:256, :256],
    ],
    ids=["BGR", "upside down", "a crop", "transposed"],
)
def test_frames_that_are_not_contiguous_are_taken(view):
    frame = view(noise(1, 300)[0])
    assert not frame.flags.c_contiguous

    np.testing.assert_array_equal(list(resample_frames([frame], 25)), [frame])


def test_frames_are_copied_from_a_decoder_that_reuses_its_array():
    frame = gray(0, 256, 256)

    def reused():
        for level in (10, 16, 22):
            frame[:] = level
            yield frame

    assert places(resample_frames(reused(), 12.5)) == [0, 0, 1, 1, 2, 2]


def test_decoded_frames_may_differ_in_size():
    frames = [gray(9, 64, 48), gray(9, 48, 64), gray(9, 256, 256)]

    shapes = [frame.shape for frame in resample_frames(frames, 25)]

    assert shapes == [(256, 341, 3), (341, 256, 3), (256, 256, 3)]


def test_decoded_frames_are_taken_as_they_are_needed():
    taken = []

    def decode():
        for index in range(20):
            taken.append(index)
            yield gray(9)

    frames = resample_frames(decode(), 50)

    assert taken == []
    for count in range(1, 6):
        next(frames)
        # Every second frame is shown, until the frame after it.
        assert len(taken) == 2 * count


# Errors.


def missing(path):
    pass


def pipe(path):
    os.mkfifo(path)


def self_link(path):
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "there is no video"),
        (Path.mkdir, "is a folder, expected a video file"),
        (Path.touch, "is empty (0 bytes), expected a video"),
        (pipe, "is a pipe or a device, expected a video file"),
        # Not even root can read a link to itself.
        (self_link, "expected a file you may read"),
    ],
    ids=["missing", "a folder", "empty", "a pipe", "unreadable"],
)
def test_a_path_that_is_not_a_readable_file_is_an_error(tmp_path, make, message):
    make(tmp_path / "x.mp4")

    assert message in error_of(tmp_path / "x.mp4")


@pytest.mark.parametrize(
    ("name", "message"),
    [("x.mp4", "cannot read"), ("x.csv", "cannot read"), ("x.txt", "is text, expected a video")],
)
def test_a_text_file_is_an_error(tmp_path, name, message):
    (tmp_path / name).write_text("label,youtube_id\n" * 50, encoding="utf-8")

    assert message in error_of(tmp_path / name)


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x%d.jpg"])
def test_a_picture_is_an_error(tmp_path, name):
    av.VideoFrame.from_ndarray(gray(9)).save(str(tmp_path / name))

    assert "is a picture, expected a video file" in error_of(tmp_path / name)


def test_a_list_of_files_is_an_error(tmp_path):
    write_video(tmp_path / "secret.mp4", ramp(2))
    (tmp_path / "x.mp4").write_text("ffconcat version 1.0\nfile secret.mp4\n", encoding="utf-8")

    assert "is a list of files, expected a video file" in error_of(tmp_path / "x.mp4")


def test_scaling_a_very_long_and_narrow_video_is_an_error(tmp_path):
    video = write_video(tmp_path / "x.mkv", [gray(9, 2, 80)], codec="ffv1", pix_fmt="bgr0")

    assert "is 2x80, expected a ratio of the sides of at most 32; crop it" in error_of(video)
    assert [frame.shape for frame in read_frames(video, short_side=None)] == [(80, 2, 3)]


def test_a_file_with_only_audio_is_an_error(tmp_path):
    message = error_of(write_audio(tmp_path / "x.m4a"))

    assert "has no video stream (its streams: audio); give a video file" in message


def test_audio_with_a_cover_picture_is_an_error(tmp_path):
    assert "a cover picture only" in error_of(write_audio(tmp_path / "x.mp4", cover=True))


def test_a_truncated_file_without_an_index_is_an_error(tmp_path):
    video = cut(write_video(tmp_path / "x.mp4", noise(9)), 0.5)

    message = error_of(video)

    assert "is truncated: its last" in message
    assert "bytes are missing; get the complete file" in message


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp4", {"muxing": {"movflags": "faststart"}}),
        ("mkv", {}),
        ("webm", {"codec": "libvpx"}),
        ("avi", {"codec": "mpeg4"}),
        ("gif", {"codec": "gif", "pix_fmt": "rgb8"}),
    ],
)
def test_a_truncated_file_yields_frames_and_then_raises_an_error(tmp_path, suffix, options):
    video = cut(write_video(tmp_path / f"x.{suffix}", noise(20), **options), 0.7)
    frames = []

    expected = r"is damaged or truncated after \d+ frames: .*; get another copy"
    with pytest.raises(VideoError, match=expected) as caught:
        frames.extend(read_frames(video))

    num_frames = int(str(caught.value).split("after ")[1].split()[0])
    assert 5 <= num_frames <= 15


def test_a_damaged_section_is_an_error(tmp_path):
    video = write_video(tmp_path / "x.mp4", noise(40))
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 5] = bytes(len(data) // 5)
    video.write_bytes(data)

    assert "is damaged or truncated after" in error_of(video)


def test_slightly_damaged_frames_give_a_warning(tmp_path, caplog):
    video = write_video(tmp_path / "x.mp4", noise(40))
    data = bytearray(video.read_bytes())
    data[len(data) // 2] ^= 255
    data[len(data) // 2 + 1] ^= 255
    video.write_bytes(data)

    with caplog.at_level(logging.WARNING):
        frames = list(read_frames(video))

    assert len(frames) == 40
    assert "of 40 frames are damaged" in caplog.text


def test_a_damaged_start_is_skipped(tmp_path):
    video = write_video(tmp_path / "x.mp4", noise(20), options={"g": "1"})
    data = bytearray(video.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    fifth = (end - start) // 5
    data[start : start + fifth] = bytes(fifth)
    video.write_bytes(data)

    assert len(list(read_frames(video))) in {15, 16}


def test_a_video_without_decodable_frames_is_an_error(tmp_path):
    video = write_video(tmp_path / "x.mp4", noise(5))
    data = bytearray(video.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    video.write_bytes(data)

    assert "after 0 frames" in error_of(video)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((3, 256, 341), np.uint8), r"\(3, 256, 341\) uint8, .*; give channels-last RGB"),
        (np.zeros((256, 341, 3), np.float32), r"\(256, 341, 3\) float32, expected .* uint8;"),
        (np.zeros((256, 341), np.uint8), r"\(256, 341\) uint8, expected \(height, width, 3\)"),
        (np.zeros((256, 341, 4), np.uint8), r"\(256, 341, 4\) uint8, expected \(height, width, 3"),
        (np.zeros((2, 9, 9, 3), np.uint8), r"\(2, 9, 9, 3\) uint8, expected \(height, width, 3\)"),
        (np.zeros((0, 341, 3), np.uint8), r"\(0, 341, 3\) uint8, expected \(height, width, 3\)"),
        ("x.mp4", r"\(\) <U5, expected \(height, width, 3\) uint8;"),
    ],
)
def test_a_decoded_frame_of_another_shape_or_type_is_an_error(frame, message):
    with pytest.raises(VideoError, match=f"^frame 1 is {message}"):
        list(resample_frames([gray(9), frame], 25))


def test_a_decoded_frame_that_is_too_long_to_be_scaled_is_an_error():
    with pytest.raises(VideoError, match="a frame is 2x80, expected .* at most 32; crop it"):
        list(resample_frames([gray(9), gray(9, 2, 80)], 25))


@pytest.mark.parametrize("rate", [0.001, Fraction(1, 1000), Decimal(25), np.array(25.0), 1e300])
def test_a_frame_rate_may_be_any_kind_of_number(rate):
    assert next(resample_frames([gray(9)] * 2, rate)).shape == (256, 256, 3)


@pytest.mark.parametrize("rate", [0, -25, 0.0009, np.nan, np.inf, 10**400, None, "fast"])
def test_an_impossible_frame_rate_is_an_error_before_a_frame_is_taken(rate):
    with pytest.raises(
        ValueError, match=r"^frames_per_second is .*, expected a finite number of 0.001"
    ):
        resample_frames([], rate)


def test_decoders_print_nothing(tmp_path):
    video = cut(write_video(tmp_path / "x.mp4", noise(9)), 0.5)
    program = (
        "import sys, pathlib; from i3d_rgb_tf.video.decode import read_frames\n"
        "try: list(read_frames(pathlib.Path(sys.argv[1])))\n"
        "except ValueError: pass"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, video], capture_output=True, check=True, text=True
    )

    assert (done.stdout, done.stderr) == ("", "")
