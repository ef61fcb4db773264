"""What a user of the app sees, without gradio: videos, settings, errors, and files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from i3d_rgb_tf.errors import StorageError, VideoError
from i3d_rgb_tf.timeline.output.writers import WRITERS
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.ui.results import Results
from i3d_rgb_tf.ui.sessions import Limits, Sessions, Shown
from timelines import make_timeline
from videos import gray, write_video

SETTINGS = {"labels": [], "enter": 0.5, "leave": 0.25}


class FakeModel:
    """Sees the same in every video, and counts how often it looks."""

    def __init__(self) -> None:
        self.count = 0
        self.error = ""
        self.meanwhile: Callable[[], object] = bool

    def timeline(self, video: Path):
        self.count += 1
        self.meanwhile()
        if self.error:
            raise VideoError(f"{video} {self.error}")
        # As readers of videos do.
        video.stat()
        seen = {"zumba": [0.0, 0.9, 0.4, 0.1], "juggling balls": [0.35, 0.05, 0.35, 0.35]}
        return make_timeline(str(video), seen)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


@pytest.fixture
def results(folder: Path) -> Results:
    return Results(folder)


@pytest.fixture
def sessions(model: FakeModel, results: Results) -> Sessions:
    return Sessions(model, results, Limits(minutes=1))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Return an upload of four seconds."""
    path = tmp_path / "uploads" / "dance.mp4"
    path.parent.mkdir()
    write_video(path, [gray(100)] * 100)
    return path


@pytest.fixture
def infer(sessions, video) -> Callable[..., str]:
    """Give what keeps a video, infers it, and returns the key."""

    def infer(upload: Path = video, before: str = "") -> str:
        key = sessions.start(str(upload), before)
        sessions.infer(key)
        return key

    return infer


def labels_of(results: Results, shown: Shown) -> list[str]:
    return [each.label for each in results.timeline(shown.result).segments]


def test_a_video_is_inferred_once_for_all_settings(sessions, results, model, video):
    key = sessions.start(str(video))
    # gradio removes uploads when they are old.
    video.unlink()
    for _ in range(2):
        sessions.infer(key)

    shown = [
        labels_of(results, sessions.show(key, **(SETTINGS | changed)))
        for changed in ({}, {"enter": 0.3}, {"labels": ["juggling balls"], "enter": 0.3})
    ]

    assert shown == [["zumba"], ["juggling balls", "zumba"], ["juggling balls"]]
    assert model.count == 1


def test_files_are_made_on_demand_and_name_the_video_not_its_folder(
    sessions, results, folder, infer, tmp_path
):
    shown = sessions.show(infer(), **SETTINGS)
    before = {path.name for path in (folder / shown.result).iterdir()}
    path = results.write(shown.result, "json")

    assert before == {"dance.mp4"}
    assert path == folder / shown.result / "dance.json"
    assert str(tmp_path) not in path.read_text()
    assert json.loads(path.read_text())["video"] == "dance.mp4"


def test_every_text_is_what_is_written_beside_the_video(
    sessions, results, video, infer, monkeypatch
):
    shown = sessions.show(infer(), **SETTINGS)
    monkeypatch.chdir(video.parent)
    timeline = FakeModel().timeline(Path(video.name))

    for name, writer in WRITERS.items():
        if writer.render:
            expected = video.with_suffix(".expected")
            writer.write(timeline, expected)
            assert results.write(shown.result, name).read_bytes() == expected.read_bytes()


def test_only_what_was_shown_last_is_kept_and_nothing_after_the_end(
    sessions, results, folder, video, infer
):
    key = infer()
    shown = [sessions.show(key, **(SETTINGS | {"enter": each / 10})).result for each in range(3, 8)]
    kept = {path.name for path in folder.iterdir()}

    assert kept & {*shown} == {*shown[-3:]}
    # The other one keeps the video.
    assert len(kept) == 4
    sessions.end(key)
    assert list(folder.iterdir()) == []
    assert video.exists()
    assert sessions.show(key, **SETTINGS) == Shown()
    with pytest.raises(KeyError):
        results.write(shown[-1], "json")


@pytest.mark.parametrize("is_written", [False, True])
def test_a_result_that_is_removed_while_it_is_written_is_none(
    results, video, folder, monkeypatch, is_written
):
    name = results.add(FakeModel().timeline(video))
    writer = WRITERS["json"]

    def write_after_removal(timeline, path) -> None:
        results.remove(name)
        if not is_written:
            raise StorageError(f"cannot write {path}")
        path.parent.mkdir()
        path.write_text("{}")

    monkeypatch.setitem(WRITERS, "json", replace(writer, write=write_after_removal))

    with pytest.raises(KeyError):
        results.write(name, "json")
    assert list(folder.iterdir()) == []


def test_the_next_video_replaces_the_one_before(sessions, folder, video, infer):
    key = infer()
    sessions.show(key, **SETTINGS)
    before = set(folder.iterdir())
    other = sessions.start(str(video), key)

    assert other != key
    assert before.isdisjoint(folder.iterdir())
    assert sessions.start(None, other) == ""
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"leave": 0.6}, "leave is 0.6, expected more than 0 and at most enter, 0.5"),
        ({"labels": ["zumb"]}, "unknown label 'zumb', expected one of the 400 of Kinetics-400; "),
    ],
)
def test_settings_that_are_wrong_can_be_mended(sessions, results, infer, changed, message):
    key = infer()

    shown = sessions.show(key, **(SETTINGS | changed))

    assert shown.error.startswith(message)
    assert labels_of(results, sessions.show(key, **SETTINGS)) == ["zumba"]


def test_thresholds_that_are_not_given_are_those_of_the_command_line(sessions, results, infer):
    shown = sessions.show(infer(), **(SETTINGS | {"enter": None, "leave": None}))

    found = results.timeline(shown.result).settings
    assert (found.enter, found.leave) == (SegmentSettings.enter, SegmentSettings().leave)


def test_a_video_that_is_too_long_is_refused_before_it_is_inferred(
    sessions, model, infer, tmp_path
):
    path = tmp_path / "long.mp4"
    write_video(path, [gray(100)] * (61 * 25))

    shown = sessions.show(infer(path), **SETTINGS)

    assert shown.error.startswith("long.mp4 is too long, expected at most 1 min of up to 300 ")
    assert model.count == 0


def test_an_error_names_the_video_and_not_where_the_server_keeps_it(
    sessions, model, folder, infer, tmp_path
):
    model.error = "is damaged; get the file again"

    shown = sessions.show(infer(), **SETTINGS)

    assert shown == Shown(error="dance.mp4 is damaged; get the file again")
    assert list(folder.iterdir()) == []
    shown = sessions.show(infer(tmp_path / "missing.mp4"), **SETTINGS)
    assert shown.error.startswith("cannot ")
    assert str(tmp_path / "missing.mp4") not in shown.error
    (tmp_path / "text.mp4").write_text("not a video")
    shown = sessions.show(infer(tmp_path / "text.mp4"), **SETTINGS)
    assert shown.error.startswith("cannot read text.mp4: it is text")


def test_a_video_that_is_given_up_while_it_waits_is_not_inferred(sessions, model, folder, video):
    key = sessions.start(str(video))

    sessions.end(key)
    sessions.infer(key)

    assert model.count == 0
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("error", ["", "is damaged"])
def test_a_video_that_is_given_up_while_it_is_inferred_is_not_shown(
    sessions, model, folder, video, error
):
    key = sessions.start(str(video))
    model.meanwhile = lambda: sessions.start(None, key)
    model.error = error

    sessions.infer(key)

    assert model.count == 1
    assert sessions.show(key, **SETTINGS) == Shown()
    assert list(folder.iterdir()) == []


def test_a_video_that_is_given_up_while_other_settings_are_found_leaves_nothing(
    sessions, folder, infer, monkeypatch
):
    key = infer()
    find = Timeline.with_settings

    def find_after_end(timeline, settings) -> Timeline:
        sessions.end(key)
        return find(timeline, settings)

    monkeypatch.setattr(Timeline, "with_settings", find_after_end)

    assert sessions.show(key, **SETTINGS) == Shown()
    assert list(folder.iterdir()) == []


def test_the_video_of_one_user_stays_when_another_gives_up_the_same(sessions, results, infer):
    one, other = infer(), infer()

    sessions.end(one)

    assert labels_of(results, sessions.show(other, **SETTINGS)) == ["zumba"]


def test_the_videos_of_all_users_have_a_limit_and_the_newest_stay(
    model, results, folder, video, monkeypatch
):
    largest = video.stat().st_size
    monkeypatch.setattr(Limits, "num_bytes", largest)
    sessions = Sessions(model, results, Limits(minutes=1))
    keys = [sessions.start(str(video)) for _ in range(22)]
    for key in keys:
        sessions.infer(key)

    kept = sum(path.stat().st_size for path in folder.rglob("*.mp4"))
    shown = [sessions.show(key, **SETTINGS) for key in keys]

    assert kept == Limits().total_bytes == 20 * largest
    assert model.count == 20
    assert [bool(each.result) for each in shown] == [False] * 2 + [True] * 20
    assert shown[0].error == "dance.mp4 is not kept any more: others came; drop it again"
    for key in keys:
        sessions.end(key)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["json", "html"])
def test_where_the_model_is_on_the_server_is_not_told(results, video, tmp_path, name):
    model = tmp_path / "somebody" / "models" / "FP16" / "i3d-rgb-tf.xml"
    timeline = FakeModel().timeline(video)
    network = replace(timeline.network, model=str(model))

    text = results.write(results.add(replace(timeline, network=network)), name).read_text()

    assert "FP16/i3d-rgb-tf.xml" in text
    assert "somebody" not in text
