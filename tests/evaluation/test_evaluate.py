"""Accuracy by protocol on a small data set; what happens to an interrupted run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import DatasetError, StorageError
from i3d_rgb_tf.evaluation import evaluate as evaluation
from i3d_rgb_tf.evaluation.evaluate import Evaluation, evaluate
from i3d_rgb_tf.evaluation.predict import VideoResult
from i3d_rgb_tf.evaluation.protocols import PROTOCOLS
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.spec import ModelSpec
from networks import save_convolution_network
from processes import bound_by_modes, obey_signals, without_coverage
from videos import gray, ramp, write_video

pytestmark = pytest.mark.slow


@pytest.fixture
def model(model_root: Path, spec: ModelSpec) -> Path:
    """Return the real network, whose time for a video leaves time to interrupt it."""
    return spec.ir_path(model_root, "FP32")


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Return a manifest of two videos: the first has 10 frames, the second is missing."""
    video = write_video(tmp_path / "a.mp4", ramp(10))
    rows = [
        {"name": "a", "label": "abseiling", "path": str(video)},
        {"name": "b", "label": "archery", "path": str(tmp_path / "gone.mp4")},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(rows))
    return tmp_path


def test_known_predictions_are_kept_and_incomplete_ones_made_again(
    prepared: Path, small_ir: Path
) -> None:
    output = prepared / "out"
    first = evaluate(prepared, small_ir, output, protocol="paper")
    journal = Path(first.predictions_path)
    before = journal.read_bytes()
    entry = json.loads(before)
    assert sum(entry["probabilities"][0]) == pytest.approx(1, abs=1e-4)

    # Changed probabilities show that they are kept; half a line is what a killed run leaves.
    entry["probabilities"][0] = [float(index == 0) for index in range(400)]
    journal.write_text(json.dumps(entry) + '\n{"name": "b", "la')
    second = evaluate(prepared, small_ir, output, protocol="paper")

    assert (second.clip_top1.correct, second.clip_top1.count) == (1, 1)
    assert len(journal.read_text().splitlines()) == 1
    # A video that has changed is run again.
    video = prepared / "a.mp4"
    os.utime(video, ns=(1, 1))
    assert evaluate(prepared, small_ir, output, protocol="paper").clip_top1 == first.clip_top1
    assert json.loads(journal.read_bytes())["stamp"] != entry["stamp"]
    journal.unlink()
    assert evaluate(prepared, small_ir, output, protocol="paper") == first


def test_progress_is_the_number_done_and_the_number_of_all(
    prepared: Path, small_ir: Path, tmp_path: Path
) -> None:
    write_video(prepared / "gone.mp4", ramp(12))
    for expected in ([(0, 2), (1, 2), (2, 2)], [(2, 2)]):
        steps: list[tuple[int, int]] = []

        evaluate(
            prepared,
            small_ir,
            prepared / "out",
            protocol="clip",
            on_progress=lambda *step: steps.append(step),  # noqa: B023
        )

        assert steps == expected


class FakeNetwork:
    """Notes how many videos are to be read at once, and predicts nothing."""

    weights = "unknown"
    convolution = "direct"

    def __init__(self) -> None:
        self.workers: list[int] = []

    def predict(
        self, videos: Iterable[tuple[str, Path]], *, workers: int
    ) -> Generator[VideoResult, None, None]:
        self.workers.append(workers)
        yield from (VideoResult(name, None, "not predicted") for name, _ in videos)


def test_a_system_without_sched_getaffinity_reads_one_video_per_four_cores(
    prepared: Path, small_ir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = FakeNetwork()
    monkeypatch.setattr(evaluation, "load_network", lambda *_, **__: network)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)

    for num_cores in (None, 2, 8):
        monkeypatch.setattr(os, "cpu_count", lambda: num_cores)  # noqa: B023
        result = evaluate(prepared, small_ir, prepared / "out", protocol="clip")
        assert result.failed == {"a": "not predicted"}

    assert network.workers == [1, 1, 2]


def test_a_new_protocol_is_one_entry(
    prepared: Path, small_ir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = replace(
        PROTOCOLS["clip"],
        description="both halves of a video",
        read=lambda path: (each for each in [*PROTOCOLS["clip"].read(path)] * 2),
    )
    monkeypatch.setitem(PROTOCOLS, "halves", halves)

    result = evaluate(prepared, small_ir, prepared / "out", protocol="halves")

    assert (result.protocol, result.description) == ("halves", "both halves of a video")
    assert result.clip_top1.count == 2
    assert Path(result.predictions_path).name.startswith("halves-")


def test_zoo_evaluates_the_frames_that_prepare_writes(
    small_ir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data" / "abseiling").mkdir(parents=True)
    write_video(tmp_path / "data" / "abseiling" / "a.mp4", ramp(10))
    prepared, output = tmp_path / "prepared", tmp_path / "out"

    assert main(["prepare", str(tmp_path / "data"), "--frames", "-o", str(prepared)]) == 0
    capsys.readouterr()
    command = ["evaluate", str(prepared), "-m", str(small_ir), "-o", str(output)]
    assert main([*command, "--protocol", "zoo-400", "--format", "json"]) == 0

    (result,) = json.loads(capsys.readouterr().out)
    assert (result["num_videos"], result["clip_top1"]["count"]) == (1, 3)
    (entry,) = map(json.loads, Path(result["predictions_path"]).read_text().splitlines())
    assert (entry["name"], entry["label"], len(entry["probabilities"])) == ("a", "abseiling", 3)


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
    """Return the result and the predictions of a run without interruption."""
    output = tmp_path_factory.mktemp("undisturbed")
    result = evaluate(many, spec.ir_path(model_root, "FP32"), output, protocol="paper")
    return result, Path(result.predictions_path).read_bytes()


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
    """Run to the end; the result must be that of a run without interruption."""
    expected, predictions = undisturbed
    result = evaluate(many, model, output, protocol="paper")
    assert replace(result, predictions_path=expected.predictions_path) == expected
    assert Path(result.predictions_path).read_bytes() == predictions
    assert [path.suffix for path in sorted(output.iterdir()) if path.name[0] != "."] == [
        ".json",
        ".jsonl",
    ]


def test_a_killed_run_resumes(
    many: Path, model: Path, tmp_path: Path, undisturbed: tuple[Evaluation, bytes]
) -> None:
    for sent in (signal.SIGKILL, signal.SIGINT):
        num_lines = _num_lines(tmp_path)
        process = _start(many, model, tmp_path, **obey_signals())
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


def test_a_full_disk_is_an_error_of_one_line_and_loses_nothing(
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


def test_an_impossible_output_folder_is_an_error(
    prepared: Path, small_ir: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="cannot write .*; a file stands where a folder is"):
        evaluate(prepared, small_ir, tmp_path / "file" / "out", protocol="paper")


@pytest.mark.parametrize("done", [False, True])
def test_a_read_only_output_folder_is_an_error_of_one_line(
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
def test_the_order_and_the_workers_do_not_change_the_result(
    many: Path, model: Path, tmp_path: Path, undisturbed: tuple[Evaluation, bytes], workers: int
) -> None:
    rows = json.loads((many / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(rows[:5]))
    output = tmp_path / "out"
    first = evaluate(tmp_path, model, output, protocol="paper")
    assert first.num_videos == 5
    (tmp_path / "manifest.json").write_text(json.dumps(sorted(rows, key=lambda row: row["path"])))

    result = evaluate(tmp_path, model, output, protocol="paper", workers=workers)

    expected, predictions = undisturbed
    assert replace(result, predictions_path=expected.predictions_path) == expected
    assert Path(result.predictions_path).read_bytes() == predictions
    assert list(result.failed) == ["v02"]


def test_the_command_reports_counts_and_failures(
    prepared: Path, small_ir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (prepared / "problems.csv").write_text('path,label,reason\n"a\nb",yoga,cut\nc,yoga,cut\n')
    command = ["evaluate", str(prepared), "-m", str(small_ir), "-o", str(prepared / "out")]

    assert main([*command, "--protocol", "clip"]) == 1
    said = capsys.readouterr().out
    assert "videos: 1 used, 1 missing, 0 failed, 2 left out by prepare" in said
    assert "clip top1" in said
    assert f"missing: b: {prepared / 'gone.mp4'}" in said
    page = prepared / "out" / "clip.html"
    assert f"report: {page}" in said
    assert str(prepared / "gone.mp4") in page.read_text()
    assert main([*command, "--protocol", "clip", "--format", "json"]) == 1
    assert list(json.loads(capsys.readouterr().out)[0]["missing"]) == ["b"]
    assert main([*command, "--protocol", "zoo"]) == 1
    assert "prepare --frames" in capsys.readouterr().err


def test_a_prediction_is_correct_by_the_rank_of_its_label(prepared: Path, small_ir: Path) -> None:
    first = evaluate(prepared, small_ir, prepared / "out", protocol="paper")
    journal = Path(first.predictions_path)
    entry = json.loads(journal.read_text())
    entry["probabilities"] = [np.eye(400)[0].tolist(), (1 - np.arange(400) / 400)[::-1].tolist()]
    journal.write_text(json.dumps(entry) + "\n")

    found = evaluate(prepared, small_ir, prepared / "out", protocol="paper")

    assert (found.clip_top1.correct, found.clip_top5.correct, found.clip_top1.count) == (1, 1, 2)
    assert (found.video_top1.correct, found.video_top1.count) == (1, 1)


def test_other_data_and_other_models_have_predictions_of_their_own(
    small_ir: Path, other_small_ir: Path, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        rows = [{"name": "a", "path": "not-there.mp4", "label": "archery"}]
        (tmp_path / name / "manifest.json").write_text(json.dumps(rows))
    output = tmp_path / "out"
    runs = [("one", small_ir), ("other", small_ir), ("one", other_small_ir)]

    found = [evaluate(tmp_path / data, ir, output, protocol="clip") for data, ir in runs]

    assert len({each.predictions_path for each in found}) == 3
    assert len(list(output.glob("*.json"))) == 3
    again = evaluate(tmp_path / "one", small_ir, output, protocol="clip")
    assert again.predictions_path == found[0].predictions_path


def test_direct_and_rewritten_predictions_are_kept_apart(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    ir = save_convolution_network(tmp_path / "small.xml")
    output = tmp_path / "out"

    rewritten, direct = (
        evaluate(prepared, ir, output, protocol="clip", winograd=winograd)
        for winograd in (True, False)
    )

    assert (rewritten.convolution, direct.convolution) == ("winograd", "direct")
    assert rewritten.predictions_path != direct.predictions_path
    for result in (rewritten, direct):
        record = json.loads(Path(result.predictions_path).with_suffix(".json").read_text())
        assert record["convolution"] == result.convolution
    found, expected = (
        json.loads(Path(each.predictions_path).read_text())["probabilities"]
        for each in (rewritten, direct)
    )
    assert np.abs(np.subtract(found, expected)).max() <= 1e-5
    # The journals of earlier releases, which were all direct, are found again.
    parts = [direct.model_sha256, "CPU", "f32", str(prepared.resolve()), openvino.__version__]
    digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()
    assert Path(direct.predictions_path).stem == f"clip-{digest[:12]}"


@pytest.mark.parametrize(("options", "expected"), [([], "winograd"), (["--no-winograd"], "direct")])
def test_the_command_says_how_convolutions_were_computed(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    expected: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    ir = save_convolution_network(tmp_path / "small.xml")
    output = prepared / "out"
    command = ["evaluate", str(prepared), "-m", str(ir), "-o", str(output), "--protocol", "clip"]

    assert main([*command, *options]) == 1

    assert f"(unknown, f32 on CPU, {expected} convolution)\n" in capsys.readouterr().out
    page = (output / "clip.html").read_text()
    assert f'<th scope="row">convolution</th><td>{expected}</td>' in "".join(page.split("\n"))
    assert main([*command, *options, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["convolution"] == expected


def test_a_data_set_without_videos_is_an_error(small_ir: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[]")

    with pytest.raises(DatasetError, match="lists no video; prepare a data set that has some"):
        evaluate(tmp_path, small_ir, tmp_path / "out", protocol="clip")
