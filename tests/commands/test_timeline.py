"""The timeline command: its settings, what it prints and writes, and its exit status."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from i3d_rgb_tf import cli, model
from i3d_rgb_tf.choices import TIMELINE_FORMATS
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.writers import WRITERS, Writer
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.settings import SegmentSettings
from networks import save_small_i3d
from timelines import make_timeline
from videos import ramp, write_video

PICTURES = [name for name in TIMELINE_FORMATS if not WRITERS[name].render]


class FakeModel:
    """Sees the same in every video that there is."""

    def __init__(self) -> None:
        self.settings: SegmentSettings | None = None
        self.on_video: Callable[[], None] = lambda: None
        """Called before each video."""

    def timeline_all(
        self, videos: Iterable[Path], settings: SegmentSettings
    ) -> Iterator[Timeline | VideoError]:
        self.settings = settings
        for video in videos:
            self.on_video()
            if video.exists():
                yield make_timeline(str(video), {"zumba": [0.0, 0.9, 0.8, 0.1]}, settings)
            else:
                yield VideoError(f"there is no video {video}; check the path")


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    fake = FakeModel()
    monkeypatch.setattr(model, "load_model", lambda *_, **__: fake)
    return fake


@pytest.fixture
def video(tmp_path: Path) -> Path:
    video = tmp_path / "in" / "dance.mp4"
    video.parent.mkdir()
    video.write_bytes(b"not read by the fake model")
    return video


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, list[str]]]:
    """Give what runs the command and returns its output and the lines of its errors."""

    def run(*arguments: object, status: int = 0) -> tuple[str, list[str]]:
        assert cli.main(["timeline", *map(str, arguments)]) == status
        captured = capsys.readouterr()
        return captured.out, captured.err.splitlines()

    return run


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Give what runs the command with wrong usage and returns the line that says so."""

    def refuse(*arguments: object) -> str:
        with pytest.raises(SystemExit, match="2"):
            cli.main(["timeline", *map(str, arguments)])
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err.splitlines()[-1].removeprefix("i3d-rgb-tf timeline: error: ")

    return refuse


def beside(video: Path, name: str) -> Path:
    return shutil.copy(video, video.with_name(name))


# Settings.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", SegmentSettings()),
        ("--enter 0.8 --leave 0.4", SegmentSettings(enter=0.8, leave=0.4)),
        ("--enter 0.8", SegmentSettings(enter=0.8)),
        ("--enter 0.1", SegmentSettings(enter=0.1, leave=0.1)),
        (
            "--min-seconds 0 --merge-seconds 3.5 --smooth-seconds 2",
            SegmentSettings(min_seconds=0, merge_seconds=3.5, smooth_seconds=2),
        ),
        (
            "--label zumba --label abseiling --label zumba",
            SegmentSettings(labels=("zumba", "abseiling")),
        ),
    ],
    ids=str,
)
def test_options_become_settings(
    run, fake: FakeModel, video: Path, options: str, expected: SegmentSettings
) -> None:
    run(video, *options.split())

    assert fake.settings == expected


def test_the_help_states_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["timeline", "--help"])

    text = " ".join(capsys.readouterr().out.split())
    settings = SegmentSettings()
    assert f"at least P somewhere (default: {settings.enter:g})" in text
    assert f"at least P (default: {settings.leave:g}, or" in text
    assert f"shorter segments (default: {settings.min_seconds:g})" in text
    assert f"a gap of at most S (default: {settings.merge_seconds:g})" in text
    assert f"over S before (default: {settings.smooth_seconds:g}, do not)" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--enter 2", "--enter is 2.0, expected more than 0 and at most 1"),
        ("--enter nan", "--enter is nan, expected more than 0 and at most 1"),
        ("--leave 0.6", "--leave is 0.6, expected more than 0 and at most enter, 0.5"),
        ("--min-seconds -1", "--min-seconds is -1.0, expected 0 or more, and finite"),
        ("--smooth-seconds inf", "--smooth-seconds is inf, expected 0 or more, and finite"),
        ("--enter high", "argument --enter: invalid float value: 'high'"),
        *(
            (f"--output-format {name}", f"{name} is written to files, expected --output-dir DIR")
            for name in (*PICTURES, "all")
        ),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    refuse, video: Path, options: str, message: str
) -> None:
    assert refuse(video, *options.split()) == message


@pytest.mark.parametrize("option", [["x.mp4"], ["--output-dir", "x"], ["--output-format", "csv"]])
def test_a_live_stream_is_only_printed(refuse, option: list[str]) -> None:
    assert refuse("--live", "-", *option) == (
        "--live prints lines of JSON, expected no VIDEO, no --output-dir and no --output-format"
    )


def test_something_to_read_is_expected(run, refuse, tmp_path: Path) -> None:
    line = refuse()
    _, (error,) = run(tmp_path, status=1)

    assert line == "expected VIDEO, or --live SOURCE"
    assert f"{tmp_path} holds no video" in error


# Labels.


def test_labels_come_from_a_file_and_from_options(
    run, fake: FakeModel, video: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_bytes("\ufeffwalking the dog\r\n\r\n  yoga \nzumba".encode())

    run(video, "--label", "zumba", "--labels", labels)

    assert fake.settings == SegmentSettings(labels=("zumba", "walking the dog", "yoga"))


def test_an_unknown_label_is_one_line_with_the_nearest_known_ones(run, video: Path) -> None:
    output, (line,) = run(video, "--label", "walking dog", status=1)

    assert output == ""
    assert "unknown label 'walking dog'" in line
    assert "the nearest are 'walking the dog'" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read {}: No such file or directory; check the path"),
        (b"", "{} is empty, expected a label on each line; name one in it"),
        (b"\n \n", "{} is empty, expected a label on each line; name one in it"),
        (b"\x00\xff\xfe", "{} is not a text file, expected a label on each line"),
        (b"zumba\n\nzumbaa\n", "{}, line 3: unknown label 'zumbaa', expected one of the 400 "),
    ],
    ids=["missing", "empty", "blank", "binary", "unknown"],
)
def test_a_file_of_labels_that_cannot_be_used_is_one_line(
    run, video: Path, tmp_path: Path, content: bytes | None, message: str
) -> None:
    labels = tmp_path / "labels.txt"
    if content is not None:
        labels.write_bytes(content)

    output, (line,) = run(video, "--labels", labels, status=1)

    assert output == ""
    assert line.startswith(f"i3d-rgb-tf: error: {message.format(labels)}")


# Standard output.


def test_text_is_printed_as_the_videos_are_done(
    run, fake: FakeModel, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    fake.on_video = lambda: seen.append(capsys.readouterr().out)

    last, errors = run(video, beside(video, "other.mp4"))

    first = (
        f"{video}: 4.0 s, 100 frames, 4 positions, weights rgb_scratch\n"
        "     1.0 -    3.0 s  0.85  zumba\n"
    )
    assert seen == ["", first]
    assert last == first.replace("dance", "other")
    assert errors == []


def test_one_document_is_printed_for_all_videos(run, video: Path) -> None:
    videos = [video, beside(video, "other.mp4")]

    found = {name: run(*videos, "--output-format", name)[0] for name in TIMELINE_FORMATS[1:5]}

    assert [each["video"] for each in json.loads(found["json"])] == list(map(str, videos))
    lines = found["jsonl"].splitlines()
    assert [json.loads(line)["video"] for line in lines] == list(map(str, videos))
    for name, delimiter in (("csv", ","), ("tsv", "\t")):
        rows = list(csv.reader(found[name].splitlines(), delimiter=delimiter, strict=True))
        assert [row[0] for row in rows] == ["video", *map(str, videos)]


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_subtitles_are_of_one_video(run, refuse, video: Path, out: Path, name: str) -> None:
    other = beside(video, "other.mp4")

    line = refuse(video, other, "--output-format", name)
    printed, _ = run(video, "--output-format", name)
    run(video, other, "--output-format", name, "--output-dir", out)

    assert line == f"{name} holds one video, got 2; write each to a file with --output-dir DIR"
    assert printed == (out / f"dance.{name}").read_text()


def test_a_bad_video_is_reported_and_the_others_are_printed(run, video: Path) -> None:
    empty = video.with_name("empty")
    empty.mkdir()
    videos = [video.with_name("gone.mp4"), video, empty]

    output, errors = run(*videos, "--output-format", "json", status=1)

    assert [each["video"] for each in json.loads(output)] == [str(video)]
    assert [line.startswith("i3d-rgb-tf: error: ") for line in errors] == [True, True]


def test_names_are_printed_without_control_characters(run, video: Path) -> None:
    odd = video.rename(video.with_name('é動"\x1b[2J\n.mp4'))

    texts = {name: run(odd, "--output-format", name)[0] for name in ("text", "csv", "json")}

    assert (
        texts["text"]
        .splitlines()[0]
        .startswith(rf"{odd.parent}/é動\"\x1b[2J\n.mp4: 4.0 s".replace('\\"', '"'))
    )
    (_, row) = csv.reader(texts["csv"].splitlines(), strict=True)
    assert row[0] == rf'{odd.parent}/é動"\x1b[2J\n.mp4'
    assert json.loads(texts["json"])[0]["video"] == str(odd)


def test_a_video_that_is_named_twice_is_read_once(run, video: Path) -> None:
    output, _ = run(video, video.parent, "--output-format", "jsonl")

    assert len(output.splitlines()) == 1


# Files.


def test_each_video_gets_a_file_and_a_line(run, video: Path, out: Path) -> None:
    other = beside(video, "other.avi")
    printed, _ = run(video, "--output-format", "csv")

    output, errors = run(video, other, "--output-format", "csv", "--output-dir", out)

    assert output.splitlines() == [
        f"{video}: 4.0 s, 1 segment, {out / 'dance.csv'}",
        f"{other}: 4.0 s, 1 segment, {out / 'other.csv'}",
    ]
    assert errors == []
    assert sorted(path.name for path in out.iterdir()) == ["dance.csv", "other.csv"]
    assert (out / "dance.csv").read_text() == printed


def picture(content: bytes | None) -> Writer:
    """Return a writer of bytes; of nothing if the video cannot be read any more."""

    def write(timeline: Timeline, path: Path) -> None:
        if content is None:
            raise VideoError(f"cannot read {timeline.video}; get it again")
        path.write_bytes(content)

    return Writer(".picture", write)


def test_all_formats_are_written_and_named_in_one_line(run, tmp_path: Path, out: Path) -> None:
    video = write_video(tmp_path / "dance.mp4", ramp(40))

    output, errors = run(video, "--output-format", "all", "--output-dir", out)

    assert errors == []
    assert output == (
        f"{video}: 4.0 s, 1 segment, {out}/dance.{{txt,json,jsonl,csv,tsv,vtt,srt,"
        "activitynet.json,label-studio.json,html,png,annotated.mp4}\n"
    )
    assert {path.name for path in out.iterdir()} == {
        f"dance{writer.suffix}" for writer in WRITERS.values()
    }
    assert all(path.stat().st_size for path in out.iterdir())


def test_a_format_that_cannot_read_the_video_again_is_reported(
    run, video: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PICTURES:
        writer = Writer(WRITERS[name].suffix, picture(None).write)
        monkeypatch.setitem(WRITERS, name, writer)

    output, errors = run(video, "--output-format", "all", "--output-dir", out, status=1)

    assert "label-studio.json}" in output
    assert errors == [f"i3d-rgb-tf: error: cannot read {video}; get it again"] * len(PICTURES)


def test_a_file_is_replaced_only_when_the_new_one_is_complete(
    run, video: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WRITERS, "png", picture(b"old"))
    run(video, "--output-format", "png", "--output-dir", out)
    monkeypatch.setitem(WRITERS, "png", picture(None))

    run(video, "--output-format", "png", "--output-dir", out, status=1)

    assert [path.read_bytes() for path in out.iterdir()] == [b"old"]


def test_two_videos_of_one_name_stop_the_run(run, video: Path, out: Path) -> None:
    other = beside(video, "Dance.avi")

    output, (line,) = run(video, other, "--output-dir", out, status=1)

    assert output == ""
    assert f"{video} and {other} would both be written to Dance" in line
    assert not out.exists()


def test_two_videos_of_one_name_are_not_mixed_in_one_result(run, video: Path) -> None:
    other = beside(video, "dance.avi")

    output, (line,) = run(video, other, "--output-format", "activitynet", status=1)

    assert output == ""
    assert f"{video} and {other} would both be dance in the result; rename one" in line


def test_two_formats_of_one_name_stop_the_run(
    run, video: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PICTURES:
        monkeypatch.setitem(WRITERS, name, Writer(WRITERS[name].suffix, picture(b"").write))
    other = beside(video, "dance.activitynet.mp4")

    _, (line,) = run(video, other, "--output-format", "all", "--output-dir", out, status=1)

    assert f"{video} and {other} would both be written to dance.activitynet.json" in line


@pytest.mark.parametrize("kind", ["itself", "link", "hard link"])
def test_a_video_is_never_replaced(run, video: Path, out: Path, kind: str) -> None:
    out.mkdir()
    output = out / "dance.txt"
    if kind == "itself":
        videos = [video, shutil.copy(video, output)]
    else:
        videos = [video]
        (output.symlink_to if kind == "link" else output.hardlink_to)(video)
    before = output.read_bytes()

    _, (line,) = run(*videos, "--output-dir", out, status=1)

    if kind == "itself":
        assert "would both be written to dance.txt" in line
    else:
        assert line == (
            f"i3d-rgb-tf: error: {output} would replace the video {video}; choose another output "
            "folder"
        )
    assert output.read_bytes() == before


def test_an_input_with_the_ending_of_an_output_is_not_replaced(run, video: Path) -> None:
    text = beside(video, "dance.txt")
    before = text.read_bytes()

    _, (line,) = run(text, "--output-dir", text.parent, status=1)

    assert f"{text} would replace the video {text}" in line
    assert text.read_bytes() == before


def test_a_missing_package_and_a_folder_that_cannot_be_written_stop_the_run(
    run, fake: FakeModel, video: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Writer(".html", picture(b"").write, packages={"no_such_module": "NoSuch"})
    monkeypatch.setitem(WRITERS, "html", missing)

    _, (line,) = run(video, "--output-format", "html", "--output-dir", out, status=1)
    _, (other,) = run(video, "--output-dir", video / "below", status=1)

    assert "the format html needs NoSuch, which is not installed" in line
    assert "pip install 'i3d-rgb-tf[timeline]'" in line
    assert f"cannot write {video / 'below'}" in other
    assert fake.settings is None
    assert not out.exists()


# With a network.


def test_a_network_finds_the_segments_of_real_files(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    path = save_small_i3d(tmp_path / "model.xml")
    long, short = (
        write_video(tmp_path / f"{count}.mp4", ramp(40) * (count // 20)) for count in (60, 20)
    )

    output, errors = run(long, short, "-m", path, "--enter", 0.004, "--output-format", "json")

    assert errors == []
    documents = json.loads(output)
    assert [each["num_positions"] for each in documents] == [14, 1]
    for document in documents:
        assert document["segments"]
        assert {each["label"] for each in document["segments"]} <= set(load_labels())
        assert document["positions"][-1]["end_seconds"] == document["duration_seconds"]
