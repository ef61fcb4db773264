"""Batches of videos in object storage: a server that fails is an error of one video."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from i3d_rgb_tf.batch.folders import open_folder
from i3d_rgb_tf.batch.results import RESULTS, result_name
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import I3DError
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


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the URL of an empty bucket of a server that speaks S3."""
    with s3_server() as endpoint:
        put_objects(endpoint, {})
        for name, value in s3_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        yield "s3://clips"


def batch(model: Path, videos: list[str], folder: Path) -> tuple[int, list[dict[str, object]]]:
    """Run a batch, and return its status and the results of the videos."""
    listing, out = folder / "list.txt", folder / "out"
    listing.write_text("".join(f"{video}\n" for video in videos))
    status = main(["batch", "classify", "-m", str(model), "--list", str(listing), "-o", str(out)])
    results = []
    for video in videos:
        done, failed = (out / result_name(video, suffix) for suffix in (".json", ".error.json"))
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
    printed = capsys.readouterr().err.splitlines()
    errors = [line for line in printed if not line.endswith(" videos per hour")]
    for (name, fault), video, result in zip(chosen.items(), videos, results, strict=False):
        assert fault.message in str(result["error"]), name
        assert f"i3d-rgb-tf: error: {result['error']}" in errors
        assert str(result["error"]).startswith(f"cannot read {video}: ")
    assert len(errors) == len(chosen)
    assert results[-1]["error"] is None


def stored(folder: str) -> dict[str, bytes]:
    """Return the objects of a folder in a bucket by their names."""
    system = fsspec.filesystem("s3")
    system.invalidate_cache()
    prefix = folder.removeprefix("s3://") + "/"
    return {path.removeprefix(prefix): system.cat_file(path) for path in system.find(prefix)}


def test_results_in_s3_are_those_of_a_local_folder_and_resume(
    tmp_path: Path,
    quick_model: Path,
    archive: Path,
    bucket: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, listing, local = str(quick_model), str(archive / "list.txt"), tmp_path / "out"
    options = ["batch", "classify", "-m", model, "--list", listing, "-o"]
    main([*options, str(local)])
    shards = ("1/2", "2/2")
    # Where the broken videos are depends on the path of the folder.
    assert max(main([*options, f"{bucket}/out", "--shard", shard]) for shard in shards) == 1

    objects = stored(f"{bucket}/out")
    results = {name for name in objects if name.startswith(f"{RESULTS}/")}
    assert results == {
        path.relative_to(local).as_posix() for path in (local / RESULTS).rglob("*.json")
    }
    for name in (*results, "settings.json"):
        assert objects[name] == (local / name).read_bytes()

    capsys.readouterr()
    assert main([*options, f"{bucket}/out/"]) == 1
    output = capsys.readouterr()
    assert output.out == "0 done, 0 failed; 6 were done and 4 had failed before\n"
    assert main([*options, f"{bucket}/out", "--retry-failed"]) == 1
    assert capsys.readouterr().out.startswith("0 done, 4 failed, ")

    assert main([*options, f"{bucket}/out", "--top-k", "3"]) == 1
    refusal = f"{bucket}/out/settings.json is of other settings: settings.top_k is 5, expected 3"
    assert refusal in capsys.readouterr().err

    for folder in (str(local), f"{bucket}/out"):
        main(["batch", "merge", folder])
    main(["batch", "merge", f"{bucket}/out", "-o", str(tmp_path / "here.parquet")])
    merged = stored(f"{bucket}/out")["results.parquet"]
    assert merged == (local / "results.parquet").read_bytes()
    assert merged == (tmp_path / "here.parquet").read_bytes()


def test_a_video_that_was_repaired_has_no_error_beside_its_result(
    tmp_path: Path, quick_model: Path, clip: Path, bucket: str
) -> None:
    listing, video = tmp_path / "list.txt", tmp_path / "a.mp4"
    listing.write_text(f"{video}\n")
    options = ["-m", str(quick_model), "--list", str(listing), "-o", f"{bucket}/out"]
    assert main(["batch", "classify", *options]) == 1
    video.write_bytes(clip.read_bytes())

    assert main(["batch", "classify", *options, "--retry-failed"]) == 0

    objects = stored(f"{bucket}/out")
    assert [name for name in objects if name.startswith(RESULTS)] == [
        result_name(str(video), ".json")
    ]


def test_of_several_that_create_an_object_one_succeeds(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_folder(f"{bucket}/out")
    assert folder.create("settings.json", b"first")
    assert not folder.create("settings.json", b"second")
    # Another process creates it after this one has looked.
    looks, look = iter([True]), type(folder).open
    monkeypatch.setattr(
        type(folder), "open", lambda *given: None if next(looks, False) else look(*given)
    )

    assert not folder.create("settings.json", b"third")

    assert stored(f"{bucket}/out") == {"settings.json": b"first"}


def test_a_folder_is_one_however_it_is_named_and_whatever_is_beside_it(bucket: str) -> None:
    folder = open_folder(f"{bucket.upper()[:2]}{bucket[2:]}//a b/%#?//")
    names = ["results/ab/one.json", "results/cd/two.json"]
    others = ["results/", "results/.keep", "results2/three.json"]
    for name in (*names, *others):
        fsspec.filesystem("s3").pipe_file(f"clips/a b/%#?/{name}", b"")

    assert list(folder.list("results")) == names
    assert folder.locate("x") == "s3://clips/a b/%#?/x"
    assert list(open_folder(f"{bucket}/a b").list("results")) == []
    assert str(pickle.loads(pickle.dumps(folder))) == str(folder)


def test_nothing_is_removed_where_nothing_is(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(f"{bucket}/out")
    folder.create("a.json", b"")

    folder.remove("a.json")
    monkeypatch.setattr(folder._system, "rm_file", None)
    folder.remove("a.json")

    assert stored(f"{bucket}/out") == {}


def test_an_object_is_written_whole_or_not_at_all(bucket: str) -> None:
    folder = open_folder(f"{bucket}/out")
    with pytest.raises(KeyboardInterrupt):
        with folder.replaced("a.json") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    assert stored(f"{bucket}/out") == {}


@pytest.mark.parametrize("command", ["classify", "check"])
def test_a_missing_package_stops_before_the_work(
    tmp_path: Path,
    quick_model: Path,
    clip: Path,
    command: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    listing, out = tmp_path / "list.txt", tmp_path / "out"
    listing.write_text(f"{clip}\nnowhere://a.mp4\ngs://bucket/a.mp4\n")
    options = [] if command == "check" else ["-m", str(quick_model), "-o", str(out)]

    assert main(["batch", command, "--list", str(listing), *options]) == 1

    output = capsys.readouterr()
    assert "cannot read gs://: the package for gs:// is missing; " in output.err
    assert "gcsfs" in output.err
    assert output.err.count("\n") == 1
    assert output.out == ""
    assert not (out / RESULTS).exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://user:secret@host/out", "cannot write to https://, expected a folder, or object"),
        ("memory://out", "cannot write to memory://, expected a folder, or object storage: s3://"),
        ("s3://", "cannot write to s3:// without a bucket, expected a folder"),
        ("s3://user:secret@bucket/out", "has a password, expected none; give it in the environ"),
        ("gs://bucket/out", "the package for gs:// is missing"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused(url: str, message: str) -> None:
    with pytest.raises(I3DError, match=message) as caught:
        open_folder(url)

    assert "secret" not in str(caught.value)


def test_a_store_that_denies_access_is_one_line(
    tmp_path: Path,
    quick_model: Path,
    archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ObjectServer({"out/settings.json": b""}, {"out/settings.json": "denied"}) as store:
        for name, value in s3_environment(store.url).items():
            monkeypatch.setenv(name, value)
        listing = str(archive / "list.txt")
        options = ["-m", str(quick_model), "--list", listing, "-o", "s3://clips/out"]

        assert main(["batch", "classify", *options]) == 1

    error = capsys.readouterr().err
    assert "s3://clips/out/settings.json: access denied; give credentials" in error
    assert error.count("\n") == 1
