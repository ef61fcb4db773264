"""Timelines are written to files from Python as from the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from i3d_rgb_tf import write_timeline
from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.timeline.result import Timeline
from timelines import make_timeline


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    return make_timeline(str(tmp_path / "dance.mp4"), {"zumba": [0.0, 0.9, 0.9, 0.0]})


def test_the_file_has_the_name_of_the_video_in_a_folder_that_is_made(
    timeline: Timeline, tmp_path: Path
) -> None:
    path = write_timeline(timeline, str(tmp_path / "new" / "folder"), "csv")

    assert path == tmp_path / "new" / "folder" / "dance.csv"
    assert path.read_text(encoding="utf-8").splitlines()[1].endswith("1.0,3.0,zumba,0.900,0.900")


def test_an_unknown_format_is_refused(timeline: Timeline, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown format 'xml', expected one of text, json, jsonl"):
        write_timeline(timeline, tmp_path, "xml")  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


def test_a_video_is_never_replaced(timeline: Timeline, tmp_path: Path) -> None:
    Path(timeline.video).write_bytes(b"a video")
    (tmp_path / "dance.csv").hardlink_to(timeline.video)

    with pytest.raises(DatasetError, match=r"dance\.csv would replace the video .*dance\.mp4"):
        write_timeline(timeline, tmp_path, "csv")

    assert Path(timeline.video).read_bytes() == b"a video"
