"""A run on the machines of a Ray cluster; the only module that imports ray."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from i3d_rgb_tf.batch.folders import Folder
from i3d_rgb_tf.batch.run import Run, check_claim
from i3d_rgb_tf.batch.tasks import Settings
from i3d_rgb_tf.choices import BatchTask
from i3d_rgb_tf.cores import num_system_cores
from i3d_rgb_tf.errors import (
    ClusterError,
    DependencyError,
    I3DError,
    last_line,
    silent_standard_error,
)
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.model import Model
from i3d_rgb_tf.signals import stop_signals_later
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.video.files import video_file

__all__ = ["OWN_CLUSTER", "assigned_cores", "import_ray", "infer_on_cluster"]

OWN_CLUSTER = "local"
"""Address of a cluster of this machine alone, which begins and ends with the run."""
_MOST_BLOCKS = 10_000
"""Parts that the list is handed out in: a video each, if they are enough."""
_MOST_AT_ONCE = (None, 1, 1)
"""How many videos a process is given at once, by default as Ray chooses, each time that videos are
handed out whose process was ended: its machine was lost, or they are too large for its memory, or
crash it. Later only one, because those that wait behind such a video are lost with it."""
_MOST_SECONDS = 20.0
"""Longest wait for the machine that leads a cluster."""
_HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of gRPC, which Ray speaks, begins: with a frame of no settings."""
_TEXT = (b"H", b"<")
"""How other web servers answer that: ``HTTP/1.1 505`` or ``<!DOCTYPE html>``."""
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""What Ray reads when it is imported, unless it is given: nothing is sent or printed."""


@dataclass(frozen=True)
class _Job:
    """A run as it is sent to the machines."""

    task: BatchTask
    settings: Settings
    model: Path
    options: NetworkOptions
    folder: Folder
    made_with: dict[str, Any]
    place: Path
    """The current folder, where relative paths begin."""


class _Worker:
    """Infers videos in a process of its own, and writes their results."""

    def __init__(self, job: _Job) -> None:
        self._fault = ""
        self._made_with = job.made_with
        try:
            with storage_errors(job.place, "read"):
                os.chdir(job.place)
            model = Model(Networks(job.model, job.options))
            self._run = Run(job.task, job.settings, model, job.folder)
            check_claim(job.folder, self._run.describe())
        except I3DError as error:
            self._fault = str(error)

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Return the error of each video, and what stops the run; both are empty if all is well."""
        names = batch["video"].to_pylist()
        videos = [os.fsdecode(each) for each in names]
        errors = [""] * len(videos)
        try:
            if not self._fault:
                results = self._run.infer(videos, self._made_with)
                errors = [each.error or "" for each in results]
        except I3DError as error:
            self._fault = str(error)
        except Exception as error:  # noqa: BLE001 - Ray would drop it.
            self._fault = f"{type(error).__name__}: {last_line(error)}"
        fault = f"{socket.gethostname()}: {self._fault}" if self._fault else ""
        return {"video": names, "error": errors, "fault": [fault] * len(videos)}


def infer_on_cluster(
    run: Run, videos: list[str], made_with: dict[str, Any], *, address: str = OWN_CLUSTER
) -> Iterator[str | None]:
    """Write the result of each video, on the machines of a cluster, in any order.

    Each model infers in a process of its own, with so many threads as the model of `run` has, 1 by
    default; the machines hold as many of them as their cores allow. A video that was in hand on a
    machine that is lost is inferred again on another. One whose process ends each time has no
    result, and an error that is not written: the next run tries it again.

    Parameters
    ----------
    run
        Its model and, unless they are URLs, the videos and the folder have the same paths on all
        machines.
    videos
        Paths or URLs.
    made_with
        As `Run.describe` gives it.
    address
        Of a cluster, as Ray takes it; ``auto`` for the one that this machine belongs to.

    Yields
    ------
    str or None
        Why a video cannot be read; None if it was.

    Raises
    ------
    ClusterError
        There is no such cluster; or one of its machines lacks something, or computes in another
        way.
    DependencyError
        Ray is not installed.
    """
    if not videos:
        return
    options = run.model.networks.options
    job = _Job(
        run.task,
        run.settings,
        run.model.path,
        # Each has one video at a time.
        replace(options, num_threads=options.num_threads or 1, performance_hint="LATENCY"),
        run.folder,
        made_with,
        Path.cwd(),
    )
    missing = dict.fromkeys(map(os.fsencode, videos))
    # Ray prints what it is told by its other processes; what matters of it is raised.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), _cluster(address) as ray:
        for most_at_once in _MOST_AT_ONCE:
            for row in _rows(ray, job, list(missing), most_at_once):
                if row["fault"]:
                    raise ClusterError(row["fault"])
                del missing[row["video"]]
                yield row["error"] or None
    for video in map(os.fsdecode, missing):
        yield (
            f"{video_file(video)} has no result: the process that read it was ended each time; try "
            "it alone, with --engine local"
        )


def assigned_cores() -> int | None:
    """Return how many cores Ray has given to this process; None outside of Ray."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    cores = ray.get_runtime_context().get_assigned_resources().get("CPU")
    return max(1, int(cores)) if cores else None


def _rows(
    ray: Any, job: _Job, videos: list[bytes], most_at_once: int | None
) -> Iterator[dict[str, Any]]:
    if not videos:
        return
    num_threads = job.options.num_threads or 1
    count = min(_num_workers(ray, num_threads), len(videos))
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    # What fails is raised.
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)
    dataset = ray.data.from_items(
        [{"video": video} for video in videos],
        override_num_blocks=min(len(videos), _MOST_BLOCKS),
    ).map_batches(
        _Worker,
        fn_constructor_args=(job,),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=num_threads,
        # With a smaller pool at the end, a process that was lost finds a free core.
        compute=ray.data.ActorPoolStrategy(
            min_size=1,
            max_size=count,
            initial_size=count,
            max_tasks_in_flight_per_actor=most_at_once,
        ),
        # Without a limit, a video that ends its process would never be given up.
        max_task_retries=1,
    )
    yield from dataset.iter_rows()


def _num_workers(ray: Any, num_threads: int) -> int:
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    count = sum(each // num_threads for each in cores)
    if not count:
        raise ClusterError(
            f"no machine of the cluster has {num_threads} cores, the largest has "
            f"{max(cores, default=0)}; give fewer --threads, or start larger machines"
        )
    return count


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """Give the module ray, connected to a cluster, and translate its errors."""
    ray = import_ray()
    _check_reachable(address)
    own = {"num_cpus": num_system_cores(), "include_dashboard": False}
    try:
        # What a handler raises while a process is forked is lost, and the locks of logging stay.
        with stop_signals_later(), _same_signals(), silent_standard_error():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level="ERROR",
                **(own if address == OWN_CLUSTER else {}),
            )
        yield ray
    except I3DError:
        raise
    except Exception as error:
        reason = last_line(error).rstrip(".")
        raise ClusterError(
            f"the Ray cluster {address} failed: {reason}; check that it runs, and that its "
            "machines have the same versions of Python, Ray and i3d-rgb-tf"
        ) from error
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise if no server, or one of another kind, answers; Ray would wait for many minutes."""
    given = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    host, _, port = given.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        # Ray knows where it is.
        return
    try:
        place = (host.strip("[]"), int(port))
        with socket.create_connection(place, timeout=_MOST_SECONDS) as connection:
            connection.sendall(_HTTP_2)
            if connection.recv(1) in _TEXT:
                raise ConnectionError("another server answers, such as Ray's dashboard")
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"there is no Ray cluster at {given}: {error}; check the address, and that it runs"
        ) from error


def import_ray() -> Any:
    """Return the module ray.

    Raises
    ------
    DependencyError
        It is not installed.
    """
    os.environ.update({**_ENVIRONMENT, **os.environ})
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise DependencyError(
            "--engine ray needs Ray; get it with: pip install 'i3d-rgb-tf[ray]'"
        ) from error
    return ray


@contextmanager
def _same_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray would replace by its own."""
    set_handler = signal.signal

    def keep(number: int, handler: Any) -> Any:
        is_ours = number == signal.SIGTERM
        return signal.getsignal(number) if is_ours else set_handler(number, handler)

    signal.signal = keep  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = set_handler
