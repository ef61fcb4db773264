"""Each kind of broken video is named as what it is, without a model."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from i3d_rgb_tf.batch.check import check_video
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.decode import read_frames
from media import ffmpeg
from object_storage import FAULTS, ObjectServer
from videos import gray, write_video

SOUND = ("-f", "lavfi", "-i", "sine=duration=1")


def damage(path: Path) -> Path:
    """Overwrite the frames of a video in the middle, but not its index."""
    content = bytearray(path.read_bytes())
    first, last = len(content) // 4, len(content) // 2
    content[first:last] = bytes(255 for _ in range(last - first))
    path.write_bytes(content)
    with pytest.raises(VideoError):
        list(read_frames(path))
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a video for each status."""
    folder = tmp_path_factory.mktemp("videos")
    good = write_video(folder / "good.mp4", [gray(10 + index) for index in range(100)])
    noise = ("-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=4,noise=alls=60:allf=t")
    ffmpeg(*noise, "-c:v", "mpeg4", "-q:v", "3", "-pix_fmt", "yuv420p", folder / "damaged.mp4")
    ffmpeg(*SOUND, folder / "sound.wav")
    contents = {
        "empty.mp4": b"",
        "text.mp4": b"label,path\n",
        "cut.mp4": good.read_bytes()[:-100],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    return {
        "ok": good,
        "short": write_video(folder / "short.mp4", [gray(100)] * 20),
        "missing": folder / "missing.mp4",
        "empty": folder / "empty.mp4",
        "unreadable": folder / "folder.mp4",
        "unreadable-pipe": folder / "pipe.mp4",
        "cut": folder / "cut.mp4",
        "no video": folder / "text.mp4",
        "no video-sound": folder / "sound.wav",
        "damaged": damage(folder / "damaged.mp4"),
    }


@pytest.mark.parametrize("quick", [False, True])
def test_a_video_has_the_status_of_what_is_wrong_with_it(
    videos: dict[str, Path], quick: bool
) -> None:
    for name, path in videos.items():
        expected = name.partition("-")[0]
        if quick and name == "damaged":
            expected = "ok"

        found = check_video(str(path), quick=quick)

        assert found.status == expected, found
        assert found.video == str(path)
        assert bool(found.message) is (expected != "ok")
        assert not found.message or str(path) in found.message
        assert "\n" not in found.message


@pytest.mark.parametrize("quick", [False, True])
def test_the_length_is_that_of_the_frames(videos: dict[str, Path], quick: bool) -> None:
    assert check_video(str(videos["ok"]), quick=quick).duration_seconds == pytest.approx(4)
    assert check_video(str(videos["short"]), quick=quick).duration_seconds == pytest.approx(0.8)


@pytest.mark.parametrize(("num_frames", "status"), [(78, "short"), (79, "ok")])
def test_a_video_of_79_frames_is_long_enough(tmp_path: Path, num_frames: int, status: str) -> None:
    video = write_video(tmp_path / "a.mp4", [gray(100)] * num_frames)

    assert check_video(str(video)).status == status


def test_a_command_prints_what_is_wrong_and_how_many(
    videos: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{path}\n" for path in videos.values()))

    assert main(["batch", "check", "--list", str(listing)]) == 1

    *lines, summary = capsys.readouterr().out.splitlines()
    assert len(lines) == len(videos) - 1
    assert lines[0].startswith(f"short       {videos['short']} lasts 0.80 s, less than 3.16 s")
    assert summary == (
        "10 videos: 1 ok, 1 short, 1 missing, 1 empty, 2 unreadable, 1 cut, 2 no video, 1 damaged"
    )

    assert main(["batch", "check", "--list", str(listing), "--format", "json"]) == 1
    documents = json.loads(capsys.readouterr().out)
    assert [each["video"] for each in documents] == list(map(str, videos.values()))
    assert [each["status"] for each in documents] == [name.partition("-")[0] for name in videos]


def test_usable_videos_are_a_success(
    videos: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text(f"{videos['ok']}\n{videos['short']}\n")

    assert main(["batch", "check", "--list", str(listing), "--quick"]) == 0
    assert capsys.readouterr().out.endswith("\n2 videos: 1 ok, 1 short\n")


def test_a_server_that_fails_is_no_damaged_video(videos: dict[str, Path]) -> None:
    names = ("denied", "missing", "broken")
    content = videos["ok"].read_bytes()
    with ObjectServer(
        {f"{name}.mp4": content for name in (*names, "good")},
        {f"{name}.mp4": name for name in names},
    ) as store:
        found = {name: check_video(f"{store.url}/clips/{name}.mp4") for name in (*names, "good")}

    assert {name: each.status for name, each in found.items()} == {
        **dict.fromkeys(names, "unreadable"),
        "good": "ok",
    }
    assert all(FAULTS[name].message in found[name].message for name in names)


def test_an_address_that_nobody_knows_is_unreadable() -> None:
    assert check_video("foo://host/a.mp4").status == "unreadable"


def test_a_name_that_is_too_long_is_unreadable(tmp_path: Path) -> None:
    assert check_video(str(tmp_path / ("a" * 300))).status == "unreadable"
