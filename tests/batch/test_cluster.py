"""What happens on a machine of a Ray cluster, without Ray: workers, and stages of a pipeline."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow
import pytest
import yaml

from i3d_rgb_tf.batch.cluster import (
    _Job,
    _num_workers,
    _Worker,
    assigned_cores,
    infer_on_cluster,
)
from i3d_rgb_tf.batch.folders import open_folder
from i3d_rgb_tf.batch.results import result_name
from i3d_rgb_tf.batch.run import Run, claim_folder
from i3d_rgb_tf.batch.tasks import ClassifySettings
from i3d_rgb_tf.cli import build_parser, main
from i3d_rgb_tf.errors import ClusterError, DependencyError
from i3d_rgb_tf.model import load_model
from i3d_rgb_tf.ray import Classify, Features, Timeline
from object_storage import ObjectServer
from videos import gray, write_video

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path, quick_model: Path) -> Run:
    model = load_model(quick_model, num_threads=1)
    return Run("classify", ClassifySettings(), model, open_folder(tmp_path / "out"))


@pytest.fixture
def job(run: Run) -> _Job:
    made_with = run.describe()
    claim_folder(run.folder, made_with)
    options = run.model.networks.options
    place = Path.cwd()
    return _Job(run.task, run.settings, run.model.path, options, run.folder, made_with, place)


def batch_of(*videos: Path) -> Any:
    return pyarrow.table({"video": [os.fsencode(video) for video in videos]})


def test_a_worker_writes_the_results_that_a_local_run_writes(
    tmp_path: Path, job: _Job, quick_model: Path, archive: Path
) -> None:
    videos = [Path(line) for line in (archive / "list.txt").read_text().splitlines()]
    local = tmp_path / "local"
    listing = str(archive / "list.txt")
    main(["batch", "classify", "-m", str(quick_model), "--list", listing, "-o", str(local)])

    worker = _Worker(job)
    found = [worker(batch_of(video)) for video in videos]

    assert [bool(each["error"][0]) for each in found] == [False] * 6 + [True] * 4
    assert [each["fault"] for each in found] == [[""]] * 10
    for path in (local / "results").rglob("*.json"):
        name = path.relative_to(local)
        assert (tmp_path / "out" / name).read_bytes() == path.read_bytes()


def test_a_worker_reads_names_that_are_not_text(tmp_path: Path, job: _Job) -> None:
    video = tmp_path / os.fsdecode(b"\xff.mp4")
    write_video(video, [gray(100)] * 12)

    assert _Worker(job)(batch_of(video)) == {
        "video": [os.fsencode(video)],
        "error": [""],
        "fault": [""],
    }
    assert (tmp_path / "out" / result_name(str(video), ".json")).exists()


def test_a_machine_that_computes_in_another_way_stops_the_run(job: _Job, archive: Path) -> None:
    name = "settings.json"
    other = {**job.made_with, "version": "0.1"}
    with job.folder.replaced(name) as temporary:
        temporary.write_text(json.dumps(other))

    found = _Worker(job)(batch_of(archive / "0" / "a0.mp4"))

    (fault,) = found["fault"]
    assert fault.startswith(
        f"{socket.gethostname()}: {job.folder.locate(name)} is of other settings"
    )
    assert "version is 0.1, expected " in fault
    assert list(job.folder.list("results")) == []


def test_a_machine_that_does_not_see_the_folder_stops_the_run(
    tmp_path: Path, job: _Job, archive: Path
) -> None:
    elsewhere = replace(job, folder=open_folder(tmp_path / "elsewhere"))

    (fault,) = _Worker(elsewhere)(batch_of(archive / "0" / "a0.mp4"))["fault"]

    assert f"{tmp_path / 'elsewhere'} has no settings.json" in fault
    assert not (tmp_path / "elsewhere").exists()


def test_a_machine_without_the_current_folder_stops_the_run(
    tmp_path: Path, job: _Job, archive: Path
) -> None:
    elsewhere = replace(job, place=tmp_path / "nowhere")

    (fault,) = _Worker(elsewhere)(batch_of(archive / "0" / "a0.mp4"))["fault"]

    assert f"cannot read {tmp_path / 'nowhere'}: No such file or directory" in fault
    assert list(job.folder.list("results")) == []


def test_a_machine_without_the_model_stops_the_run(
    tmp_path: Path, job: _Job, archive: Path
) -> None:
    (fault,) = _Worker(replace(job, model=tmp_path / "no.xml"))(batch_of(archive))["fault"]

    assert str(tmp_path / "no.xml") in fault


def test_a_failure_that_is_not_of_a_video_stops_the_run(
    job: _Job, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Run, "infer", fail)

    (fault,) = _Worker(job)(batch_of(archive / "0" / "a0.mp4"))["fault"]

    assert fault == f"{socket.gethostname()}: MemoryError: out of memory"


def test_as_many_workers_as_the_cores_of_each_machine_allow() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 3.0}},
        {"Alive": True, "Resources": {}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    ray = SimpleNamespace(nodes=lambda: nodes)

    assert _num_workers(ray, 1) == 7
    assert _num_workers(ray, 2) == 3
    with pytest.raises(
        ClusterError, match="no machine of the cluster has 5 cores, the largest has"
    ):
        _num_workers(ray, 5)


def test_nothing_is_asked_of_ray_for_nothing(run: Run) -> None:
    assert list(infer_on_cluster(run, [], run.describe(), address="nowhere:1")) == []


def test_an_address_without_a_cluster_is_one_line(
    tmp_path: Path,
    quick_model: Path,
    archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(shutdown=lambda: None))
    monkeypatch.setitem(sys.modules, "ray.data", SimpleNamespace())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    listing, out = str(archive / "list.txt"), str(tmp_path / "out")
    options = ["-m", str(quick_model), "--list", listing, "-o", out, "--engine", "ray"]

    for given in (address, "auto"):
        assert main(["batch", "classify", *options, "--address", given]) == 1

        error = capsys.readouterr().err
        assert f"there is no Ray cluster at {address}: " in error
        assert error.count("\n") == 1
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_another_server_is_no_cluster(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(shutdown=lambda: None))
    monkeypatch.setitem(sys.modules, "ray.data", SimpleNamespace())
    with ObjectServer() as server:
        address = server.url.removeprefix("http://")

        with pytest.raises(ClusterError, match=f"no Ray cluster at {address}: another server"):
            list(infer_on_cluster(run, ["a.mp4"], run.describe(), address=address))


def test_without_ray_the_error_says_how_to_get_it(
    run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(DependencyError, match=r"pip install 'i3d-rgb-tf\[ray\]'"):
        list(infer_on_cluster(run, [str(archive)], run.describe()))

    listing, out = str(archive / "list.txt"), Path(run.folder.locate(""))
    options = ["-m", str(run.model.path), "--list", listing, "-o", str(out), "--engine", "ray"]
    assert main(["batch", "classify", *options]) == 1
    assert not out.exists(), "it is known before the work"


def test_an_address_is_for_ray_only(
    tmp_path: Path, quick_model: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing, out = str(archive / "list.txt"), str(tmp_path / "out")
    options = ["-m", str(quick_model), "--list", listing, "-o", out]

    with pytest.raises(SystemExit, match="2"):
        main(["batch", "classify", *options, "--address", "auto"])

    assert "--address needs --engine ray" in capsys.readouterr().err


def test_a_stage_adds_the_columns_of_the_results_and_keeps_the_others(
    quick_model: Path, archive: Path
) -> None:
    good, missing = archive / "0" / "a0.mp4", archive / "missing.mp4"
    stage = Classify(quick_model, settings=ClassifySettings(top_k=2))

    table = stage(
        {
            "video": np.array([str(good), str(missing)]),
            "label": np.array([3, 4]),
            "box": np.array([[1, 2], [3, 4]]),
            "taken": np.array(["2026-11-27", "2026-11-28"], "datetime64[s]"),
            "picture": np.zeros((2, 3, 4), np.uint8),
            "error": np.array(["of an earlier stage", ""]),
        }
    )

    first, second = table.to_pylist()
    assert first["video"] == str(good)
    assert first["error"] is None
    assert (first["label"], first["box"]) == (3, [1, 2])
    assert first["taken"] == datetime(2026, 11, 27)  # noqa: DTZ001 (NumPy has no time zone)
    assert first["picture"] == [[0] * 4] * 3
    assert len(set(table.column_names)) == len(table.column_names)
    expected = load_model(quick_model).classify(good, top_k=2)
    labels = [each.label for each in expected.predictions]
    assert [each["label"] for each in first["predictions"]] == labels
    assert first["num_frames"] == 12
    assert (second["label"], second["box"]) == (4, [3, 4])
    assert "there is no video" in second["error"]
    assert second["predictions"] is None


def test_a_stage_has_the_threads_that_ray_gives_it(
    quick_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert assigned_cores() is None
    context = SimpleNamespace(get_assigned_resources=lambda: {"CPU": 2.0})
    ray = SimpleNamespace(is_initialized=lambda: True, get_runtime_context=lambda: context)
    monkeypatch.setitem(sys.modules, "ray", ray)

    assert Classify(quick_model)._model.networks.options.num_threads == 2
    assert Classify(quick_model, num_threads=1)._model.networks.options.num_threads == 1


@pytest.mark.parametrize("stage", [Features, Timeline])
def test_stages_of_dense_results_are_those_of_the_model(
    tmp_path: Path, model_root: Path, stage: Any
) -> None:
    video = tmp_path / "a.mp4"
    write_video(video, [gray(10 + 2 * index) for index in range(96)])

    (row,) = stage(directory=model_root)({"video": np.array([str(video)])}).to_pylist()

    model = load_model(directory=model_root)
    if stage is Features:
        features = np.array(row["rgb"], np.float32)
        assert features.tobytes() == model.features(video).features.tobytes()
    else:
        assert row["num_positions"] == model.timeline(video).num_positions
    assert row["error"] is None


def test_the_command_of_the_job_for_kubernetes_parses(repository: Path) -> None:
    job = yaml.safe_load((repository / "docs" / "ray_job.yaml").read_text(encoding="utf-8"))
    program, *arguments = shlex.split(job["spec"]["entrypoint"])

    assert program == "i3d-rgb-tf"
    assert build_parser().parse_args(arguments).engine == "ray"
