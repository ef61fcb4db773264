"""Label Studio's SDK accepts the tasks of timelines, and its converter exports their segments."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.writers import WRITERS
from i3d_rgb_tf.timeline.result import Timeline
from timelines import make_timeline
from videos import gray, write_video

LABELS = "".join(f"<Label value={quoteattr(label)}/>" for label in load_labels())
CONFIG = f"""
<View>
  <TimelineLabels name="videoLabels" toName="video">{LABELS}</TimelineLabels>
  <Video name="video" value="$video" frameRate="$fps"/>
</View>
"""
"""Their template for video frame classification, with our labels and the rate of each task."""


@pytest.fixture
def timelines(tmp_path: Path) -> list[Timeline]:
    """Return timelines of videos of 4 seconds, one with a strange name, one without segments."""
    names = ['é動 "<b>" & \x1b[2J\n.mp4', "plain.mp4", "empty.mp4"]
    dancing = {"zumba": [0.0, 0.9, 0.8, 0.0], "pull ups": [0.0, 0.0, 0.0, 0.7]}
    found = []
    for name, rate in zip(names, (30, Fraction(30000, 1001), 25), strict=True):
        path = write_video(tmp_path / "video.mp4", [gray(50)] * round(4 * rate), rate=rate)
        probabilities = {"zumba": [0.1] * 4} if name == "empty.mp4" else dancing
        found.append(make_timeline(str(path.rename(tmp_path / name)), probabilities))
    return found


@pytest.fixture
def read(environment, tmp_path: Path):
    """Give what reads tasks with the SDK."""

    def read(tasks: str, config: str = CONFIG) -> dict:
        paths = [tmp_path / "config.xml", tmp_path / "tasks.json"]
        for path, text in zip(paths, (config, tasks), strict=True):
            path.write_text(text, encoding="utf-8")
        program = Path(__file__).with_name("read_label_studio_tasks.py")
        printed = environment.run("python", program, *paths, timeout=120).stdout
        return json.loads(printed.splitlines()[-1])

    return read


def render(*timelines: Timeline) -> str:
    return "".join(WRITERS["label-studio"].render(timelines))


def test_tasks_are_valid_and_their_segments_are_exported(read, timelines: list[Timeline]) -> None:
    found = read(render(*timelines))

    assert found["errors"] == []
    exported = found["exported"]
    assert [each["video"] for each in exported] == [each.video for each in timelines]
    assert [each["fps"] for each in exported] == [30, 29.97, 25]
    for task, rate in zip(exported[:2], (30, 29.97), strict=True):
        dance, pull = task["videoLabels"]
        assert dance == {
            "ranges": [{"start": round(rate) + 1, "end": round(3 * rate)}],
            "timelinelabels": ["zumba"],
        }
        assert pull["ranges"] == [{"start": round(3 * rate) + 1, "end": round(4 * rate)}]
        assert pull["timelinelabels"] == ["pull ups"]
    assert "videoLabels" not in exported[2]


def test_a_file_of_one_video_is_valid(read, timelines: list[Timeline], tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    WRITERS["label-studio"].write(timelines[1], path)

    found = read(path.read_text(encoding="utf-8"))

    assert found["errors"] == []
    assert len(found["exported"]) == 1


def test_labels_that_the_project_lacks_are_refused(read, timelines: list[Timeline]) -> None:
    other = CONFIG.replace('<Label value="zumba"/>', "")

    found = read(render(timelines[1]), other)

    assert len(found["errors"]) == 1
    assert "zumba" in found["errors"][0]
