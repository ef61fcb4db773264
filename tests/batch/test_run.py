"""Batches on the command line: each video has one result, and an ended run resumes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from i3d_rgb_tf.batch.folders import open_folder
from i3d_rgb_tf.batch.results import RESULTS, read_result, result_name
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.model import load_model
from processes import without_coverage
from videos import gray, write_video

pytestmark = pytest.mark.slow

NUM_GOOD, NUM_BROKEN = 6, 4


def batch(model: Path, listing: Path, out: Path, *options: str, task: str = "classify") -> int:
    arguments = ["batch", task, "-m", str(model), "--list", str(listing), "-o", str(out)]
    return main([*arguments, *options])


def contents(out: Path) -> dict[str, bytes]:
    """Return the results by their names."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted((out / RESULTS).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory, quick_model: Path, archive: Path) -> Path:
    """Return the output of an undisturbed run; do not change it."""
    out = tmp_path_factory.mktemp("finished") / "out"
    assert batch(quick_model, archive / "list.txt", out) == 1
    return out


@pytest.fixture
def copied(tmp_path: Path, finished: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "out"))


def test_each_video_has_one_file_with_what_classify_says_or_with_why_not(
    finished: Path, quick_model: Path, archive: Path
) -> None:
    found = {name: json.loads(content) for name, content in contents(finished).items()}

    assert len(found) == NUM_GOOD + NUM_BROKEN
    videos = (archive / "list.txt").read_text().splitlines()
    model = load_model(quick_model)
    for video in videos[:NUM_GOOD]:
        result = found[result_name(video, ".json")]
        expected = model.classify(video)
        assert result["video"] == video
        assert result["error"] is None
        assert result["num_frames"] == 12
        assert [each["label"] for each in result["predictions"]] == [
            each.label for each in expected.predictions
        ]
    for video in videos[NUM_GOOD:]:
        result = found[result_name(video, ".error.json")]
        assert video in result["error"]
        assert "predictions" not in result


def test_shards_together_give_the_same_bytes(
    tmp_path: Path, finished: Path, quick_model: Path, archive: Path
) -> None:
    for index in range(1, 5):
        batch(quick_model, archive / "list.txt", tmp_path / "out", "--shard", f"{index}/4")

    assert contents(tmp_path / "out") == contents(finished)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_number_of_threads_gives_the_same_bytes(
    tmp_path: Path, finished: Path, quick_model: Path, archive: Path, threads: str
) -> None:
    batch(quick_model, archive / "list.txt", tmp_path / "out", "--threads", threads)

    assert contents(tmp_path / "out") == contents(finished)


def test_what_is_finished_is_not_made_again(
    copied: Path, quick_model: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = {path: path.stat().st_mtime_ns for path in (copied / RESULTS).rglob("*.json")}

    status = batch(quick_model, archive / "list.txt", copied)

    assert status == 1, "videos without a result are no success"
    assert times == {path: path.stat().st_mtime_ns for path in (copied / RESULTS).rglob("*.json")}
    expected = f"0 done, 0 failed; {NUM_GOOD} were done and {NUM_BROKEN} had failed before\n"
    assert capsys.readouterr().out == expected


def test_a_list_without_a_failure_is_a_success(
    tmp_path: Path, quick_model: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good.txt"
    good.write_text(str(archive / "0" / "a0.mp4") + "\n")

    assert batch(quick_model, good, tmp_path / "out") == 0
    assert capsys.readouterr().out.startswith("1 done, 0 failed, ")
    assert batch(quick_model, good, tmp_path / "out") == 0


def test_a_failed_video_is_tried_again_when_asked_or_when_it_has_changed(
    tmp_path: Path, quick_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing, video, other = (tmp_path / name for name in ("list.txt", "a.mp4", "b.mp4"))
    listing.write_text(f"{video}\n{other}\n")
    other.write_bytes(b"no video")
    out = tmp_path / "out"
    batch(quick_model, listing, out)
    write_video(video, [gray(100)] * 12)
    capsys.readouterr()

    assert batch(quick_model, listing, out) == 1
    assert capsys.readouterr().out.startswith("1 done, 0 failed, ")
    assert list(contents(out)) == sorted(
        [result_name(str(video), ".json"), result_name(str(other), ".error.json")]
    )

    assert batch(quick_model, listing, out, "--retry-failed") == 1
    assert capsys.readouterr().out.startswith("0 done, 1 failed, ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--top-k", "3"], "settings.top_k is 5, expected 3"),
        (["--inference-precision", "f32", "--no-winograd"], "network."),
    ],
)
def test_a_folder_of_other_settings_is_refused_and_stays(
    copied: Path,
    quick_model: Path,
    archive: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = contents(copied)
    settings = json.loads((copied / "settings.json").read_bytes())
    network = settings["network"]
    if (network["inference_precision"], network["convolution"]) == ("f32", "direct"):
        pytest.skip("this processor has one way only")

    assert batch(quick_model, archive / "list.txt", copied, *options) == 1

    error = capsys.readouterr().err
    assert f"{copied / 'settings.json'} is of other settings: " in error
    assert message in error
    assert error.count("\n") == 1
    assert contents(copied) == before


def test_a_result_of_other_settings_stops_the_run(
    copied: Path, quick_model: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = (archive / "list.txt").read_text().splitlines()[0]
    path = copied / result_name(video, ".json")
    document = json.loads(path.read_bytes())
    document["made_with"]["network"]["model_sha256"] = "0"
    path.write_text(json.dumps(document))

    assert batch(quick_model, archive / "list.txt", copied) == 1

    assert f"{path} is of other settings: network.model_sha256 is 0, expected " in (
        capsys.readouterr().err
    )


def test_a_video_that_has_changed_stops_the_run_unless_only_its_time_has(
    tmp_path: Path, quick_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing, video, out = (tmp_path / name for name in ("list.txt", "a.mp4", "out"))
    listing.write_text(f"{video}\n")
    write_video(video, [gray(100)] * 12)
    batch(quick_model, listing, out)

    os.utime(video, (1, 1))
    assert batch(quick_model, listing, out) == 0

    write_video(video, [gray(200)] * 12)
    assert batch(quick_model, listing, out) == 1
    error = capsys.readouterr().err
    assert f"{video} has changed since its result was made, expected SHA-256" in error
    assert "remove " in error

    video.unlink()
    assert batch(quick_model, listing, out) == 0, "what is finished may be deleted"


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b'{"format": "result of i3d-rgb-tf batch"}'])
def test_a_result_that_a_power_cut_has_damaged_is_made_again(
    copied: Path, finished: Path, quick_model: Path, archive: Path, content: bytes
) -> None:
    video = (archive / "list.txt").read_text().splitlines()[0]
    (copied / result_name(video, ".json")).write_bytes(content)

    batch(quick_model, archive / "list.txt", copied)

    assert contents(copied) == contents(finished)


def test_a_damaged_result_of_a_video_that_is_gone_leaves_its_error_alone(
    tmp_path: Path, quick_model: Path
) -> None:
    video, listing, out = (tmp_path / name for name in ("a.mp4", "list.txt", "out"))
    listing.write_text(f"{video}\n")
    write_video(video, [gray(100)] * 12)
    batch(quick_model, listing, out)
    (out / result_name(str(video), ".json")).write_bytes(b"")
    video.unlink()

    assert batch(quick_model, listing, out) == 1
    assert list(contents(out)) == [result_name(str(video), ".error.json")]
    assert main(["batch", "merge", str(out)]) == 0


def test_a_file_of_another_program_is_not_replaced(
    copied: Path, quick_model: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = (archive / "list.txt").read_text().splitlines()[0]
    path = copied / result_name(video, ".json")
    path.write_text("{}")

    assert batch(quick_model, archive / "list.txt", copied) == 1

    assert f"{path} was not written by i3d-rgb-tf batch" in capsys.readouterr().err
    assert path.read_text() == "{}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "5/4"], "shard is 5/4, expected I/N"),
        (["--top-k", "0"], "got '0', expected a number from 1 to 400"),
        (["--threads", "no"], "got 'no', expected a whole number"),
    ],
)
def test_wrong_usage_is_one_line(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        batch(tmp_path / "model.xml", tmp_path / "list.txt", tmp_path / "out", *options)

    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def start(model: Path, listing: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "i3d_rgb_tf", "batch", "classify", "-m", str(model)]
    return subprocess.Popen(
        [*command, "--list", str(listing), "-o", str(out)],
        env=without_coverage() | {"OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for_results(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    """Wait until there are so many, or the process has ended."""
    while process.poll() is None and len(list((out / RESULTS).rglob("[!.]*.json"))) < count:
        time.sleep(0.01)


@pytest.fixture
def long_list(tmp_path: Path, archive: Path) -> Path:
    """Return a list of 300 videos, 20 of them broken in different ways."""
    folder = tmp_path / "videos"
    folder.mkdir()
    good = sorted(archive.glob("*/*.mp4"))
    broken = [archive / name for name in ("empty.mp4", "text.mp4", "cut.mp4", "missing.mp4")]
    videos = []
    for index in range(300):
        source = broken[index // 15 % 4] if index % 15 == 0 else good[index % len(good)]
        videos.append(folder / f"{index}.mp4")
        if source.exists():
            shutil.copyfile(source, videos[-1])
    listing = tmp_path / "long.txt"
    listing.write_text("".join(f"{video}\n" for video in videos))
    return listing


def test_killed_at_any_moment_and_started_again_the_result_is_that_of_an_undisturbed_run(
    tmp_path: Path, quick_model: Path, long_list: Path
) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    batch(quick_model, long_list, undisturbed)
    rng = random.Random(0)
    written: dict[Path, int] = {}
    for _ in range(20):
        process = start(quick_model, long_list, disturbed)
        wait_for_results(process, disturbed, len(written) + rng.randrange(1, 14))
        time.sleep(rng.random() / 20)
        process.send_signal(signal.SIGKILL)
        assert process.wait() in {-signal.SIGKILL, 1}
        now = {path: path.stat().st_mtime_ns for path in (disturbed / RESULTS).rglob("[!.]*.json")}
        assert written.items() <= now.items(), "a finished video was made again"
        written = now

    assert batch(quick_model, long_list, disturbed) == 1
    assert contents(disturbed) == contents(undisturbed)
    assert len(contents(disturbed)) == 300


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_a_run_that_is_terminated_says_so_and_the_next_goes_on(
    tmp_path: Path, quick_model: Path, long_list: Path
) -> None:
    out = tmp_path / "out"
    process = start(quick_model, long_list, out)
    wait_for_results(process, out, 20)
    process.terminate()

    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert 20 <= len(contents(out)) < 300
    assert [path for path in out.rglob(".*") if path.is_file()] == []
    assert batch(quick_model, long_list, out) == 1
    assert len(contents(out)) == 300


@pytest.mark.parametrize("task", ["features", "timeline"])
def test_features_and_timelines_are_those_of_one_video(
    tmp_path: Path, model_root: Path, spec, task: str
) -> None:
    video, listing = tmp_path / "a.mp4", tmp_path / "list.txt"
    write_video(video, [gray(10 + 2 * index) for index in range(96)])
    listing.write_text(f"{video}\n{tmp_path / 'missing.mp4'}\n")
    path = spec.ir_path(model_root, "FP16")

    assert batch(path, listing, tmp_path / "out", task=task) == 1

    assert batch(path, listing, tmp_path / "out", task=task) == 1, "it is read again"
    suffix = ".npz" if task == "features" else ".json"
    file = tmp_path / "out" / result_name(str(video), suffix)
    model = load_model(path)
    if task == "features":
        expected = model.features(video)
        with np.load(file) as found:
            assert found["rgb"].tobytes() == expected.features.tobytes()
            assert found["times_seconds"].tolist() == expected.times_seconds.tolist()
            assert json.loads(str(found["document"]))["made_with"]["settings"]["crops"] == 1
    else:
        found = json.loads(file.read_bytes())
        assert found["num_positions"] == model.timeline(video).num_positions
        assert len(found["positions"]) == found["num_positions"]
    assert main(["batch", "merge", str(tmp_path / "out")]) == 0
    rows = pyarrow.parquet.read_table(tmp_path / "out" / "results.parquet").to_pylist()
    (row,) = (each for each in rows if each["error"] is None)
    if task == "features":
        assert np.array(row["rgb"], np.float32).tobytes() == expected.features.tobytes()
        assert row["end_seconds"] == expected.end_seconds.tolist()
        assert row["start_seconds"] == expected.start_seconds.tolist()
    else:
        assert row["segments"] == found["segments"]
        assert [dict(each["labels"]) for each in row["positions"]] == [
            each["labels"] for each in found["positions"]
        ]


def test_features_that_a_disk_has_damaged_are_found_damaged(
    tmp_path: Path, model_root: Path, spec
) -> None:
    video, listing = tmp_path / "a.mp4", tmp_path / "list.txt"
    write_video(video, [gray(100)] * 12)
    listing.write_text(f"{video}\n")
    batch(spec.ir_path(model_root, "FP16"), listing, tmp_path / "out", task="features")
    folder, name = open_folder(tmp_path / "out"), result_name(str(video), ".npz")
    path = tmp_path / "out" / name
    content = path.read_bytes()
    rng = random.Random(0)
    for _ in range(500):
        damaged = bytearray(content)
        for _ in range(rng.randrange(1, 5)):
            damaged[-rng.randrange(1, 800)] ^= rng.randrange(1, 256)
        path.write_bytes(damaged[: rng.choice([len(content), rng.randrange(len(content))])])

        found = read_result(folder, name)

        assert found is None or found.video == str(video)


def test_hidden_files_and_pipes_are_videos_like_others(
    tmp_path: Path, quick_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden, pipe, listing = (tmp_path / name for name in (".hidden.mp4", "pipe.mp4", "list.txt"))
    write_video(hidden, [gray(100)] * 12)
    os.mkfifo(pipe)
    listing.write_text(f"{hidden}\n{pipe}\n")

    assert batch(quick_model, listing, tmp_path / "out") == 1
    assert batch(quick_model, listing, tmp_path / "out") == 1

    assert capsys.readouterr().out.endswith(
        "0 done, 0 failed; 1 were done and 1 had failed before\n"
    )
    assert main(["batch", "merge", str(tmp_path / "out")]) == 0
    assert ": 2 videos, 1 of them failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "url", ["https://user:secret@host", "https://user:secret@host/a.mp4?sign=secret"]
)
def test_a_name_has_no_secrets(url: str) -> None:
    name = result_name(url, ".json")

    assert "secret" not in name
    assert "user" not in name
