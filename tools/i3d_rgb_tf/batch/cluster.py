"""A run on the machines of a Ray cluster; the only module that imports ray."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from i3d_rgb_tf.batch.folders import Folder
from i3d_rgb_tf.batch.run import Run, check_claim
from i3d_rgb_tf.batch.tasks import Settings
from i3d_rgb_tf.choices import BatchTask
from i3d_rgb_tf.cores import num_usable_cores
from i3d_rgb_tf.errors import (
    ClusterError,
    DependencyError,
    I3DError,
    last_line,
    silent_standard_error,
)
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.model import Model

__all__ = ["OWN_CLUSTER", "assigned_cores", "infer_on_cluster"]

OWN_CLUSTER = "local"
"""Address of a cluster of this machine alone, which begins and ends with the run."""
_MOST_BLOCKS = 10_000
"""Parts that the list is handed out in: a video each, if they are enough."""

_MOST_SECONDS = 20.0
"""Longest wait for the machine that leads a cluster."""
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
            # Where all is in object storage, no folder need be the same.
            with suppress(FileNotFoundError):
                os.chdir(job.place)
            model = Model(Networks(job.model, job.options))
            self._run = Run(job.task, job.settings, model, job.folder)
            check_claim(job.folder, self._run.describe())
        except I3DError as error:
            self._fault = str(error)

    def __call__(self, batch: Any) -> dict[str, list[str]]:
        """Return the error of each video, and what stops the run; both are empty if all is well."""
        videos = [os.fsdecode(each) for each in batch["video"].to_pylist()]
        errors = [""] * len(videos)
        try:
            if not self._fault:
                results = self._run.infer(videos, self._made_with)
                errors = [each.error or "" for each in results]
        except I3DError as error:
            self._fault = str(error)
        fault = f"{os.uname().nodename}: {self._fault}" if self._fault else ""
        return {"error": errors, "fault": [fault] * len(videos)}


def infer_on_cluster(
    run: Run, videos: list[str], made_with: dict[str, Any], *, address: str = OWN_CLUSTER
) -> Iterator[str | None]:
    """Write the result of each video, on the machines of a cluster, in any order.

    Each model infers in a process of its own, with so many threads as the model of `run` has, 1 by
    default; the machines hold as many of them as their cores allow. A video that was in hand on a
    machine that is lost is inferred again on another.

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
        replace(options, num_threads=options.num_threads or 1),
        run.folder,
        made_with,
        Path.cwd(),
    )
    with _cluster(address) as ray:
        for row in _rows(ray, job, [os.fsencode(video) for video in videos]):
            if row["fault"]:
                raise ClusterError(row["fault"])
            yield row["error"] or None


def assigned_cores() -> int | None:
    """Return how many cores Ray has given to this process; None outside of Ray."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    cores = ray.get_runtime_context().get_assigned_resources().get("CPU")
    return max(1, int(cores)) if cores else None


def _rows(ray: Any, job: _Job, videos: list[bytes]) -> Iterator[dict[str, str]]:
    num_threads = job.options.num_threads or 1
    count = _num_workers(ray, num_threads)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
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
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(count, len(videos))),
    )
    yield from dataset.iter_rows()


def _num_workers(ray: Any, num_threads: int) -> int:
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    count = sum(each // num_threads for each in cores)
    if not count:
        raise ClusterError(
            f"no machine of the cluster has {num_threads} cores, the largest has "
            f"{max(cores, default=0)}; give fewer --threads"
        )
    return count


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """Give the module ray, connected to a cluster, and translate its errors."""
    ray = _import_ray()
    _check_reachable(address)
    own = {"num_cpus": num_usable_cores(), "include_dashboard": False}
    try:
        with _same_signals(), silent_standard_error():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level="ERROR",
                **(own if address == OWN_CLUSTER else {}),
            )
        # What Ray says of a machine that is lost is no part of the output.
        with redirect_stdout(sys.stderr):
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
    """Raise if nothing accepts connections at an address; Ray would wait for many minutes."""
    given = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    host, _, port = given.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        # Ray knows where it is.
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_MOST_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"there is no Ray cluster at {given}: {error}; check the address, and that it runs"
        ) from error


def _import_ray() -> Any:
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
    """Restore the handler of SIGTERM, which Ray replaces by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
