"""Each format is read back by a parser of others, also with the names of strangers."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import srt
import webvtt

from i3d_rgb_tf.choices import TIMELINE_FORMATS, TimelineFormat
from i3d_rgb_tf.errors import escape_controls
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.writers import WRITERS
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.segments import Segment
from i3d_rgb_tf.timeline.settings import SegmentSettings
from media import ffmpeg
from timelines import make_timeline, with_segments
from videos import gray, write_video

TEXTS = [name for name in TIMELINE_FORMATS if WRITERS[name].render]
STRANGE = [
    "plain",
    'quotes " and \' and, commas; "both"',
    "line\nbreak\r\n\nand more",
    "00:00:01.000 --> 00:00:02.000",
    "<script>alert(1)</script> &amp; <b>bold</b> <c.red>",
    "\u202edesrever\u202c",
    "שלום עולם",
    "tab\tand escape \x1b[2J and \x85",
    "=1+1",
    "動画 é \udcff",
]
"""Names of files as strangers write them."""


def names_of_strangers() -> list[Timeline]:
    segments = [Segment("zumba", 0.0, 1.26, 0.87654, 0.98765), Segment("yoga", 2, 3, 0.5, 0.5)]
    return [with_segments(f"clips/{name}.mp4", segments) for name in STRANGE]


Spans = list[tuple[float, float, str]]


def read_table(path: Path, **options: str) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True, **options))


def spans_of_table(path: Path, **options: str) -> Spans:
    return [
        (float(row["start_seconds"]), float(row["end_seconds"]), row["label"])
        for row in read_table(path, **options)
    ]


def spans_of_vtt(path: Path) -> Spans:
    cues = webvtt.read(str(path))
    return [(cue.start_in_seconds, cue.end_in_seconds, cue.raw_text) for cue in cues]


def exact_seconds(path: Path) -> list[tuple[float, float]]:
    """Return the times of WebVTT with their fractions, which webvtt-py gives as text."""
    return [
        tuple(
            int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            for hours, minutes, seconds in (cue.start.split(":"), cue.end.split(":"))
        )
        for cue in webvtt.read(str(path))
    ]


def spans_of_srt(path: Path) -> Spans:
    cues = srt.parse(path.read_text(encoding="utf-8"))
    return [(cue.start.total_seconds(), cue.end.total_seconds(), cue.content) for cue in cues]


def spans_of_segments(segments: Iterable[dict[str, Any]]) -> Spans:
    return [(each["start_seconds"], each["end_seconds"], each["label"]) for each in segments]


def spans_of_activitynet(path: Path) -> Spans:
    (results,) = json.loads(path.read_text())["results"].values()
    return [(*each["segment"], each["label"]) for each in results]


def spans_of_label_studio(path: Path) -> Spans:
    (task,) = json.loads(path.read_text())
    values = [each["value"] for each in task["predictions"][0]["result"]]
    rate = task["data"]["fps"]
    return [
        ((found["start"] - 1) / rate, found["end"] / rate, value["timelinelabels"][0])
        for value in values
        for found in value["ranges"]
    ]


READERS: dict[TimelineFormat, Callable[[Path], Spans]] = {
    "json": lambda path: spans_of_segments(json.loads(path.read_text())["segments"]),
    "jsonl": lambda path: spans_of_segments(json.loads(path.read_text())["segments"]),
    "csv": spans_of_table,
    "tsv": lambda path: spans_of_table(path, dialect="excel-tab"),
    "vtt": spans_of_vtt,
    "srt": spans_of_srt,
    "activitynet": spans_of_activitynet,
    "label-studio": spans_of_label_studio,
}


def write(name: TimelineFormat, timeline: Timeline, folder: Path) -> Path:
    path = folder / f"out{WRITERS[name].suffix}"
    WRITERS[name].write(timeline, path)
    return path


def text_of(name: TimelineFormat, *timelines: Timeline) -> str:
    render = WRITERS[name].render
    assert render
    return "".join(render(timelines))


# All formats.


def test_every_format_has_a_writer_and_an_ending_of_its_own() -> None:
    assert list(WRITERS) == list(TIMELINE_FORMATS)
    assert len({writer.suffix for writer in WRITERS.values()}) == len(WRITERS)


def test_every_text_but_that_for_people_is_read_back() -> None:
    assert {*READERS, "text"} == set(TEXTS)


@pytest.mark.parametrize("name", READERS)
def test_a_parser_of_others_reads_the_segments(name: TimelineFormat, tmp_path: Path) -> None:
    walk, clean = [0.0, 0.9, 0.9, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.6, 0.7]
    timeline = make_timeline("dog.mp4", {"walking the dog": walk, "clean and jerk": clean})

    found = READERS[name](write(name, timeline, tmp_path))

    assert found == [(1.0, 3.0, "walking the dog"), (4.0, 6.0, "clean and jerk")]


@pytest.mark.parametrize("name", READERS)
def test_each_of_the_400_labels_is_read_back_as_it_is(name: TimelineFormat, tmp_path: Path) -> None:
    segments = [
        Segment(label, float(start), start + 1.0, 0.9, 0.9)
        for start, label in enumerate(load_labels())
    ]

    found = READERS[name](write(name, with_segments("a.mp4", segments), tmp_path))

    assert [label for *_, label in found] == list(load_labels())


def test_no_label_has_what_subtitles_would_have_to_escape() -> None:
    assert not set("<>&\n\r") & set("".join(load_labels()))


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_has_no_control_characters(name: TimelineFormat, tmp_path: Path) -> None:
    for timeline in names_of_strangers():
        text = write(name, timeline, tmp_path).read_bytes().decode("utf-8")
        assert escape_controls(text, keep="\n\t" if name == "tsv" else "\n") == text


@pytest.mark.parametrize("name", READERS)
def test_times_have_one_decimal_and_a_segment_is_never_empty(
    name: TimelineFormat, tmp_path: Path
) -> None:
    segments = [
        Segment("zumba", 0.0, 0.04, 0.9, 0.9),
        Segment("zumba", 1.26, 2.14, 0.9, 0.9),
        Segment("zumba", 3599.96, 3723.07, 0.9, 0.9),
    ]

    path = write(name, with_segments("a.mp4", segments), tmp_path)

    found = exact_seconds(path) if name == "vtt" else [span[:2] for span in READERS[name](path)]
    expected = [(0.0, 0.1), (1.3, 2.1), (3600.0, 3723.1)]
    if name == "label-studio":
        # It counts frames.
        expected = [(0.0, 0.04), (1.28, 2.16), (3599.96, 3723.08)]
    assert found == [pytest.approx(span, abs=1e-6) for span in expected]


@pytest.mark.parametrize("name", TEXTS)
def test_a_timeline_without_segments_is_a_valid_text(name: TimelineFormat, tmp_path: Path) -> None:
    path = write(name, make_timeline("a.mp4", {"zumba": [0.1] * 3}), tmp_path)

    assert name == "text" or READERS[name](path) == []


def test_text_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from timelines import make_timeline; "
        "from i3d_rgb_tf.timeline.output.writers import WRITERS; "
        "print(*WRITERS['text'].render([make_timeline('a.mp4', {'zumba': [0.9] * 3})])); "
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-c", script, str(tests)]

    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "zumba" in printed
    assert not {"PIL", "av", "jinja2", "openvino"} & set(printed.splitlines()[-1].split())


# Text for people.


def test_text_is_a_line_about_the_video_and_one_for_each_segment() -> None:
    timeline = make_timeline("dog.mp4", {"walking the dog": [0.0, 0.9, 0.96, 0.0]}, seconds=12)

    assert text_of("text", timeline) == (
        "dog.mp4: 48.0 s, 1200 frames, 4 positions, weights rgb_scratch\n"
        "    12.0 -   36.0 s  0.93  walking the dog\n"
    )


def test_text_of_more_than_a_minute_has_minutes_and_hours() -> None:
    segments = [Segment("zumba", 5.04, 61.96, 0.9, 0.9), Segment("yoga", 3599.96, 7200, 0.5, 0.5)]
    timeline = make_timeline("dog.mp4", {"zumba": [0.9] * 2}, seconds=3600)

    assert text_of("text", replace(timeline, segments=tuple(segments))) == (
        "dog.mp4: 2:00:00.0, 180000 frames, 2 positions, weights rgb_scratch\n"
        "    0:05.0 -    1:02.0  0.90  zumba\n"
        " 1:00:00.0 - 2:00:00.0  0.50  yoga\n"
    )


@pytest.mark.parametrize(
    ("probabilities", "settings", "reason"),
    [
        (
            [0.1, 0.3123, 0.2],
            SegmentSettings(),
            "the highest probability is 0.312, zumba at 1.5 s, under --enter 0.5; lower that",
        ),
        (
            [0.1, 0.49996, 0.2],
            SegmentSettings(),
            "the highest probability is almost 0.5, zumba at 1.5 s, under --enter 0.5; lower that",
        ),
        (
            [0.1, 0.9, 0.2],
            SegmentSettings(min_seconds=2.5),
            "the longest, zumba at 1.0 s, lasts 1.00 s, under --min-seconds 2.5; lower that",
        ),
        (
            [0.0, 0.9, 0.0],
            SegmentSettings(smooth_seconds=4),
            (
                "the highest probability is 0.900, zumba at 1.5 s, but under --enter 0.5 when "
                "averaged over --smooth-seconds 4; lower one of them"
            ),
        ),
        (
            [0.0, 0.9, 0.9, 0.0],
            SegmentSettings(smooth_seconds=2, min_seconds=9),
            "the longest, zumba at 0.0 s, lasts 4.00 s, under --min-seconds 9; lower that",
        ),
        (
            [0.0, 0.9, 0.0],
            SegmentSettings(labels=("abseiling",)),
            "the highest probability is 0.003, abseiling at 0.5 s, under --enter 0.5; lower that",
        ),
    ],
    ids=["enter", "close", "short", "smooth", "smooth and short", "label"],
)
def test_text_says_why_there_are_no_segments(
    probabilities: list[float], settings: SegmentSettings, reason: str
) -> None:
    timeline = make_timeline("a.mp4", {"zumba": probabilities}, settings)

    lines = text_of("text", timeline).splitlines()

    assert lines[1:] == [f"  no segments: {reason}"]


def test_text_says_that_a_short_video_has_one_position() -> None:
    timeline = make_timeline("a.mp4", {"zumba": [0.9]}, seconds=2)

    head, note, segment = text_of("text", timeline).splitlines()

    assert head == "a.mp4: 2.0 s, 50 frames, 1 position, weights rgb_scratch"
    assert note == "  up to 79 frames: one position stands for the whole video"
    assert segment.endswith("0.0 -    2.0 s  0.90  zumba")


# Several videos.


def test_a_table_has_one_head_and_its_rows_come_as_the_videos_do() -> None:
    timelines = [make_timeline(f"{name}.mp4", {"zumba": [0.9] * 2}) for name in "ab"]
    asked: list[str] = []

    def ask():
        for timeline in timelines:
            asked.append(timeline.video)
            yield timeline

    parts = WRITERS["csv"].render(ask())

    assert next(parts) == "video,start_seconds,end_seconds,label,mean_score,peak_score\n"
    assert asked == []
    assert next(parts) == "a.mp4,0.0,2.0,zumba,0.900,0.900\n"
    assert asked == ["a.mp4"]
    assert list(parts) == ["b.mp4,0.0,2.0,zumba,0.900,0.900\n"]


@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_a_row_is_one_line_whatever_the_video_is_called(
    name: TimelineFormat, tmp_path: Path
) -> None:
    for timeline in names_of_strangers():
        path = write(name, timeline, tmp_path)
        rows = read_table(path, delimiter="," if name == "csv" else "\t")
        assert {row["video"] for row in rows} == {escape_controls(timeline.video)}
        assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def test_json_is_a_list_and_json_lines_has_its_documents(tmp_path: Path) -> None:
    timelines = [make_timeline(f"{video}.mp4", {"zumba": [0.9] * 2}) for video in STRANGE]

    documents = json.loads(text_of("json", *timelines))

    assert [each["video"] for each in documents] == [f"{video}.mp4" for video in STRANGE]
    lines = text_of("jsonl", *timelines).splitlines()
    assert [json.loads(line) for line in lines] == documents
    assert json.loads(write("json", timelines[0], tmp_path).read_text()) == documents[0]


def test_json_has_all_facts_and_the_best_labels_of_each_position() -> None:
    strong = [0.9, 0.98765, 0.2]
    others = {
        label: [0.0, 0.002, 0.1] for label in ("abseiling", "drawing", "archery", "yoga", "tai chi")
    }
    settings = SegmentSettings(min_seconds=0.5)
    timeline = make_timeline("a.mp4", {"zumba": strong, **others}, settings, seconds=0.32)

    (document,) = json.loads(text_of("json", timeline))

    positions = document.pop("positions")
    assert document == {
        "video": "a.mp4",
        "num_frames": 24,
        "duration_seconds": 1.0,
        "num_positions": 3,
        "network": {
            "weights": "rgb_scratch",
            "weights_sha384": "3" * 96,
            "model": "models/i3d-rgb-tf.xml",
            "convolution": "direct",
            "inference_precision": "bf16",
            "device": "CPU",
        },
        "settings": {
            "enter": 0.5,
            "leave": 0.25,
            "min_seconds": 0.5,
            "merge_seconds": 1.0,
            "smooth_seconds": 0.0,
            "labels": None,
        },
        "segments": [
            {
                "label": "zumba",
                "start_seconds": 0.0,
                "end_seconds": 0.6,
                "mean_score": 0.944,
                "peak_score": 0.988,
            }
        ],
    }
    assert [(each["start_seconds"], each["end_seconds"]) for each in positions] == [
        (0.0, 0.3),
        (0.3, 0.6),
        (0.6, 1.0),
    ]
    assert list(positions[0]["labels"].items()) == [("zumba", 0.9)]
    assert list(positions[1]["labels"].values()) == [0.988, 0.002, 0.002, 0.002, 0.002]
    assert next(iter(positions[1]["labels"])) == "zumba"
    assert len(positions[2]["labels"]) == 5


def test_json_has_the_labels_that_are_asked_for_at_each_position() -> None:
    settings = SegmentSettings(labels=("yoga", "zumba"))
    timeline = make_timeline("a.mp4", {"zumba": [0.9, 0.1], "archery": [0.0, 0.9]}, settings)

    (document,) = json.loads(text_of("json", timeline))

    assert document["settings"]["labels"] == ["yoga", "zumba"]
    found = [each["labels"] for each in document["positions"]]
    assert found == [{"yoga": 0.0, "zumba": 0.9}, {"yoga": 0.0, "zumba": 0.1}]


def test_json_of_ten_minutes_is_small() -> None:
    probabilities = np.random.default_rng(0).dirichlet([0.02] * 400, 1875).T
    labels = dict(zip(load_labels()[:399], probabilities.tolist(), strict=False))
    timeline = make_timeline("a.mp4", labels, seconds=0.32)

    assert len(text_of("jsonl", timeline)) < 500_000


# Subtitles.


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_a_player_reads_the_subtitles(name: TimelineFormat, tmp_path: Path) -> None:
    segments = [
        Segment(label, 2 * index, 2 * index + 1.5, 1, 1) for index, label in enumerate("ab")
    ]
    segments.append(Segment("massaging person's head", 7250.04, 7260, 1, 1))
    path = write(name, with_segments("a.mp4", segments), tmp_path)

    ffmpeg("-i", path, tmp_path / "again.srt")

    found = spans_of_srt(tmp_path / "again.srt")
    assert [span[:2] for span in found] == [(0, 1.5), (2, 3.5), (7250.0, 7260.0)]
    assert [label for *_, label in found] == ["a", "b", "massaging person's head"]


# ActivityNet.

ACTIVITYNET = {
    "type": "object",
    "required": ["version", "results", "external_data"],
    "additionalProperties": False,
    "properties": {
        "version": {"type": "string", "pattern": r"^VERSION \d\.\d$"},
        "external_data": {"type": "object"},
        "results": {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["label", "score", "segment"],
                    "additionalProperties": False,
                    "properties": {
                        "label": {"type": "string", "minLength": 1},
                        "score": {"type": "number", "minimum": 0, "maximum": 1},
                        "segment": {
                            "type": "array",
                            "items": {"type": "number", "minimum": 0},
                            "minItems": 2,
                            "maxItems": 2,
                        },
                    },
                },
            },
        },
    },
}
"""The results of the detection task, by what its evaluation reads and by its sample file."""


def test_activitynet_has_the_results_of_all_videos_by_their_names_without_endings() -> None:
    timelines = [
        with_segments("clips/some.mp4", [Segment("zumba", 0.0, 1.26, 0.87654, 0.98765)]),
        make_timeline("x/v_dog.1.avi", {"zumba": [0.1] * 3}),
    ]

    document = json.loads(text_of("activitynet", *timelines))

    jsonschema.validate(document, ACTIVITYNET)
    assert list(document["results"]) == ["some", "v_dog.1"]
    assert document["results"]["v_dog.1"] == []
    assert document["results"]["some"] == [
        {"label": "zumba", "score": 0.877, "segment": [0.0, 1.3]}
    ]


# Label Studio.


@pytest.mark.parametrize(
    ("rate", "expected", "frames"),
    [
        (Fraction(25), 25.0, (26, 75)),
        (Fraction(30), 30.0, (31, 90)),
        (Fraction(30000, 1001), 29.97, (31, 90)),
        (Fraction(60), 60.0, (61, 180)),
        (None, 25.0, (26, 75)),
    ],
)
def test_label_studio_has_frames_from_1_at_the_rate_of_the_file(
    rate: Fraction | None, expected: float, frames: tuple[int, int], tmp_path: Path
) -> None:
    video = tmp_path / "a.mp4"
    if rate:
        write_video(video, [gray(50)] * round(4 * rate), rate=rate)
    timeline = make_timeline(str(video), {"zumba": [0.0, 0.9, 0.8, 0.0]})

    (task,) = json.loads(text_of("label-studio", timeline))

    assert task["data"] == {"video": str(video), "fps": expected}
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("i3d-rgb-tf rgb_scratch", 0.85)
    (region,) = prediction["result"]
    assert region["value"]["ranges"] == [{"start": frames[0], "end": frames[1]}]


def test_label_studio_has_tasks_of_all_videos() -> None:
    timelines = [*names_of_strangers(), make_timeline("b.mp4", {"zumba": [0.1] * 2})]

    tasks = json.loads(text_of("label-studio", *timelines))

    assert [task["data"]["video"] for task in tasks] == [each.video for each in timelines]
    counts = [len(task["predictions"][0]["result"]) for task in tasks]
    assert counts == [2] * len(STRANGE) + [0]
