"""Videos of many kinds give the frames that the ffmpeg program gives, which times them itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from i3d_rgb_tf.video.decode import read_frames
from media import (
    Maker,
    Matrix,
    coded,
    converted,
    display_matrix,
    edit_list,
    edited,
    frames_of_ffmpeg,
    joined,
    lost_packets,
    numbers,
    turned_back,
)

pytestmark = pytest.mark.slow

LARGEST_DIFFERENCE = 1.5
"""Levels of 255, on average over a picture: the programs round otherwise when they make RGB."""


class Row(NamedTuple):
    """A kind of video."""

    suffix: str
    name: str
    make: Maker
    matrix: Matrix = (1, 0, 0, 1)
    """How its pictures are to be shown."""
    filters: str = ""
    """Of the ffmpeg program, before it divides time."""


NO_B = "-c:v libx264 -preset ultrafast -bf 0 -g 12"
H264 = "-c:v libx264 -preset ultrafast -bf 2 -g 12"
PYRAMID = "-c:v libx264 -preset ultrafast -bf 3 -x264-params b-pyramid=normal:b-adapt=0"
OPEN_GOP = "-c:v libx264 -preset ultrafast -bf 2 -x264-params open-gop=1:keyint=10:scenecut=0"
HEVC = "-c:v libx265 -preset ultrafast -x265-params log-level=none"
MPEG1 = "-c:v mpeg1video -q:v 3 -bf 2"
MPEG2 = "-c:v mpeg2video -q:v 3 -bf 2"
MPEG4 = "-c:v mpeg4 -q:v 3"
MPEG4_B = "-c:v mpeg4 -q:v 3 -bf 2"
MJPEG = "-c:v mjpeg -q:v 3"
VP8 = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M"
VP8_HIDDEN = "-c:v libvpx -cpu-used 5 -b:v 1M -auto-alt-ref 1 -lag-in-frames 9"
VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 1M"
AV1 = "-c:v libsvtav1 -preset 12"
PAL = "-vf scale=720:576:flags=neighbor"
DV = "-c:v dvvideo -pix_fmt yuv420p"

CODECS = [
    ("mp4", "h264 without B-frames", NO_B),
    ("mp4", "h264", H264),
    ("mp4", "h264 with a B-pyramid", PYRAMID),
    ("mp4", "h264 with open GOPs", OPEN_GOP),
    ("mp4", "h264 in fragments", f"{H264} -movflags frag_keyframe+empty_moov"),
    ("mp4", "h264 with the index in front", f"{H264} -movflags faststart"),
    ("mov", "h264", H264),
    ("mkv", "h264", H264),
    ("mkv", "h264 with a B-pyramid", PYRAMID),
    ("avi", "h264 without B-frames", NO_B),
    ("avi", "h264", H264),
    ("avi", "h264 with a B-pyramid", PYRAMID),
    ("avi", "h264 with open GOPs", OPEN_GOP),
    ("asf", "h264", H264),
    ("flv", "h264", H264),
    ("ts", "h264", H264),
    ("ts", "h264 with a B-pyramid", PYRAMID),
    ("ts", "h264 with open GOPs", OPEN_GOP),
    ("m2ts", "h264", H264),
    ("mpg", "h264", H264),
    ("3gp", "h264", H264),
    ("mxf", "h264 without B-frames", NO_B),
    ("h264", "h264 without B-frames", NO_B),
    ("h264", "h264", H264),
    ("mp4", "hevc", HEVC),
    ("mkv", "hevc", HEVC),
    ("ts", "hevc", HEVC),
    ("hevc", "hevc", HEVC),
    ("mp4", "mpeg4", MPEG4_B),
    ("mkv", "mpeg4", MPEG4_B),
    ("3gp", "mpeg4", MPEG4),
    ("avi", "mpeg4 without B-frames", MPEG4),
    ("avi", "mpeg4", MPEG4_B),
    ("avi", "mpeg4 tagged XVID", f"{MPEG4_B} -vtag XVID"),
    ("avi", "mpeg4 of the xvid encoder", "-c:v libxvid -q:v 3 -bf 2"),
    ("mpg", "mpeg2", MPEG2),
    ("vob", "mpeg2", MPEG2),
    ("ts", "mpeg2", MPEG2),
    ("mxf", "mpeg2", MPEG2),
    ("mkv", "mpeg2", MPEG2),
    ("avi", "mpeg2", MPEG2),
    ("m2v", "mpeg2", MPEG2),
    ("mpg", "mpeg1", MPEG1),
    ("ts", "mpeg1", MPEG1),
    ("webm", "vp8", VP8),
    ("webm", "vp8 with hidden frames", VP8_HIDDEN),
    ("webm", "vp9", VP9),
    ("mp4", "vp9", VP9),
    ("mp4", "av1", AV1),
    ("webm", "av1", AV1),
    ("avi", "mjpeg", MJPEG),
    ("mov", "mjpeg", MJPEG),
    ("mov", "prores", "-c:v prores_ks"),
    ("mov", "dnxhr", "-vf scale=768:256 -c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p"),
    ("mov", "png", "-c:v png"),
    ("mkv", "ffv1", "-c:v ffv1"),
    ("avi", "ffv1", "-c:v ffv1"),
    ("avi", "raw pixels", "-c:v rawvideo -pix_fmt yuv420p"),
    ("wmv", "wmv2", "-c:v wmv2 -q:v 3"),
    ("mkv", "wmv2", "-c:v wmv2 -q:v 3"),
    ("asf", "wmv1", "-c:v wmv1 -q:v 3"),
    ("avi", "msmpeg4", "-c:v msmpeg4 -q:v 3"),
    ("flv", "flv1", "-c:v flv -q:v 3"),
    ("ogv", "theora", "-c:v libtheora -q:v 8"),
    ("dv", "dv", f"{PAL} {DV}"),
    ("avi", "dv", f"{PAL} {DV}"),
    ("gif", "gif", "-c:v gif"),
]

RATES = [
    ("mp4", "12.5", H264),
    ("mp4", "15", H264),
    ("mp4", "24000/1001", H264),
    ("mp4", "30000/1001", H264),
    ("mp4", "30", H264),
    ("mp4", "50", H264),
    ("mp4", "60", H264),
    ("ts", "15", H264),
    ("ts", "24000/1001", H264),
    ("ts", "30000/1001", H264),
    ("ts", "60", H264),
    ("mkv", "15", H264),
    ("mkv", "24000/1001", H264),
    ("webm", "60", VP8),
    ("avi", "15", H264),
    ("avi", "30000/1001", PYRAMID),
    ("avi", "24000/1001", MPEG4_B),
    ("avi", "12.5", MJPEG),
    ("mpg", "30000/1001", MPEG2),
    ("vob", "50", MPEG2),
    ("flv", "30000/1001", H264),
    ("wmv", "15", "-c:v wmv2 -q:v 3"),
    ("h264", "15", H264),
    ("gif", "10", "-c:v gif"),
    ("gif", "50", "-c:v gif"),
]

PASS = "-fps_mode passthrough"
UNEQUAL = f"-vf \"settb=1/1000,setpts='40*N+16*mod(N,3)'\" {PASS} -enc_time_base 1/1000"
SLOWER = f"-vf \"setpts='if(lt(N,20),N,2*N-20)'\" {PASS}"
PAUSE = f"-vf \"setpts='N+75*gte(N,20)'\" {PASS}"
SAME = f"-vf \"setpts='N-gte(N,20)'\" {PASS}"
SEVENTH = f"-vf \"select='mod(n,7)'\" {PASS}"
SEVENTH_EMPTY = "-vf \"select='mod(n,7)'\" -fps_mode vfr"
TIMES = [
    ("mkv", "frames of unequal length", f"{UNEQUAL} {H264}"),
    ("mp4", "frames of unequal length", f"{UNEQUAL} {H264}"),
    ("ts", "frames of unequal length", f"{UNEQUAL} {H264}"),
    ("webm", "half as many frames in the second half", f"{SLOWER} {VP8}"),
    ("flv", "half as many frames in the second half", f"{SLOWER} {H264}"),
    ("mp4", "without every seventh frame", f"{SEVENTH} {H264}"),
    ("ts", "without every seventh frame", f"{SEVENTH} {H264}"),
    ("avi", "without every seventh frame", f"{SEVENTH_EMPTY} {MPEG4}"),
    ("avi", "without every seventh frame, with B-frames", f"{SEVENTH_EMPTY} {H264}"),
    ("mp4", "a pause of 3 s", f"{PAUSE} {H264}"),
    ("mkv", "a pause of 3 s", f"{PAUSE} {H264}"),
    ("mkv", "two frames of the same time", f"{SAME} {VP8}"),
]

PIXELS = [
    ("mp4", "yuv422p", H264),
    ("mp4", "yuv444p", H264),
    ("mkv", "yuv420p10le", H264),
    ("ts", "yuv422p10le", H264),
    ("mp4", "yuvj420p", H264),
    ("mkv", "gray", H264),
    ("mp4", "yuv420p10le", HEVC),
    ("webm", "yuv444p", VP9),
    ("webm", "yuva420p", f"{VP8} -auto-alt-ref 0"),
    ("avi", "yuvj422p", MJPEG),
    ("avi", "bgr24", "-c:v rawvideo"),
    ("mov", "rgb24", "-c:v png"),
    ("mkv", "gbrp", "-c:v ffv1"),
    ("mkv", "yuv411p", "-c:v ffv1"),
]
BT709 = "-vf scale=out_range={0}:out_color_matrix=bt709 -colorspace bt709 -color_range {0}"
COLOURS = [
    ("mp4", "BT.709, full range", f"{BT709.format('pc')} {H264}"),
    ("ts", "BT.709, limited range", f"{BT709.format('tv')} {H264}"),
]

MATRICES: list[Matrix] = [
    *((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)),
    *((-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)),
]
TURNED = [
    *(
        Row("mp4", f"shown by {matrix}", edited(coded(H264), display_matrix(matrix)), matrix)
        for matrix in MATRICES
    ),
    Row(
        "mkv",
        "turned",
        converted(coded(H264), "-c copy", before="-display_rotation:v:0 90"),
        matrix=(0, -1, 1, 0),
    ),
    Row(
        "mov",
        "mirrored",
        converted(coded(H264), "-c copy", before="-display_hflip:v:0"),
        matrix=(-1, 0, 0, 1),
    ),
    Row(
        "ts",
        "turned by a message to the decoder",
        coded(f"{H264} -bsf:v h264_metadata=rotate=90"),
        matrix=(0, -1, 1, 0),
    ),
    Row(
        "ts",
        "mirrored by a message to the decoder",
        coded(f"{H264} -bsf:v h264_metadata=flip=horizontal"),
        matrix=(-1, 0, 0, 1),
    ),
]

STARTS = [
    *[("mp4", "3"), ("mkv", "3"), ("ts", "3"), ("avi", "3"), ("flv", "3"), ("mpg", "3")],
    *[("mp4", "0.013"), ("mkv", "0.013"), ("mp4", "-1"), ("mov", "-0.5"), ("ts", "-1")],
    # The clock of 33 bits and 90 kHz ends after 95,443.7 s; the first stamp is up to 1.5 s later.
    *[("ts", "95430"), ("ts", "95441.5"), ("ts", "95445"), ("mpg", "95430"), ("mpg", "95442.5")],
]
AS_GIVEN = "-avoid_negative_ts disabled"
SOUNDS = [
    (suffix, shift, f"-map 1:v -map 0:a -c:a {sound}", f"-f lavfi -t 2 -i sine -itsoffset {shift}")
    for suffix, sound, *shifts in [
        ("mp4", "aac", "0.7", "-0.5"),
        ("mkv", "aac", "0.7", "-0.5"),
        ("ts", "aac", "0.7", "-0.5"),
        ("avi", "mp3", "0", "0.7"),
        ("asf", "aac", "0"),
        ("mpg", "mp2", "0"),
        ("flv", "aac", "0"),
    ]
    for shift in shifts
]

FRAME, DELAY = 512, 1024
"""Units of a frame in the tracks below, and of the first frame when there are B-frames."""
EDITS = [
    ("of all", NO_B, [(1600, 0)]),
    ("without the start", NO_B, [(1200, 10 * FRAME)]),
    ("without the start, with B-frames", H264, [(1200, DELAY + 10 * FRAME)]),
    ("without start and end, with B-frames", H264, [(600, DELAY + 13 * FRAME)]),
    ("with a pause before", H264, [(500, -1), (1600, DELAY)]),
    ("of two segments", NO_B, [(800, 0), (800, 20 * FRAME)]),
    ("of two segments, with B-frames", H264, [(800, DELAY), (800, DELAY + 20 * FRAME)]),
    ("of two segments with a gap", NO_B, [(400, 0), (800, 20 * FRAME)]),
    ("of two segments with a gap, with B-frames", H264, [(400, DELAY), (800, DELAY + 20 * FRAME)]),
    (
        "of two segments, the first from the third frame on",
        H264,
        [(800, DELAY + 2 * FRAME), (720, DELAY + 22 * FRAME)],
    ),
    (
        "of two segments, each from within a GOP on",
        H264,
        [(480, DELAY + 15 * FRAME), (600, DELAY + 2 * FRAME)],
    ),
    ("of the second half before the first", NO_B, [(800, 20 * FRAME), (800, 0)]),
    (
        "of the second half before the first, with B-frames",
        H264,
        [(600, DELAY + 24 * FRAME), (600, DELAY)],
    ),
    ("with a pause between two segments", NO_B, [(800, 0), (400, -1), (800, 20 * FRAME)]),
]

LOSSES = [
    Row("ts", "one packet lost", edited(coded(H264, count=100), lost_packets(0.5))),
    Row("m2ts", "one packet lost", edited(coded(H264, count=100), lost_packets(0.5, size=192))),
    Row("ts", "one packet of mpeg2 lost", edited(coded(MPEG2, count=100), lost_packets(0.5))),
    Row(
        "ts",
        "five packets lost",
        edited(coded(H264, count=100), lost_packets(0.2, 0.35, 0.5, 0.65, 0.8)),
    ),
    Row("ts", "30 packets lost", edited(coded(H264, count=100), lost_packets(0.5, count=30))),
    Row("mpg", "one pack lost", edited(coded(MPEG2, count=100), lost_packets(0.5, size=2048))),
    Row("ts", "from within a GOP on", edited(coded(H264, count=100), lost_packets(0, count=60))),
    Row(
        "ts",
        "from within an open GOP on",
        edited(coded(OPEN_GOP, count=100), lost_packets(0, count=60)),
    ),
]
JOINS = [
    Row("ts", "twice the same", joined(coded(H264), coded(H264))),
    Row("ts", "twice the same, without B-frames", joined(coded(NO_B), coded(NO_B))),
    Row("m2ts", "twice the same", joined(coded(H264), coded(H264))),
    Row("mpg", "twice the same", joined(coded(MPEG2), coded(MPEG2))),
    Row("ts", "three times the same", joined(coded(MPEG2), coded(MPEG2), coded(MPEG2))),
    Row(
        "ts",
        "another size from the joint on",
        joined(coded(H264), coded(H264, first=40, size=(96, 64))),
    ),
    Row(
        "ts",
        "50 per second from the joint on",
        joined(coded(NO_B), coded(NO_B, first=40, rate="50")),
    ),
    Row(
        "ts",
        "50 per second from the joint on, with B-frames",
        joined(coded(H264), coded(H264, first=40, rate="50")),
    ),
]


def jump(suffix: str, *steps: float, options: str, count: int = 50) -> Row:
    """Join parts of `count` frames; after each, the clock jumps by seconds, 0 for none."""
    parts = [coded(f"{options} {ANEW}", count=count)]
    # The decoding clock begins two frames before the first frame, and at 0.
    seconds = 0.08
    for number, step in enumerate(steps, 1):
        seconds += count / 25 + step
        later = f"{options} {ANEW} -output_ts_offset {seconds:.2f}"
        parts.append(coded(later, count=count, first=count * number))
    told = " and ".join(f"{step:+g} s" for step in steps)
    return Row(suffix, f"the clock jumps by {told}", joined(*parts))


ANEW = "-mpegts_flags initial_discontinuity"
NOISE = "-vf format=yuv420p,noise=c0s=60:c0f=t+u"
"""So that frames are larger than the 2048 bytes of a pack, which states one time."""
JUMPS = [
    *(jump("ts", step, options=H264, count=100) for step in (0, 5, 9, 16, 496, -3, -4)),
    *(jump("mpg", step, options=f"{NOISE} {MPEG2}") for step in (0, 5, 9, 16, 496, -1, -2)),
    jump("mpg", 20, options=f"{NOISE} {H264}"),
    jump("m2ts", 16, options=H264),
    jump("vob", 16, options=f"{NOISE} {MPEG2}"),
    jump("ts", 16, -18, options=H264),
    jump("mpg", 496, -498, options=f"{NOISE} {MPEG2}"),
    jump("ts", 20, 20, 20, options=MPEG2),
    Row(
        "ts",
        "the clock jumps back to 0 after 500 s",
        joined(coded(f"{H264} -output_ts_offset 500"), coded(H264, first=40)),
    ),
    Row(
        "ts",
        "the clock steps back by two frames",
        joined(coded(H264, count=100), coded(f"{H264} -output_ts_offset 4", count=100, first=100)),
    ),
]

BWDIF = "bwdif=send_frame:auto:interlaced,"
FIELDS = "-flags +ilme+ildct"
INTERLACED = [
    ("ts", "h264", f"-vf tinterlace=interleave_top {H264} {FIELDS} -x264-params tff=1"),
    ("mp4", "h264", f"-vf tinterlace=interleave_bottom {H264} {FIELDS} -x264-params bff=1"),
    ("vob", "mpeg2", f"-vf tinterlace=interleave_top {MPEG2} {FIELDS} -field_order tt"),
    ("dv", "dv", f"{PAL},tinterlace=interleave_bottom {DV}"),
]

SMALL = "-f lavfi -t 1.6 -i testsrc2=s=96x64:r=25"
LARGE = "-f lavfi -t 1.6 -i testsrc2=s=192x64:r=25"
SECOND_IS_SMALL = "-map 0 -map 1 -s:v:1 96x64 -disposition:v:0 0 -disposition:v:1 default"
STREAMS = [
    ("ts", "the larger program second", "-map 0 -map 1", SMALL),
    ("ts", "the larger program first", "-map 1 -map 0", SMALL),
    ("mkv", "the smaller stream is the default", SECOND_IS_SMALL, LARGE),
]
PROGRAMS = "-program st=0 -program st=1"

TABLE = [
    *(Row(suffix, name, coded(options)) for suffix, name, options in CODECS),
    *(
        Row(suffix, f"{rate} per second", coded(options, rate=rate))
        for suffix, rate, options in RATES
    ),
    *(Row(suffix, name, coded(options)) for suffix, name, options in TIMES),
    *(Row(suffix, name, coded(f"{options} -pix_fmt {name}")) for suffix, name, options in PIXELS),
    *(Row(suffix, name, coded(options)) for suffix, name, options in COLOURS),
    *TURNED,
    *(
        Row(suffix, f"from {start} s on", coded(f"{H264} -output_ts_offset {start} {AS_GIVEN}"))
        for suffix, start in STARTS
    ),
    *(
        Row(
            suffix, f"pictures {shift} s after the sound", coded(f"{H264} {options}", before=before)
        )
        for suffix, shift, options, before in SOUNDS
    ),
    *(
        Row("mp4", f"an edit list {name}", edited(coded(options), edit_list(*segments)))
        for name, options, segments in EDITS
    ),
    *LOSSES,
    *JOINS,
    *JUMPS,
    *(
        Row(suffix, f"{name}, interlaced", coded(options, rate="50", count=80), filters=BWDIF)
        for suffix, name, options in INTERLACED
    ),
    *(
        Row(suffix, name, coded(f"{H264} {options} {PROGRAMS}", before=before))
        for suffix, name, options, before in STREAMS
    ),
]


BOTH_SHOWN = "of two frames of the same time both are shown, and the next one has no time left"
DIFFERENT = {
    "mkv, two frames of the same time": ([*range(20), *range(21, 40)], BOTH_SHOWN),
    "mp4, an edit list of two segments, the first from the third frame on": (
        [*range(2, 22), *range(23, 40)],
        BOTH_SHOWN,
    ),
    "mp4, an edit list of two segments, each from within a GOP on": (
        [*range(15, 27), *range(3, 17)],
        BOTH_SHOWN,
    ),
    "ts, the clock steps back by two frames": (
        [*range(101), *range(103, 200)],
        "frames are shown until the clock is where it was",
    ),
    "ts, five packets lost": (
        [
            *range(45),
            *[45] * 12,
            *range(57, 63),
            *[63] * 9,
            *range(72, 78),
            78,
            78,
            *range(80, 100),
        ],
        "of frames that come in a wrong order, those that are late are not shown",
    ),
    "ts, another size from the joint on": (
        range(80),
        "the program starts its filters anew and loses the frame before",
    ),
    "ts, 50 per second from the joint on, with B-frames": (
        [*range(41), *range(42, 80, 2)],
        "the program continues the clock of decoding, whose lead is shorter at 50 per second",
    ),
}
"""Rows whose frames are on purpose not those of the ffmpeg program: ours, and why."""


def title(row: Row) -> str:
    return f"{row.suffix}, {row.name}"


def test_every_difference_is_that_of_a_row():
    assert DIFFERENT.keys() <= set(map(title, TABLE))


@pytest.mark.parametrize("row", TABLE, ids=title)
def test_the_frames_are_those_of_the_ffmpeg_program(tmp_path, row):
    video = tmp_path / f"x.{row.suffix}"
    row.make(video)

    found = [turned_back(frame, row.matrix) for frame in read_frames(video, short_side=None)]

    theirs = frames_of_ffmpeg(video, f"{row.filters}setpts=PTS-STARTPTS,fps=25")
    theirs = [turned_back(frame, row.matrix) for frame in theirs]
    if title(row) in DIFFERENT:
        expected, reason = DIFFERENT[title(row)]
        assert numbers(found) == list(expected) != numbers(theirs), reason
    else:
        assert numbers(found) == numbers(theirs)
        levels = [np.abs(a.astype(float) - b).mean() for a, b in zip(found, theirs, strict=True)]
        assert max(levels) <= LARGEST_DIFFERENCE


@pytest.mark.parametrize("step", [0, 5, 16])
def test_a_gap_counts_once_where_only_some_frames_state_their_time(tmp_path, step):
    # Some 40 of these frames fit into a pack, which states the time of one of them.
    jump("mpg", step, options=H264, count=100).make(tmp_path / "x.mpg")

    found = numbers(read_frames(tmp_path / "x.mpg", short_side=None))

    theirs = frames_of_ffmpeg(tmp_path / "x.mpg", "setpts=PTS-STARTPTS,fps=25")
    # Where the gap is, and whether a frame is shown twice, depends on the times that are guessed.
    # At the end, two frames state the same time, and the program leaves out three between them.
    assert len(found) == pytest.approx(len(theirs), abs=3)
    assert found == sorted(found)
    # One frame has the time of a packet after the gap.
    assert set(found) >= set(range(200)) - {98}
