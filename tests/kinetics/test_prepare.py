"""Preparing a data set: every video is accounted for, also after an interruption."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import StorageError
from i3d_rgb_tf.kinetics.annotations import read_dataset
from i3d_rgb_tf.kinetics.jpeg_frames import estimate_bytes
from i3d_rgb_tf.kinetics.prepare import prepare
from i3d_rgb_tf.temporary import temporary_name
from i3d_rgb_tf.video.decode import read_frames
from processes import bound_by_modes, without_coverage
from videos import ramp, write_video

pytestmark = pytest.mark.slow


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return six videos of two classes, two of them damaged."""
    root = tmp_path / "data"
    for label in ("abseiling", "archery"):
        (root / label).mkdir(parents=True)
    for number in range(4):
        write_video(root / "abseiling" / f"v{number}.mp4", ramp(10 + number))
    whole = (root / "abseiling" / "v0.mp4").read_bytes()
    (root / "archery" / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "archery" / "empty.mp4").touch()
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """Return the results in a folder, without the lock and the order of the journal."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    found["journal.jsonl"] = b"".join(sorted(found["journal.jsonl"].splitlines()))
    return found


def test_the_manifest_and_the_report_account_for_every_video(dataset: Path, tmp_path: Path) -> None:
    prepared = prepare(read_dataset(dataset), tmp_path / "out", workers=1)

    manifest = json.loads(prepared.manifest_path.read_text())
    assert [(row["name"], row["label"], row["num_frames"]) for row in manifest] == [
        (f"v{number}", "abseiling", 10 + number) for number in range(4)
    ]
    assert manifest[0]["duration_seconds"] == 0.4
    with prepared.problems_path.open() as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]).name for row in rows] == ["cut.mp4", "empty.mp4"]
    assert re.search("Invalid data|is truncated", rows[0]["reason"])
    assert "0 bytes" in rows[1]["reason"]


def test_frames_are_those_of_the_video_and_annotated(dataset: Path, tmp_path: Path) -> None:
    listing = read_dataset(dataset)

    prepare(listing, tmp_path, frames=True, workers=2)

    annotation = json.loads((tmp_path / "kinetics" / "kinetics_400.json").read_text())
    assert len(annotation["labels"]) == 400
    assert list(annotation["database"]) == ["v0", "v1", "v2", "v3"]
    tree = tmp_path / "kinetics" / "frames_val"
    files = sorted((tree / "abseiling" / "v1").iterdir())
    assert [path.name for path in files] == [f"image_{n:05d}.jpg" for n in range(1, 12)]
    frame = list(read_frames(dataset / "abseiling" / "v1.mp4", short_side=None))[10]
    with Image.open(files[10]) as picture:
        assert picture.size == (64, 64)
        assert abs(picture.getpixel((32, 32))[0] - int(frame[32, 32, 0])) <= 1
    assert not (tree / "archery").exists() or not list((tree / "archery").iterdir())
    needed = estimate_bytes([video.path for video in listing.videos])
    assert needed == pytest.approx(6 * 250 * files[0].stat().st_size, rel=0.2)


def test_the_number_of_processes_does_not_change_the_result(dataset: Path, tmp_path: Path) -> None:
    listing = read_dataset(dataset)
    for workers in (1, 3):
        prepare(listing, tmp_path / str(workers), workers=workers)

    assert contents(tmp_path / "1") == contents(tmp_path / "3")


@pytest.mark.parametrize("frames", [False, True])
def test_only_changed_videos_are_checked_again(dataset: Path, tmp_path: Path, frames: bool) -> None:
    listing = read_dataset(dataset)
    steps: list[tuple[int, int]] = []
    prepare(listing, tmp_path / "out", frames=frames, workers=1)
    write_video(dataset / "abseiling" / "v2.mp4", ramp(30))

    prepared = prepare(
        listing,
        tmp_path / "out",
        frames=frames,
        workers=1,
        on_progress=lambda *step: steps.append(step),
    )

    assert steps == [(5, 6), (6, 6)]
    assert prepared.videos[2].num_frames == 30


def test_missing_frames_are_written_by_the_next_run(dataset: Path, tmp_path: Path) -> None:
    listing = read_dataset(dataset)
    prepare(listing, tmp_path / "once", frames=True, workers=1)
    prepare(listing, tmp_path / "later", workers=1)
    prepare(listing, tmp_path / "later", frames=True, workers=1)
    assert contents(tmp_path / "later") == contents(tmp_path / "once")
    shutil.rmtree(tmp_path / "later" / "kinetics" / "frames_val" / "abseiling" / "v1")

    prepare(listing, tmp_path / "later", frames=True, workers=1)

    assert contents(tmp_path / "later") == contents(tmp_path / "once")


@pytest.mark.parametrize("num_cores", [None, 1])
def test_a_system_without_sched_getaffinity_uses_the_number_of_its_cores(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_cores: int | None
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: num_cores)

    prepared = prepare(read_dataset(dataset), tmp_path / "out")

    assert len(prepared.videos) == 4


@pytest.mark.parametrize(
    "line", ['{"name": "v0"}', '{"name": "v0", "size": 1, "modified_ns": 2}', "[]", '{"na']
)
def test_an_unknown_journal_entry_is_ignored(dataset: Path, tmp_path: Path, line: str) -> None:
    listing = read_dataset(dataset)
    prepare(listing, tmp_path / "undisturbed", workers=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "journal.jsonl").write_text(line)

    prepare(listing, tmp_path / "out", workers=1)

    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_a_second_run_on_the_same_output_is_refused(dataset: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(StorageError, match="another run"):
        prepare(read_dataset(dataset), tmp_path)


def start(dataset: Path, output: Path, *options: str, **how: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "i3d_rgb_tf", "prepare", dataset, "-o", output, *options]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*map(str, command)], env=without_coverage(), **streams, **how)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_resumes_to_the_same_result(
    dataset: Path, tmp_path: Path, workers: int
) -> None:
    # The last video takes so long that the process is stopped before it is done.
    write_video(dataset / "archery" / "z.mp4", ramp(40) * 50)
    listing = read_dataset(dataset)
    prepare(listing, tmp_path / "undisturbed", frames=True, workers=1)
    output = tmp_path / "killed"
    journal = output / "journal.jsonl"
    process = start(dataset, output, "--frames", "--workers", str(workers))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (journal.exists() and journal.read_bytes()):
        time.sleep(0.001)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(StorageError, match="another run is preparing"):
        prepare(listing, output)
    pool = children(process.pid)
    assert bool(pool) == (workers > 1)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(map(is_running, pool)):
        time.sleep(0.01)
    left = [pid for pid in pool if is_running(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert left == []
    with journal.open("a") as file:
        file.write('{"name": "to')
    (output / "kinetics" / "frames_val" / temporary_name()).mkdir(parents=True)

    prepare(listing, output, frames=True, workers=2)

    assert contents(output) == contents(tmp_path / "undisturbed")
    assert not [*output.glob("kinetics/frames_val/.*"), *output.glob(".*")]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_logged_about_a_video_is_logged_in_this_process(
    dataset: Path, tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The processes of the pool have no handlers, and would print names as they are."""
    video = dataset / "archery" / "noisy\x1b.ts"
    generator = np.random.default_rng(0)
    noise = [generator.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(60)]
    content = bytearray(write_video(video, noise, options={"g": "10"}).read_bytes())
    for packet in range(len(content) // 188 // 3, len(content) // 188 // 2, 4):
        content[188 * packet + 100] ^= 255
    video.write_bytes(content)

    prepare(read_dataset(dataset), tmp_path / "out", workers=workers)

    (record,) = caplog.records
    assert record.name == "i3d_rgb_tf.video.decode"
    assert re.search(r"noisy\x1b.ts: \d+ of 60 frames are damaged", record.getMessage())


def is_extracting(output: Path) -> bool:
    """Return whether a video has some of its frames, and not yet all."""
    try:
        return any(output.glob("kinetics/frames_val/.*/*/*"))
    except FileNotFoundError:
        # The folder was moved while it was listed.
        return False


@pytest.mark.parametrize("workers", [1, 2])
def test_a_terminated_run_leaves_nothing_incomplete(
    dataset: Path, tmp_path: Path, workers: int
) -> None:
    write_video(dataset / "archery" / "z.mp4", ramp(40) * 50)
    output = tmp_path / "out"
    process = start(dataset, output, "--frames", "--workers", str(workers))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not is_extracting(output):
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM, said
    assert not list(output.rglob(".*"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_an_error_and_the_next_run_completes(
    dataset: Path, tmp_path: Path, workers: int
) -> None:
    listing = read_dataset(dataset)
    prepare(listing, tmp_path / "undisturbed", frames=True, workers=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            prepare(listing, tmp_path / "full", frames=True, workers=workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list((tmp_path / "full").rglob("*.jpg"))

    prepare(listing, tmp_path / "full", frames=True, workers=workers)

    assert contents(tmp_path / "full") == contents(tmp_path / "undisturbed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 96 kB, if this user may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_is_an_error_of_one_line_and_loses_nothing(
    dataset: Path, tmp_path: Path, small_disk: Path
) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(40_000))

    process = start(dataset, small_disk / "out", "--frames", "--workers", "1")
    _, said = process.communicate()

    assert process.returncode == 1
    assert "frames need about" in said
    expected = "error: cannot write .*: No space left on device; free some space or choose another"
    assert re.search(expected, said.splitlines()[-1])
    assert "Traceback" not in said
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    prepare(read_dataset(dataset), small_disk / "out", frames=True, workers=1)
    prepare(read_dataset(dataset), tmp_path / "undisturbed", frames=True, workers=1)
    assert contents(small_disk / "out") == contents(tmp_path / "undisturbed")


def test_files_without_permission_are_problems_or_an_error(dataset: Path, tmp_path: Path) -> None:
    (dataset / "archery").chmod(0)
    (dataset / "abseiling" / "v1.mp4").chmod(0)
    (tmp_path / "closed").mkdir(mode=0o500)

    process = start(dataset, tmp_path / "out", "--workers", "1", **bound_by_modes())
    process.communicate()
    (dataset / "archery").chmod(0o700)

    assert process.returncode == 1
    with (tmp_path / "out" / "problems.csv").open() as file:
        reasons = {Path(row["path"]).name: row["reason"] for row in csv.DictReader(file)}
    assert reasons["archery"] == "the folder cannot be read: Permission denied"
    assert "Permission denied" in reasons["v1.mp4"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [row["name"] for row in manifest] == ["v0", "v2", "v3"]
    process = start(dataset, tmp_path / "closed" / "out", **bound_by_modes())
    _, said = process.communicate()
    assert process.returncode == 1
    assert "Permission denied; choose a folder you may write to" in said
    assert "Traceback" not in said


def test_a_folder_that_may_be_listed_but_not_entered_is_not_missing(
    dataset: Path, tmp_path: Path
) -> None:
    (dataset / "archery").chmod(0o400)
    process = start(dataset, tmp_path / "out", "--workers", "1", **bound_by_modes())
    process.communicate()
    (dataset / "archery").chmod(0o700)

    with (tmp_path / "out" / "problems.csv").open() as file:
        reasons = {Path(row["path"]).name: row["reason"] for row in csv.DictReader(file)}
    assert set(reasons) == {"cut.mp4", "empty.mp4"}
    assert set(reasons.values()) == {"it cannot be reached: Permission denied"}


def test_a_closed_folder_above_is_an_error_of_one_line(dataset: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0)
    for source, output in ((dataset, "out"), (Path(), tmp_path / "out")):
        process = start(source, Path(output), **bound_by_modes())
        _, said = process.communicate()
        assert process.returncode == 1
        assert re.fullmatch("i3d-rgb-tf: error: cannot .*Permission denied; .*", said.strip())
    tmp_path.chmod(0o700)


def test_a_name_that_is_not_utf8_is_reported(dataset: Path, tmp_path: Path) -> None:
    strange = dataset / "archery" / os.fsdecode(b"\xff.mp4")
    strange.touch()

    prepared = prepare(read_dataset(dataset), tmp_path / "out", workers=1)

    assert [problem.path for problem in prepared.problems if problem.path == strange] == [strange]
    assert "archery/\\udcff.mp4,archery," in prepared.problems_path.read_text(encoding="utf-8")


def test_the_command_fails_while_there_are_problems(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["prepare", str(dataset), "-o", str(tmp_path), "--workers", "1"]

    assert main([*command, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == 2
    for name in ("cut", "empty"):
        (dataset / "archery" / f"{name}.mp4").unlink()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("videos: 4 in ")
