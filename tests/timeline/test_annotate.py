"""The annotated video has every frame and all sound of its source, and the labels of the moment."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
import numpy as np
import pytest

from i3d_rgb_tf.errors import DependencyError, StorageError, VideoError
from i3d_rgb_tf.storage import replaced_file
from i3d_rgb_tf.timeline.output.annotate import write_annotated
from i3d_rgb_tf.timeline.output.colors import PALETTE
from i3d_rgb_tf.timeline.result import Timeline
from media import (
    Maker,
    coded,
    display_matrix,
    edited,
    ffmpeg,
    frames_of_ffmpeg,
    joined,
    numbers,
    turned_back,
)
from timelines import make_timeline
from videos import gray, write_video

pytestmark = pytest.mark.slow

H264 = "-c:v libx264 -preset ultrafast -bf 2 -g 12"
PYRAMID = "-c:v libx264 -preset ultrafast -bf 3 -x264-params b-pyramid=normal:b-adapt=0"
UNEQUAL = (
    "-vf \"settb=1/1000,setpts='40*N+16*mod(N,3)'\" -fps_mode passthrough -enc_time_base 1/1000"
)
PAUSE = "-vf \"setpts='N+75*gte(N,20)'\" -fps_mode passthrough"
SINE = "-f lavfi -t 1.6 -i sine=sample_rate=44100"

TICK = 1e-4
"""Seconds; no unit of time in the output is longer."""


class Frame(NamedTuple):
    """When a packet or a decoded frame begins, in seconds, how long it is, and its digest."""

    start: float
    duration: float
    digest: str


def listed(path: Path, *options: str) -> list[Frame]:
    """Return what the ffmpeg program lists of one stream."""
    unit = 0.0
    frames = []
    for line in (
        ffmpeg("-copyts", "-i", path, *options, "-f", "framecrc", "-").decode().splitlines()
    ):
        if line.startswith("#tb"):
            numerator, denominator = line.split()[-1].split("/")
            unit = int(numerator) / int(denominator)
        elif not line.startswith("#"):
            _, _, pts, duration, _, digest = (part.strip() for part in line.split(",")[:6])
            frames.append(Frame(int(pts) * unit, int(duration) * unit, digest))
    return frames


def shown(path: Path) -> list[Frame]:
    """Return the pictures that the ffmpeg program decodes."""
    options = ("-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "demux")
    return listed(path, *options)


def heard(path: Path) -> list[Frame]:
    """Return the packets of sound."""
    return listed(path, "-map", "0:a:0", "-c", "copy")


def length(*streams: Sequence[Frame]) -> float:
    """Return the time from the first frame to the end of the last."""
    # Frames before the last may state a duration that is that of another.
    last = [max(frames) for frames in streams]
    ends = [frame.start + frame.duration for frame in last]
    return max(ends) - min(min(frames).start for frames in streams)


def quiet(video: Path) -> Timeline:
    """Return a timeline without segments: nothing is drawn."""
    return make_timeline(str(video), {"zumba": [0.1, 0.1]})


def annotated(timeline: Timeline) -> Path:
    path = Path(timeline.video).parent / "annotated.part"
    write_annotated(timeline, path)
    return path


SOURCES: list[tuple[str, str, Maker]] = [
    *(
        ("mp4", f"{rate} frames per second", coded(H264, rate=rate))
        for rate in ("15", "25", "30000/1001", "60")
    ),
    ("mp4", "B-pyramid", coded(PYRAMID)),
    ("mp4", "frames of unequal length", coded(f"{UNEQUAL} {H264}")),
    ("mkv", "frames of unequal length", coded(f"{UNEQUAL} {H264}")),
    ("mkv", "a pause of 3 s", coded(f"{PAUSE} {H264}")),
    ("mkv", "an offset", coded(f"{H264} -output_ts_offset 3")),
    ("ts", "B-frames", coded(H264)),
    ("avi", "B-frames", coded(H264, rate="30000/1001")),
    ("avi", "MPEG-4", coded("-c:v mpeg4 -q:v 3")),
    ("h264", "no container", coded(H264)),
    ("flv", "H.264", coded(H264)),
    ("wmv", "WMV", coded("-c:v wmv2 -q:v 3")),
    ("gif", "a GIF", coded("-c:v gif", rate="10")),
    ("webm", "VP8", coded("-c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M", rate="60")),
    ("mkv", "10 bits", coded(f"{H264} -pix_fmt yuv420p10le")),
    ("mov", "RGB", coded("-c:v png")),
    ("mkv", "a picture", coded("-c:v ffv1", count=1)),
]


@pytest.mark.parametrize(
    ("suffix", "make"),
    [(suffix, make) for suffix, _, make in SOURCES],
    ids=[f"{suffix}, {name}" for suffix, name, _ in SOURCES],
)
def test_every_frame_is_there_once_and_at_its_time(
    tmp_path: Path, suffix: str, make: Maker
) -> None:
    source = tmp_path / f"source.{suffix}"
    make(source)

    result = annotated(quiet(source))

    before, after = shown(source), shown(result)
    starts = np.array([frame.start for frame in before])
    times = np.array([frame.start for frame in after])
    assert numbers(frames_of_ffmpeg(result, "null")) == numbers(frames_of_ffmpeg(source, "null"))
    np.testing.assert_allclose(times - times[0], starts - starts[0], rtol=0, atol=TICK)
    longest = max(frame.duration for frame in before)
    assert length(after) == pytest.approx(length(before), abs=longest)


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (-1, 0, 0, 1), (0, 1, 1, 0)])
def test_a_turned_video_is_upright_without_a_display_matrix(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    source = tmp_path / "source.mp4"
    edited(coded(H264, count=8), display_matrix(matrix))(source)
    raw = [np.asarray(frame) for frame in frames_of_ffmpeg(source, "null")]

    result = annotated(quiet(source))

    # -noautorotate shows the pixels as they are stored.
    stored = ffmpeg("-noautorotate", "-i", result, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    height, width = raw[0].shape[:2]
    frames = np.frombuffer(stored, np.uint8).reshape(-1, height, width, 3)
    assert [turned_back(frame, (1, 0, 0, 1)).shape for frame in frames] == [(height, width, 3)] * 8
    assert np.abs(frames.astype(int) - np.stack(raw)).mean() < 4


@pytest.mark.parametrize("size", [(191, 64), (192, 63), (191, 63)])
def test_odd_sides_get_one_more_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    source = tmp_path / "source.mkv"
    coded("-c:v ffv1", size=size, count=4)(source)

    result = annotated(quiet(source))

    width, height = size
    before = np.stack(frames_of_ffmpeg(source, "null")).astype(int)
    after = np.stack(frames_of_ffmpeg(result, "null")).astype(int)
    assert after.shape[1:3] == (height + height % 2, width + width % 2)
    assert np.abs(after[:, :height, :width] - before).mean() < 6
    assert np.abs(after[:, -1] - after[:, -2]).mean() < 3


def test_pixels_that_are_not_square_stay_so(tmp_path: Path) -> None:
    source = tmp_path / "source.mkv"
    coded(f"-vf setsar=16/11 {H264}", count=4)(source)

    result = annotated(quiet(source))

    written = ffmpeg("-i", result, "-map", "0:v", "-f", "framecrc", "-").decode()
    assert "#sar 0: 16/11" in written


@pytest.mark.parametrize(
    "options",
    [
        "-vf scale=out_range=pc:out_color_matrix=bt709 -colorspace bt709 -color_range pc",
        "-vf scale=out_range=tv:out_color_matrix=bt709 -colorspace bt709 -color_range tv",
        "-vf scale=out_range=tv:out_color_matrix=smpte170m -colorspace smpte170m",
        "-pix_fmt yuvj420p",
        "-pix_fmt yuv444p",
    ],
)
def test_colours_stay(tmp_path: Path, options: str) -> None:
    source = tmp_path / "source.mp4"
    coded(f"{options} {H264} -qp 0", count=3)(source)

    result = annotated(quiet(source))

    before = np.stack(frames_of_ffmpeg(source, "null")).astype(int)
    after = np.stack(frames_of_ffmpeg(result, "null")).astype(int)
    # The middle of each of the four colours at the bottom.
    columns = [24, 72, 120, 168]
    np.testing.assert_allclose(after[:, 56, columns], before[:, 56, columns], atol=5)
    assert "yuv420p" in _information(result)
    assert "yuvj" not in _information(result)


def _information(path: Path) -> str:
    """Return what the ffmpeg program says of a file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, timeout=60).stderr.decode()


COPIED = [
    ("mp4", "-c:a aac", 0.0),
    ("mp4", "-c:a aac", 0.7),
    ("mp4", "-c:a aac", -0.5),
    ("mkv", "-c:a aac", 0.7),
    ("mkv", "-c:a libopus -ar 48000", 0.0),
    ("mkv", "-c:a flac", 0.0),
    ("mkv", "-c:a ac3", 0.3),
    ("mp4", "-c:a libmp3lame", 0.0),
    ("mov", "-c:a alac", 0.0),
    ("flv", "-c:a aac", 0.0),
    ("mpg", "-c:a mp2", 0.0),
]


@pytest.mark.parametrize(("suffix", "sound", "shift"), COPIED)
def test_sound_that_mp4_can_hold_is_copied(
    tmp_path: Path, suffix: str, sound: str, shift: float
) -> None:
    source = tmp_path / f"source.{suffix}"
    video = "-c:v mpeg2video" if suffix == "mpg" else H264
    before = f"{SINE} -itsoffset {-shift}"
    coded(f"-map 1:v -map 0:a {video} {sound}", before=before)(source)

    result = annotated(quiet(source))

    digests = [
        ffmpeg("-i", path, "-map", "0:a", "-c", "copy", "-f", "streamhash", "-hash", "md5", "-")
        for path in (source, result)
    ]
    assert digests[0] == digests[1]
    assert _offset(result) == pytest.approx(_offset(source), abs=0.002)
    lengths = [length(shown(path), heard(path)) for path in (source, result)]
    assert lengths[0] == pytest.approx(lengths[1], abs=1 / 25)


def _offset(path: Path) -> float:
    """Return how much later than the first picture the first sound is."""
    return heard(path)[0].start - min(frame.start for frame in shown(path))


def test_sound_of_a_broadcast_is_what_ffmpeg_copies_into_an_mp4(tmp_path: Path) -> None:
    source, expected = tmp_path / "source.ts", tmp_path / "expected.mp4"
    coded(f"-map 1:v -map 0:a {H264} -c:a aac", before=SINE)(source)
    ffmpeg("-i", source, "-c", "copy", expected)

    result = annotated(quiet(source))

    assert [frame.digest for frame in heard(result)] == [frame.digest for frame in heard(expected)]
    assert _offset(result) == pytest.approx(_offset(source), abs=0.002)


@pytest.mark.parametrize(
    ("suffix", "sound"),
    [
        ("avi", "-c:a pcm_s16le"),
        ("mkv", "-c:a libvorbis"),
        ("mov", "-c:a pcm_s24le -ar 96000"),
        ("wmv", "-c:a wmav2"),
        ("mkv", "-c:a pcm_s16le -ac 4"),
        ("mkv", "-c:a pcm_s16le -ac 6 -ar 11000"),
    ],
)
def test_other_sound_becomes_aac(tmp_path: Path, suffix: str, sound: str) -> None:
    source = tmp_path / f"source.{suffix}"
    video = "-c:v wmv2" if suffix == "wmv" else H264
    coded(f"-map 1:v -map 0:a {video} {sound}", before=SINE)(source)

    result = annotated(quiet(source))

    assert "Audio: aac (LC)" in _information(result)
    wave = ffmpeg("-i", result, "-map", "0:a", "-ac", "1", "-ar", "8000", "-f", "s16le", "-")
    samples = np.frombuffer(wave, np.int16)
    assert len(samples) / 8000 == pytest.approx(1.6, abs=0.07)
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * 8000 / len(samples) == pytest.approx(440, abs=2)


def test_pauses_of_encoded_sound_stay(tmp_path: Path) -> None:
    source = tmp_path / "source.mkv"
    gap = "-af \"aselect='not(between(t,0.5,1))'\" -c:a pcm_s16le"
    coded(f"-map 1:v -map 0:a {H264} {gap}", before=SINE)(source)

    result = annotated(quiet(source))

    wave = ffmpeg("-i", result, "-map", "0:a", "-ac", "1", "-ar", "8000", "-f", "s16le", "-")
    loud = np.abs(np.frombuffer(wave, np.int16).astype(int)) > 500
    assert loud[1000:3600].mean() > 0.5
    assert loud[4600:7600].mean() < 0.05
    assert loud[8600:12000].mean() > 0.5


def test_all_streams_of_sound_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "source.mkv"
    two = "-f lavfi -t 1.6 -i sine=300 -f lavfi -t 1.6 -i sine=600"
    coded(f"-map 2:v -map 0:a -map 1:a {H264} -c:a:0 aac -c:a:1 pcm_s16le", before=two)(source)

    information = _information(annotated(quiet(source)))

    assert information.count("Audio: aac") == 2


def test_sound_that_nobody_can_decode_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "source.mkv"
    sound = coded(f"-map 1:v -map 0:a {H264} -c:a flac", before=SINE)
    edited(sound, lambda data: data.replace(b"A_FLAC", b"A_ZZZZ"))(source)

    result = annotated(quiet(source))

    assert "Audio" not in _information(result)
    assert len(shown(result)) == 40
    assert "cannot be decoded" in caplog.text


@pytest.mark.parametrize("sound", ["aac", "mp2"])
def test_pictures_and_sound_stay_together_where_the_clock_is_set_anew(
    tmp_path: Path, sound: str
) -> None:
    source = tmp_path / "source.ts"
    options = f"-map 1:v -map 0:a {H264} -c:a {sound} -mpegts_flags initial_discontinuity"
    parts = [
        coded(f"{options} -output_ts_offset {start}", before=SINE, first=number)
        for start, number in ((0, 0), (500, 40))
    ]
    joined(*parts)(source)

    result = annotated(quiet(source))

    pictures, sounds = shown(result), heard(result)
    assert len(pictures) == 80
    for stream, usual in ((pictures, 0.04), (sounds, sounds[1].start - sounds[0].start)):
        steps = np.diff([frame.start for frame in stream])
        np.testing.assert_allclose(steps, usual, atol=0.005)
    assert abs(max(pictures).start - max(sounds).start) < 0.1


# What is drawn.

LABEL = "playing cymbals"
MOMENTS = [0.1, 0.9, 0.9, 0.5, 0.1]
"""Probabilities of the label, each for a second."""


@pytest.fixture(scope="module", params=[30, 230], ids=["dark", "light"])
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Return the frames of an annotated video of one grey, 10 per second, from the ffmpeg program.

    The label has a segment from 1 to 4 s.
    """
    source = tmp_path_factory.mktemp("drawn") / "source.mp4"
    write_video(source, [gray(request.param, 640, 480)] * 50, rate=10, options={"qp": "0"})
    timeline = make_timeline(str(source), {LABEL: MOMENTS})
    frames = np.stack(frames_of_ffmpeg(annotated(timeline), "null")).astype(int)
    return np.abs(frames - frames[0]), frames


def test_labels_are_drawn_from_the_start_of_a_segment_to_its_end(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    changes, _ = drawn

    is_drawn = changes.max(axis=(1, 2, 3)) > 40

    assert np.flatnonzero(is_drawn).tolist() == list(range(10, 40))


def test_the_panel_is_small_and_leaves_the_rest_as_it_is(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    changes, _ = drawn

    rows, columns = np.nonzero(changes[20].max(axis=-1) > 12)

    assert rows.max() < 480 * 0.15
    assert columns.max() < 640 * 0.3
    assert changes[20, 120:].max() < 6


def test_text_is_white_on_a_dark_panel(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    changes, frames = drawn
    rows, columns = np.nonzero(changes[20].max(axis=-1) > 12)
    panel = frames[20, rows.min() + 2 : rows.max() - 2, columns.min() + 4 : columns.max() - 4]

    assert np.median(panel) < 90
    assert (panel.min(axis=-1) > 215).mean() > 0.02


def test_the_bar_has_the_colour_of_the_label_and_the_length_of_its_score(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    _, frames = drawn
    color = np.array(list(bytes.fromhex(PALETTE[0][1:])))

    def bar(frame: np.ndarray) -> int:
        return int((np.abs(frame - color).max(axis=-1) < 40).sum(axis=1).max())

    # 0.9 at 2 s, 0.5 at 3 s.
    assert bar(frames[35]) / bar(frames[25]) == pytest.approx(0.5 / 0.9, abs=0.08)


@pytest.mark.parametrize("size", [(16, 16), (64, 48), (32, 200), (1280, 64)])
def test_very_small_pictures_are_drawn_into_as_far_as_they_go(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    source = tmp_path / "source.mp4"
    write_video(source, [gray(200, *size)] * 10)

    result = annotated(make_timeline(str(source), {LABEL: [0.9], "zumba": [0.08]}))

    frames = frames_of_ffmpeg(result, "null")
    assert len(frames) == 10
    assert frames[0].min() < 120


def test_the_strongest_of_several_labels_comes_first(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    write_video(source, [gray(128, 640, 480)] * 25, options={"qp": "0"})
    scores = {"zumba": [0.3, 0.6], "yoga": [0.6, 0.3]}
    weaker = make_timeline(str(source), {**scores, "juggling balls": [0.05, 0.09]})

    frame = frames_of_ffmpeg(annotated(weaker), "null")[0].astype(int)

    rows = [
        np.flatnonzero((np.abs(frame - list(bytes.fromhex(color[1:]))).max(axis=-1) < 40).any(1))
        for color in PALETTE[:2]
    ]
    assert rows[0].max() < rows[1].min()


# Errors.


def test_a_video_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="there is no video"):
        annotated(quiet(tmp_path / "gone.mp4"))


def test_without_pillow_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(DependencyError, match=r"pip install 'i3d-rgb-tf\[timeline\]'"):
        annotated(quiet(tmp_path / "source.mp4"))


def test_a_damaged_video_leaves_no_file(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    coded(f"{H264} -movflags faststart")(source)
    source.write_bytes(source.read_bytes()[:-2000])

    with (
        pytest.raises(VideoError, match="is damaged or truncated"),
        replaced_file(tmp_path / "result.mp4") as part,
    ):
        write_annotated(quiet(source), part)

    assert list(tmp_path.iterdir()) == [source]


def test_frames_that_are_too_wide_for_h264_are_an_error(tmp_path: Path) -> None:
    source = tmp_path / "source.mkv"
    coded("-c:v ffv1", size=(16400, 64), count=1)(source)

    with pytest.raises(VideoError, match=r"cannot write .*source.mkv as H.264 .* 16384 pixels"):
        annotated(quiet(source))


def test_a_folder_that_is_missing_is_an_error_of_the_target(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    coded(H264, count=4)(source)

    with pytest.raises(StorageError, match=r"cannot write .*missing.*result.mp4"):
        write_annotated(quiet(source), tmp_path / "missing" / "result.mp4")


@pytest.mark.parametrize("num_bytes", [100, 5_000])
def test_a_full_disk_is_an_error_of_the_target(tmp_path: Path, num_bytes: int) -> None:
    source = tmp_path / "source.mp4"
    coded(H264, count=200)(source)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))

    code = (
        "from pathlib import Path\n"
        "from i3d_rgb_tf.timeline.output.annotate import write_annotated\n"
        "from timelines import make_timeline\n"
        f"timeline = make_timeline({str(source)!r}, {{'zumba': [0.9]}})\n"
        f"write_annotated(timeline, Path({str(tmp_path / 'result')!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        timeout=60,
        env={
            "PYTHONPATH": ":".join(path for path in sys.path if path),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )

    assert "StorageError: cannot write" in done.stderr.splitlines()[-1]
