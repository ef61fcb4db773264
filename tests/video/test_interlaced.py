"""Interlaced video gives whole pictures; video that only says it is interlaced stays sharp."""

from __future__ import annotations

import av
import numpy as np
import pytest

from i3d_rgb_tf.video.decode import read_frames
from media import ffmpeg, frames_of_ffmpeg

pytestmark = pytest.mark.slow

MOVING = "testsrc2=s=720x576:r=50:d=0.8,scroll=horizontal=0.011"
"""40 pictures with sharp edges that move by 8 pixels from one to the next."""
PROGRESSIVE = "-vf {fields}select='not(mod(n\\,2))' -fps_mode passthrough"
"""Every second of them, 25 per second."""
TOP_FIRST, BOTTOM_FIRST = ("-vf tinterlace=interleave_top", "-vf tinterlace=interleave_bottom")
"""25 frames per second, of the lines of two pictures: of the earlier one the first field."""
LOSSLESS = "-c:v libx264 -preset ultrafast -qp 0"
H264 = "-c:v libx264 -preset ultrafast -qp 4 -flags +ilme+ildct -x264-params"
MPEG2 = "-c:v mpeg2video -q:v 2 -flags +ilme+ildct -field_order tt"
DV = "-c:v dvvideo -pix_fmt yuv420p"

BILINEAR = 1 << 1 | 1 << 18


def video(path, options):
    ffmpeg("-f", "lavfi", "-i", MOVING, *options.split(), path)
    return path


def progressive(fields=""):
    return PROGRESSIVE.format(fields=fields)


def alternation(frames):
    """Return by how many levels a line differs from the mean of those above and below it."""
    lines = np.stack(list(frames)).astype(float)
    return float(np.abs(lines[:, 1:-1] - (lines[:, :-2] + lines[:, 2:]) / 2).mean())


def difference(frames, others):
    pairs = zip(frames, others, strict=True)
    return float(np.mean([np.abs(frame.astype(float) - other).mean() for frame, other in pairs]))


def scaled_as_they_are(path):
    """Return the frames as libswscale scales them, field by field if they say they have fields."""
    with av.open(str(path)) as container:
        frames = [
            frame.reformat(320, 256, "gbrp", interpolation=BILINEAR).to_ndarray()
            for frame in container.decode(video=0)
            if frame.interlaced_frame
        ]
    assert len(frames) == 20
    return frames


@pytest.fixture(scope="module")
def true_frames(tmp_path_factory):
    """The moving pictures, 25 per second, that were never interlaced."""
    path = tmp_path_factory.mktemp("true") / "x.mkv"
    return list(read_frames(video(path, f"{progressive()} {LOSSLESS}")))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.ts", f"{TOP_FIRST} {H264} tff=1"),
        ("x.mp4", f"{TOP_FIRST} {H264} tff=1"),
        ("x.mp4", f"{BOTTOM_FIRST} {H264} bff=1"),
        ("x.vob", f"{TOP_FIRST} {MPEG2}"),
        ("x.dv", f"{BOTTOM_FIRST} {DV}"),
    ],
    ids=["h264 ts", "h264 mp4", "h264 mp4, bottom first", "mpeg2 vob", "dv"],
)
def test_interlaced_video_gives_whole_pictures(tmp_path, true_frames, name, options):
    path = video(tmp_path / name, options)

    frames = list(read_frames(path))

    # 17 levels of alternation and 9 of difference when the frames are scaled as they are.
    combed = scaled_as_they_are(path)
    assert alternation(combed) > 9 * alternation(true_frames)
    assert difference(combed, true_frames) > 9
    # Measured: 1.40 to 1.54, the true pictures 1.67; and 1.1 to 1.4.
    assert 0.75 < alternation(frames) / alternation(true_frames) < 1.05
    assert difference(frames, true_frames) < 2


@pytest.mark.parametrize(
    ("name", "field", "options"),
    [
        ("x.ts", "tff", f"{H264} tff=1"),
        ("x.mp4", "bff", f"{H264} bff=1"),
        ("x.vob", "tff", MPEG2),
        # A DV camera says of every frame that it has fields.
        ("x.dv", "bff", DV),
    ],
    ids=["h264 ts", "h264 mp4, bottom first", "mpeg2 vob", "dv"],
)
def test_video_that_only_says_it_is_interlaced_stays_sharp(
    tmp_path, true_frames, name, field, options
):
    path = video(tmp_path / name, f"{progressive(f'setfield={field},')} {options}")

    frames = list(read_frames(path))

    # Measured 0.1 to 0.4, the loss of the codecs; scaled field by field 1.5 and more.
    assert difference(scaled_as_they_are(path), true_frames) > 1.4
    assert difference(frames, true_frames) < 0.75
    assert alternation(frames) == pytest.approx(alternation(true_frames), rel=0.05)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["whole first", "interlaced first"])
def test_frames_of_both_kinds_in_one_video_are_told_apart(tmp_path, true_frames, order):
    parts = [f"{progressive('setfield=tff,')} {H264} tff=1", f"{TOP_FIRST} {H264} tff=1"]
    data = [video(tmp_path / "x.ts", parts[index]).read_bytes() for index in order]
    (tmp_path / "x.ts").write_bytes(b"".join(data))

    frames = list(read_frames(tmp_path / "x.ts"))

    assert len(frames) == 40
    # After a change, it takes three frames to know.
    frames, expected = [*frames[:20], *frames[23:]], [*true_frames, *true_frames[3:]]
    levels = [difference([frame], [other]) for frame, other in zip(frames, expected, strict=True)]
    limits = [[0.75, 2.0][order[index >= 20]] for index in range(37)]
    assert all(level < limit for level, limit in zip(levels, limits, strict=True)), levels
    assert alternation(frames) < 1.05 * alternation(true_frames)


def test_without_a_frame_rate_every_interlaced_frame_is_given_once(tmp_path):
    path = video(tmp_path / "x.ts", f"{TOP_FIRST} {H264} tff=1")

    frames = list(read_frames(path, frames_per_second=None, short_side=None))

    expected = frames_of_ffmpeg(
        path,
        "bwdif=send_frame:auto:interlaced,setfield=prog,scale=flags=bilinear+accurate_rnd,format=gbrp",
    )
    assert len(frames) == len(expected) == 20
    # Measured 1.0, also for a video that was never interlaced; 10 when it is not deinterlaced.
    assert difference(frames, expected) < 1.5
