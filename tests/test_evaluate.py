"""Accuracy by protocol on a small prepared data set, with the real network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.evaluate import evaluate
from i3d_rgb_tf.protocols import clip_starts, middle_clip, zoo_clips
from i3d_rgb_tf.spec import ModelSpec
from videos import gray, places, ramp, write_video


@pytest.fixture
def model(model_root: Path, spec: ModelSpec) -> Path:
    return spec.ir_path(model_root, "FP32")


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Two videos in a manifest, the first 10 frames long, the second of no such file."""
    video = write_video(tmp_path / "a.mp4", ramp(10))
    rows = [
        {"name": "a", "label": "abseiling", "path": str(video)},
        {"name": "b", "label": "archery", "path": str(tmp_path / "gone.mp4")},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(rows))
    return tmp_path


@pytest.mark.parametrize(
    ("num_frames", "starts"),
    [(250, (0, 85, 170)), (79, (0, 1, 2)), (81, (0, 1, 2)), (10, (0, 1, 2))],
)
def test_clips_start_where_the_zoo_starts_them(num_frames: int, starts: tuple[int, ...]) -> None:
    assert clip_starts(num_frames) == starts


def test_the_middle_clip_is_the_middle(tmp_path: Path) -> None:
    levels = [gray(10 + index) for index in range(99)]
    video = write_video(tmp_path / "x.mp4", levels, options={"crf": "1"})

    (clip,) = middle_clip(video)

    assert clip.shape == (79, 224, 224, 3)
    assert abs(clip[0].mean() - 20) < 2
    assert abs(clip[-1].mean() - 98) < 2


@pytest.mark.parametrize(("width", "height"), [(340, 256), (256, 340), (64, 64), (320, 180)])
def test_frames_of_every_shape_become_squares(tmp_path: Path, width: int, height: int) -> None:
    pytest.importorskip("cv2", reason="needs OpenCV, from the extra evaluate")
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, from the extra evaluate")
    for number in range(5):
        frame = gray(10 + 6 * number, width, height)
        image.fromarray(frame).save(tmp_path / f"image_{number + 1:05d}.jpg", quality=95)

    clips = list(zoo_clips(tmp_path))

    assert [clip.shape for clip in clips] == [(79, 224, 224, 3)] * 3
    assert [clip.dtype for clip in clips] == [np.float32] * 3
    # A clip that starts later loops what is left.
    assert [places(clip[:7]) for clip in clips] == [
        [0, 1, 2, 3, 4, 0, 1],
        [1, 2, 3, 4, 1, 2, 3],
        [2, 3, 4, 2, 3, 4, 2],
    ]


def test_a_folder_without_frames_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no frames"):
        list(zoo_clips(tmp_path))


def test_an_interrupted_run_is_continued(prepared: Path, model: Path) -> None:
    output = prepared / "out"
    first = evaluate(prepared, model, output, protocol="clip")
    journal = Path(first.predictions)
    before = journal.read_bytes()
    row = json.loads(before)
    answer = row["clips"][0]
    assert sum(answer) == pytest.approx(1, abs=1e-4)

    # A mark shows that the answer is taken over; half a line is what a killed run leaves.
    row["clips"][0] = [float(index == 0) for index in range(400)]
    journal.write_text(json.dumps(row) + '\n{"name": "b", "la')
    second = evaluate(prepared, model, output, protocol="clip")

    assert (second.clip_top1.correct, second.clip_top1.count) == (1, 1)
    assert len(journal.read_text().splitlines()) == 1
    journal.unlink()
    assert evaluate(prepared, model, output, protocol="clip") == first
    assert journal.read_bytes() == before


def test_the_command_shows_counts_and_what_failed(
    prepared: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(prepared), "-m", str(model), "-o", str(prepared / "out")]

    assert main([*command, "--protocol", "clip"]) == 1
    said = capsys.readouterr().out
    assert "1 videos, 1 missing, 0 failed" in said
    assert "clip top1" in said
    assert f"missing: b: {prepared / 'gone.mp4'}" in said
    assert main([*command, "--protocol", "clip", "--format", "json"]) == 1
    assert list(json.loads(capsys.readouterr().out)[0]["missing"]) == ["b"]
    assert main([*command, "--protocol", "zoo"]) == 1
    assert "prepare --frames" in capsys.readouterr().err


def test_labels_count_by_their_rank(prepared: Path, model: Path) -> None:
    first = evaluate(prepared, model, prepared / "out", protocol="clip")
    journal = Path(first.predictions)
    row = json.loads(journal.read_text())
    row["clips"] = [np.eye(400)[0].tolist(), (1 - np.arange(400) / 400)[::-1].tolist()]
    journal.write_text(json.dumps(row) + "\n")

    found = evaluate(prepared, model, prepared / "out", protocol="clip")

    assert (found.clip_top1.correct, found.clip_top5.correct, found.clip_top1.count) == (1, 1, 2)
    assert (found.video_top1.correct, found.video_top1.count) == (1, 1)
