"""Preparing a data set: every video is accounted for, whatever happens meanwhile."""

from __future__ import annotations

import csv
import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import StorageError
from i3d_rgb_tf.frames import estimate_bytes
from i3d_rgb_tf.kinetics import read_dataset
from i3d_rgb_tf.prepare import prepare
from i3d_rgb_tf.video import read_frames
from videos import ramp, write_video


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Six videos of two classes, two of them damaged."""
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

    manifest = json.loads(prepared.manifest.read_text())
    assert [(row["name"], row["label"], row["num_frames"]) for row in manifest] == [
        (f"v{number}", "abseiling", 10 + number) for number in range(4)
    ]
    assert manifest[0]["duration_seconds"] == 0.4
    with prepared.report.open() as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]).name for row in rows] == ["cut.mp4", "empty.mp4"]
    assert "Invalid data" in rows[0]["reason"]
    assert "0 bytes" in rows[1]["reason"]


def test_frames_are_those_of_the_video_and_annotated(dataset: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, from the extra evaluate")
    listing = read_dataset(dataset)

    prepare(listing, tmp_path, frames=True, workers=2)

    annotation = json.loads((tmp_path / "kinetics" / "kinetics_400.json").read_text())
    assert len(annotation["labels"]) == 400
    assert list(annotation["database"]) == ["v0", "v1", "v2", "v3"]
    tree = tmp_path / "kinetics" / "frames_val"
    files = sorted((tree / "abseiling" / "v1").iterdir())
    assert [path.name for path in files] == [f"image_{n:05d}.jpg" for n in range(1, 12)]
    frame = list(read_frames(dataset / "abseiling" / "v1.mp4", short_side=None))[10]
    with image.open(files[10]) as picture:
        assert picture.size == (64, 64)
        assert abs(picture.getpixel((32, 32))[0] - int(frame[32, 32, 0])) <= 1
    assert not (tree / "archery").exists() or not list((tree / "archery").iterdir())
    needed = estimate_bytes([video.path for video in listing.videos])
    assert needed == pytest.approx(6 * 250 * files[0].stat().st_size, rel=0.2)


def test_the_number_of_processes_changes_nothing(dataset: Path, tmp_path: Path) -> None:
    listing = read_dataset(dataset)
    for workers in (1, 3):
        prepare(listing, tmp_path / str(workers), workers=workers)

    assert contents(tmp_path / "1") == contents(tmp_path / "3")


def test_what_is_done_is_not_done_again(dataset: Path, tmp_path: Path) -> None:
    listing = read_dataset(dataset)
    steps: list[int] = []
    prepare(listing, tmp_path / "out", workers=1)
    write_video(dataset / "abseiling" / "v2.mp4", ramp(30))

    prepared = prepare(listing, tmp_path / "out", workers=1, on_progress=steps.append)

    assert steps == [5, 1]
    assert prepared.videos[2].num_frames == 30


def test_frames_can_be_asked_for_later_and_come_back(dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image", reason="needs Pillow, from the extra evaluate")
    listing = read_dataset(dataset)
    prepare(listing, tmp_path / "later", workers=1)
    prepare(listing, tmp_path / "later", frames=True, workers=1)
    prepare(listing, tmp_path / "once", frames=True, workers=1)

    assert contents(tmp_path / "later") == contents(tmp_path / "once")


def test_a_second_run_on_the_same_output_is_refused(dataset: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(StorageError, match="another run"):
        prepare(read_dataset(dataset), tmp_path)


def test_a_killed_run_is_continued_to_the_same_result(dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image", reason="needs Pillow, from the extra evaluate")
    listing = read_dataset(dataset)
    prepare(listing, tmp_path / "undisturbed", frames=True, workers=1)
    output = tmp_path / "killed"
    journal = output / "journal.jsonl"
    command = [sys.executable, "-m", "i3d_rgb_tf", "prepare", dataset, "-o", output, "--frames"]
    process = subprocess.Popen([*map(str, command), "--workers", "1"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (journal.exists() and journal.read_bytes()):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with journal.open("a") as file:
        file.write('{"name": "to')
    (output / "kinetics" / "frames_val" / ".part-left").mkdir(parents=True)

    prepare(listing, output, frames=True, workers=2)

    assert contents(output) == contents(tmp_path / "undisturbed")
    assert not list(output.glob("kinetics/frames_val/.part-*"))


def test_a_full_disk_is_said_and_the_next_run_completes(dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image", reason="needs Pillow, from the extra evaluate")
    listing = read_dataset(dataset)
    prepare(listing, tmp_path / "undisturbed", frames=True, workers=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            prepare(listing, tmp_path / "full", frames=True, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)

    prepare(listing, tmp_path / "full", frames=True, workers=1)

    assert contents(tmp_path / "full") == contents(tmp_path / "undisturbed")


def test_the_command_reports_and_fails_when_something_is_wrong(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["prepare", str(dataset), "-o", str(tmp_path), "--workers", "1"]

    assert main([*command, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == 2
    for name in ("cut", "empty"):
        (dataset / "archery" / f"{name}.mp4").unlink()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("4 videos in ")
