"""Accuracy by protocol on a small prepared data set, with the real network."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import StorageError
from i3d_rgb_tf.evaluate import Evaluation, evaluate
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.spec import ModelSpec
from processes import bound_by_modes, without_coverage
from videos import gray, ramp, write_video


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


def test_answers_are_taken_over_and_torn_ones_made_again(prepared: Path, model: Path) -> None:
    output = prepared / "out"
    first = evaluate(prepared, model, output, protocol="paper")
    journal = Path(first.predictions)
    before = journal.read_bytes()
    row = json.loads(before)
    assert sum(row["clips"][0]) == pytest.approx(1, abs=1e-4)

    # A mark shows that the answer is taken over; half a line is what a killed run leaves.
    row["clips"][0] = [float(index == 0) for index in range(400)]
    journal.write_text(json.dumps(row) + '\n{"name": "b", "la')
    second = evaluate(prepared, model, output, protocol="paper")

    assert (second.clip_top1.correct, second.clip_top1.count) == (1, 1)
    assert len(journal.read_text().splitlines()) == 1
    # A video that has changed is run again.
    video = prepared / "a.mp4"
    os.utime(video, ns=(1, 1))
    assert evaluate(prepared, model, output, protocol="paper").clip_top1 == first.clip_top1
    journal.unlink()
    assert evaluate(prepared, model, output, protocol="paper") == first


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a manifest of short videos, not in order, one of them not a video."""
    folder = tmp_path_factory.mktemp("many")
    labels = load_labels()
    rows = []
    for number in (5, 3, 11, 0, 7, 1, 9, 2, 10, 4, 8, 6):
        frames = [gray(20 * number + 2 * index) for index in range(9 + number % 3)]
        video = write_video(folder / f"{number:02d}.mp4", frames)
        rows.append({"name": f"v{number:02d}", "label": labels[number], "path": str(video)})
    (folder / "02.mp4").write_text("no video")
    (folder / "manifest.json").write_text(json.dumps(rows))
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    many: Path, model_root: Path, spec: ModelSpec, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Evaluation, bytes]:
    """Return the result and the answers of a run that nothing happens to."""
    output = tmp_path_factory.mktemp("undisturbed")
    result = evaluate(many, spec.ir_path(model_root, "FP32"), output, protocol="paper")
    return result, Path(result.predictions).read_bytes()


def _start(many: Path, model: Path, output: Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "i3d_rgb_tf", "evaluate", many, "-m", model, "-o", output]
    return subprocess.Popen(
        [*map(str, command), "--protocol", "paper", "--workers", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=without_coverage(),
        **options,
    )


def _num_lines(output: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in output.glob("*.jsonl"))


def _finish(many: Path, model: Path, output: Path, undisturbed: tuple[Evaluation, bytes]) -> None:
    """Run to the end, which must be that of a run that nothing happened to."""
    expected, answers = undisturbed
    result = evaluate(many, model, output, protocol="paper")
    assert replace(result, predictions=expected.predictions) == expected
    assert Path(result.predictions).read_bytes() == answers
    assert [path.suffix for path in sorted(output.iterdir()) if path.name[0] != "."] == [
        ".json",
        ".jsonl",
    ]


def test_a_killed_run_goes_on_where_it_was(
    many: Path, model: Path, tmp_path: Path, undisturbed: tuple[Evaluation, bytes]
) -> None:
    for sent in (signal.SIGKILL, signal.SIGINT):
        num_lines = _num_lines(tmp_path)
        # What starts the tests in the background may have told them to ignore SIGINT.
        obey = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = _start(many, model, tmp_path, preexec_fn=obey)
        while _num_lines(tmp_path) <= num_lines and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        if not num_lines:
            with pytest.raises(StorageError, match="another run is writing .*jsonl; wait for it"):
                evaluate(many, model, tmp_path, protocol="paper")
        process.send_signal(sent)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=30)
        assert process.returncode in (-sent, 128 + sent), said
        assert _num_lines(tmp_path) < 11

    _finish(many, model, tmp_path, undisturbed)


def test_a_full_disk_is_one_line_and_loses_nothing(
    many: Path, model: Path, tmp_path: Path, undisturbed: tuple[Evaluation, bytes]
) -> None:
    def limit_file_size() -> None:
        # The kernel then fails a write past the limit as it does on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = _start(many, model, tmp_path, preexec_fn=limit_file_size)
    _, said = process.communicate()

    assert process.returncode == 1, said
    expected = r"i3d-rgb-tf: error: cannot write .*\.jsonl: File too large; check the disk.*"
    assert re.fullmatch(expected, said.strip().splitlines()[-1])
    assert "Traceback" not in said
    _finish(many, model, tmp_path, undisturbed)


def test_an_output_that_cannot_be_is_one_line(many: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="cannot write .*; a file stands where a folder is"):
        evaluate(many, model, tmp_path / "file" / "out", protocol="paper")


@pytest.mark.parametrize("done", [False, True])
def test_an_output_that_may_only_be_read_is_one_line(
    many: Path,
    model: Path,
    tmp_path: Path,
    undisturbed: tuple[Evaluation, bytes],
    done: bool,
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    if done:
        evaluate(many, model, output, protocol="paper")
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    output.chmod(0o500)
    process = _start(many, model, output, **bound_by_modes())
    _, said = process.communicate()
    output.chmod(0o700)

    assert process.returncode == 1, said
    expected = r"i3d-rgb-tf: error: cannot write .*: Permission denied; choose a folder you may .*"
    assert re.fullmatch(expected, said.strip().splitlines()[-1])
    assert "Traceback" not in said
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    _finish(many, model, output, undisturbed)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_order_and_workers_change_nothing(
    many: Path, model: Path, tmp_path: Path, undisturbed: tuple[Evaluation, bytes], workers: int
) -> None:
    rows = json.loads((many / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(rows[:5]))
    output = tmp_path / "out"
    first = evaluate(tmp_path, model, output, protocol="paper")
    assert first.num_videos == 5
    (tmp_path / "manifest.json").write_text(json.dumps(sorted(rows, key=lambda row: row["path"])))

    result = evaluate(tmp_path, model, output, protocol="paper", workers=workers)

    expected, answers = undisturbed
    assert replace(result, predictions=expected.predictions) == expected
    assert Path(result.predictions).read_bytes() == answers
    assert list(result.failed) == ["v02"]


def test_the_command_shows_counts_and_what_failed(
    prepared: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (prepared / "problems.csv").write_text('path,label,reason\n"a\nb",yoga,cut\nc,yoga,cut\n')
    command = ["evaluate", str(prepared), "-m", str(model), "-o", str(prepared / "out")]

    assert main([*command, "--protocol", "clip"]) == 1
    said = capsys.readouterr().out
    assert "1 videos, 1 missing, 0 failed, 2 left out by prepare" in said
    assert "clip top1" in said
    assert f"missing: b: {prepared / 'gone.mp4'}" in said
    page = prepared / "out" / "clip.html"
    assert f"report: {page}" in said
    assert str(prepared / "gone.mp4") in page.read_text()
    assert main([*command, "--protocol", "clip", "--format", "json"]) == 1
    assert list(json.loads(capsys.readouterr().out)[0]["missing"]) == ["b"]
    assert main([*command, "--protocol", "zoo"]) == 1
    assert "prepare --frames" in capsys.readouterr().err


def test_labels_count_by_their_rank(prepared: Path, model: Path) -> None:
    first = evaluate(prepared, model, prepared / "out", protocol="paper")
    journal = Path(first.predictions)
    row = json.loads(journal.read_text())
    row["clips"] = [np.eye(400)[0].tolist(), (1 - np.arange(400) / 400)[::-1].tolist()]
    journal.write_text(json.dumps(row) + "\n")

    found = evaluate(prepared, model, prepared / "out", protocol="paper")

    assert (found.clip_top1.correct, found.clip_top5.correct, found.clip_top1.count) == (1, 1, 2)
    assert (found.video_top1.correct, found.video_top1.count) == (1, 1)


def test_other_data_and_other_models_have_answers_of_their_own(
    model: Path, model_root: Path, spec: ModelSpec, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("[]")
    output, half = tmp_path / "out", spec.ir_path(model_root, "FP16")
    runs = [("one", model, "clip"), ("other", model, "clip"), ("one", half, "clip")]

    found = [evaluate(tmp_path / data, ir, output, protocol=name) for data, ir, name in runs]

    assert len({each.predictions for each in found}) == 3
    assert len(list(output.glob("*.json"))) == 3
    again = evaluate(tmp_path / "one", model, output, protocol="clip")
    assert again.predictions == found[0].predictions
