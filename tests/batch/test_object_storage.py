"""Batches of videos in object storage: a server that fails is an error of one video."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pytest

from i3d_rgb_tf.batch.results import RESULTS, result_name
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.video import object_stores
from media import ffmpeg
from object_storage import FAULTS, ObjectServer, put_objects, s3_environment, s3_server

pytestmark = pytest.mark.slow

# Of several blocks, so that a server can fail in the middle.
NOISE = ("-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=3,noise=alls=60:allf=t", "-g", "25")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ffmpeg(*NOISE, "-c:v", "mpeg4", "-q:v", "3", "-pix_fmt", "yuv420p", path)
    return path


@pytest.fixture(autouse=True)
def _no_old_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    # fsspec keeps what it has connected to, and the environment of that moment.
    for kind in fsspec.registry.values():
        kind.clear_instance_cache()
    monkeypatch.setattr(object_stores, "_PAUSE_SECONDS", 0.01)


def batch(model: Path, videos: list[str], folder: Path) -> tuple[int, list[dict[str, object]]]:
    """Run a batch, and return its status and the results of the videos."""
    listing, out = folder / "list.txt", folder / "out"
    listing.write_text("".join(f"{video}\n" for video in videos))
    status = main(["batch", "classify", "-m", str(model), "--list", str(listing), "-o", str(out)])
    results = []
    for video in videos:
        done, failed = (
            out / RESULTS / result_name(video, suffix) for suffix in (".json", ".error.json")
        )
        assert done.exists() is not failed.exists()
        results.append(json.loads((done if done.exists() else failed).read_bytes()))
    return status, results


def test_videos_in_s3_give_the_results_of_the_files(
    tmp_path: Path, clip: Path, quick_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server() as endpoint:
        put_objects(endpoint, {"a/clip.mp4": clip, "b/clip.mp4": clip})
        for name, value in s3_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        videos = ["s3://clips/a/clip.mp4", "s3://clips/b/clip.mp4", str(clip)]

        status, results = batch(quick_model, videos, tmp_path)

    assert status == 0
    assert [result["video"] for result in results] == videos
    columns = ("num_frames", "num_positions", "predictions")
    first, second, local = ([result[name] for name in columns] for result in results)
    assert first == second == local


@pytest.mark.parametrize(("takes_long", "most_seconds"), [(False, 60), (True, 5)])
def test_each_fault_of_a_server_is_a_row_with_one_line_and_the_rest_goes_on(
    tmp_path: Path,
    clip: Path,
    quick_model: Path,
    takes_long: bool,
    most_seconds: float,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(object_stores, "_MOST_SECONDS", most_seconds)
    chosen = {name: each for name, each in FAULTS.items() if each.takes_long is takes_long}
    names = [*chosen, "good"]
    content = clip.read_bytes()
    faults = {f"{name}.mp4": name for name in chosen}
    with ObjectServer({f"{name}.mp4": content for name in names}, faults) as store:
        for name, value in s3_environment(store.url).items():
            monkeypatch.setenv(name, value)
        videos = [f"s3://clips/{name}.mp4" for name in names]

        status, results = batch(quick_model, videos, tmp_path)

    assert status == 1
    errors = capsys.readouterr().err.splitlines()
    for (name, fault), video, result in zip(chosen.items(), videos, results, strict=False):
        assert fault.message in str(result["error"]), name
        assert f"i3d-rgb-tf: error: {result['error']}" in errors
        assert str(result["error"]).startswith(f"cannot read {video}: ")
    assert len(errors) == len(chosen)
    assert results[-1]["error"] is None
