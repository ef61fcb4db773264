"""Batches on real clusters of Ray, of one machine and of two simulated ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import ray
from ray.cluster_utils import Cluster

from i3d_rgb_tf.batch.results import RESULTS, key_in_name
from i3d_rgb_tf.batch.shards import video_key
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.ray import Classify

# Of Ray itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NUM_VIDEOS = 300
SECONDS = 600
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module", autouse=True)
def ray_folder() -> Iterator[Path]:
    """Keep Ray's files in a folder that is removed; the paths of sockets must be short."""
    # Otherwise a thread of Ray stays in this process, and looks for a server of metrics.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        yield Path(folder)


@pytest.fixture(scope="module")
def long_list(tmp_path_factory, archive: Path) -> Path:
    """Return a list of 300 videos, 20 of them broken in different ways."""
    folder = tmp_path_factory.mktemp("videos")
    good = sorted(archive.glob("*/*.mp4"))
    broken = [archive / name for name in ("empty.mp4", "text.mp4", "cut.mp4", "missing.mp4")]
    videos = [folder / f"{index}.mp4" for index in range(NUM_VIDEOS)]
    for index, video in enumerate(videos):
        source = broken[index // 15 % 4] if index % 15 == 0 else good[index % len(good)]
        if source.exists():
            shutil.copyfile(source, video)
    listing = folder / "list.txt"
    listing.write_text("".join(f"{video}\n" for video in videos))
    return listing


@pytest.fixture(scope="module")
def expected(tmp_path_factory, quick_model: Path, long_list: Path) -> dict[str, bytes]:
    """Return the results of a local run."""
    out = tmp_path_factory.mktemp("local") / "out"
    arguments = ["-m", str(quick_model), "--list", str(long_list), "-o", str(out)]
    assert main(["batch", "classify", *arguments]) == 1
    return contents(out)


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Give a cluster of two machines of a core each."""
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    found.add_node(num_cpus=1)
    yield found
    found.shutdown()


def contents(out: Path) -> dict[str, bytes]:
    # Those that are being written begin with a dot.
    files = sorted(path for path in (out / RESULTS).rglob("[!.]*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def start(quick_model: Path) -> Iterator[Start]:
    """Give a function that starts a run; those that are left at the end are ended."""
    command = [sys.executable, "-m", "i3d_rgb_tf", "batch", "classify", "-m", str(quick_model)]
    with ExitStack() as stack:

        def start(listing: Path, out: Path, *options: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*command, "--list", str(listing), "-o", str(out), "--engine", "ray", *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def before_each_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give a function that sets what each process of Ray does before it reads a video, `path`."""

    def do(statement: str) -> None:
        # Every Python imports this.
        (tmp_path / "sitecustomize.py").write_text(
            "import os, pathlib, sys, time\n"
            "stat = pathlib.Path.stat\n"
            "def changed(path, **options):\n"
            "    if path.suffix == '.mp4' and 'default_worker.py' in sys.argv[0]:\n"
            f"        {statement}\n"
            "    return stat(path, **options)\n"
            "pathlib.Path.stat = changed\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    return do


@pytest.fixture
def slow_videos(before_each_video: Callable[[str], None]) -> None:
    """Let a cluster, which is started after this, take so long that it can be interrupted."""
    before_each_video("time.sleep(0.03)")


def wait_for_results(out: Path, count: int) -> None:
    end = time.monotonic() + SECONDS
    while len(list((out / RESULTS).rglob("[!.]*.json"))) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_cluster_of_this_machine_gives_the_same_bytes_and_prints_nothing_of_its_own(
    tmp_path: Path, start: Start, long_list: Path, expected: dict[str, bytes]
) -> None:
    process = start(long_list, tmp_path / "out")
    output, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert contents(tmp_path / "out") == expected
    assert output.startswith("280 done, 20 failed, ")
    lines = [line for line in errors.splitlines() if not line.endswith(" videos per hour")]
    assert len(lines) == 20
    assert all(line.startswith("i3d-rgb-tf: error: ") for line in lines), lines

    process = start(long_list, tmp_path / "out")
    assert process.communicate(timeout=SECONDS)[0] == (
        "0 done, 0 failed; 280 were done and 20 had failed before\n"
    )


@pytest.mark.usefixtures("slow_videos")
def test_a_machine_that_is_lost_loses_no_video(
    tmp_path: Path, start: Start, long_list: Path, expected: dict[str, bytes], cluster: Any
) -> None:
    out = tmp_path / "out"
    process = start(long_list, out, "--address", cluster.address)
    wait_for_results(out, NUM_VIDEOS // 4)
    (other,) = cluster.worker_nodes
    cluster.remove_node(other, allow_graceful=False)
    assert len(contents(out)) < NUM_VIDEOS * 3 // 4, "too late to matter"
    output, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == 1, errors
    assert contents(out) == expected
    assert output.startswith("280 done, 20 failed, ")
    assert errors.count("i3d-rgb-tf: error: ") == 20
    main(["batch", "merge", str(out)])
    videos = pyarrow.parquet.read_table(out / "results.parquet")["video"].to_pylist()
    assert sorted(videos) == sorted(long_list.read_text().splitlines())


@pytest.mark.usefixtures("slow_videos")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_goes_on(
    tmp_path: Path,
    start: Start,
    long_list: Path,
    expected: dict[str, bytes],
    cluster: Any,
    number: signal.Signals,
) -> None:
    out, listing = tmp_path / "out", tmp_path / "list.txt"
    lines = long_list.read_text().splitlines()[: NUM_VIDEOS // 4]
    listing.write_text("".join(f"{line}\n" for line in lines))
    process = start(listing, out, "--address", cluster.address)
    wait_for_results(out, 20)
    process.send_signal(number)
    _, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    before = contents(out)
    assert 20 <= len(before) < len(lines)
    assert "Traceback" not in errors
    process = start(listing, out, "--address", cluster.address)
    process.communicate(timeout=SECONDS)
    keys = {video_key(line) for line in lines}
    assert contents(out) == {
        name: content for name, content in expected.items() if key_in_name(name) in keys
    }


def test_more_threads_than_a_machine_has_are_one_line(
    tmp_path: Path, start: Start, long_list: Path, cluster: Any
) -> None:
    options = ["--address", cluster.address, "--threads", "2"]
    process = start(long_list, tmp_path / "out", *options)
    _, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert errors == (
        "i3d-rgb-tf: error: no machine of the cluster has 2 cores, the largest has 1; give fewer "
        "--threads, or start larger machines\n"
    )


def test_a_machine_without_this_package_is_one_line(
    tmp_path: Path, start: Start, archive: Path, cluster: Any
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['i3d_rgb_tf'] = None\n")
    cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(tmp_path)})

    process = start(archive / "list.txt", tmp_path / "out", "--address", cluster.address)
    _, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert errors.startswith(f"i3d-rgb-tf: error: the Ray cluster {cluster.address} failed: ")
    assert "No module named 'i3d_rgb_tf" in errors
    assert "have the same versions of Python, Ray and i3d-rgb-tf\n" in errors
    assert errors.count("\n") == 1


def test_a_stage_of_a_pipeline_writes_the_same_table(
    tmp_path: Path, quick_model: Path, archive: Path, cluster: Any
) -> None:
    videos = (archive / "list.txt").read_text().splitlines()
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        rows = ray.data.from_items(
            [{"video": video, "number": i} for i, video in enumerate(videos)]
        )
        rows.map_batches(
            Classify,
            fn_constructor_kwargs={"model": str(quick_model)},
            batch_size=2,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=2),
        ).write_parquet(str(tmp_path / "table"))
    finally:
        ray.shutdown()
    listing, out = str(archive / "list.txt"), str(tmp_path / "out")
    main(["batch", "classify", "-m", str(quick_model), "--list", listing, "-o", out])
    main(["batch", "merge", out])

    found = pyarrow.parquet.read_table(tmp_path / "table").sort_by("video").to_pylist()

    table = pyarrow.parquet.read_table(Path(out, "results.parquet")).sort_by("video").to_pylist()
    assert [row.pop("number") for row in found] == [videos.index(row["video"]) for row in table]
    assert found == table


def test_a_video_that_ends_its_process_is_reported_and_the_rest_goes_on(
    tmp_path: Path, start: Start, archive: Path, before_each_video: Callable[[str], None]
) -> None:
    # It stands for a crash, or for too little memory.
    before_each_video("path.name == 'crash.mp4' and os._exit(139)")
    crash, good = tmp_path / "crash.mp4", sorted(archive.glob("*/*.mp4"))
    shutil.copyfile(good[0], crash)
    listing, out = tmp_path / "list.txt", tmp_path / "out"
    listing.write_text("".join(f"{video}\n" for video in (*good[:3], crash, *good[3:])))

    process = start(listing, out)
    output, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert output.startswith(f"{len(good)} done, 1 failed, ")
    (line,) = (each for each in errors.splitlines() if each.startswith("i3d-rgb-tf: error: "))
    assert f"{crash} has no result: the process that read it was ended each time; try it" in line
    assert len(contents(out)) == len(good)
    assert main(["batch", "merge", str(out)]) == 1


@pytest.mark.usefixtures("slow_videos")
@pytest.mark.parametrize("delay", [0, 0.1, 1, 3])
def test_a_run_that_is_terminated_while_ray_starts_says_so(
    tmp_path: Path, start: Start, long_list: Path, delay: float
) -> None:
    process = start(long_list, tmp_path / "out")
    end = time.monotonic() + SECONDS
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    # One that OpenVINO's telemetry forks, or the first one of Ray.
    while not children.read_text():
        assert time.monotonic() < end
        time.sleep(0.001)
    time.sleep(delay)
    process.terminate()
    _, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == 143, errors
    assert "Traceback" not in errors


def test_threads_are_those_of_each_process() -> None:
    script = (
        "from i3d_rgb_tf.batch.cluster import _cluster, _num_workers\n"
        "from i3d_rgb_tf.cores import limit_cores, num_system_cores\n"
        "limit_cores(1)\n"
        "with _cluster('local') as ray:\n"
        "    count = _num_workers(ray, 1)\n"
        "print(count == num_system_cores())"
    )
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, check=True)

    assert found.stdout == "True\n"
