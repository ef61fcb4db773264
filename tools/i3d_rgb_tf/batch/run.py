"""One run over a list: what is finished is skipped, and each result is written when it is there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, cast

from i3d_rgb_tf.batch.folders import Folder
from i3d_rgb_tf.batch.results import (
    ERROR_SUFFIX,
    RESULTS,
    Result,
    VideoFile,
    describe_difference,
    key_in_name,
    read_result,
    result_name,
    write_result,
)
from i3d_rgb_tf.batch.shards import Shard, video_key
from i3d_rgb_tf.batch.tasks import TASKS, Settings
from i3d_rgb_tf.choices import BatchTask
from i3d_rgb_tf.errors import DatasetError, VideoError
from i3d_rgb_tf.hashes import model_digest
from i3d_rgb_tf.model import Model
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.version import __version__
from i3d_rgb_tf.video.object_stores import check_packages

__all__ = ["SHARDS", "Plan", "Run", "check_claim", "claim_folder", "read_settings"]

_SETTINGS = "settings.json"
SHARDS = "shards"
"""Folder of the files that say which parts of a list are finished."""


@dataclass(frozen=True)
class Plan:
    """What is left to do of a list."""

    pending: list[str]
    """The videos to read, in the order of the list."""
    num_finished: int
    """Videos whose results are there."""
    num_failed: int
    """Videos that could not be read in an earlier run, and are not tried again."""


@dataclass(frozen=True)
class Run:
    """What is made of each video, with which model, and where results go."""

    task: BatchTask
    """What is made."""
    settings: Settings
    """How."""
    model: Model
    """With what."""
    folder: Folder
    """Where results go."""

    def describe(self) -> dict[str, Any]:
        """Return all that decides a result besides the video, as JSON has it."""
        network = asdict(TASKS[self.task].facts(self.model, self.settings))
        # Its digest says which it is, wherever it is.
        del network["model"]
        document = {
            "version": __version__,
            "task": self.task,
            "settings": asdict(self.settings),
            "network": {**network, "model_sha256": model_digest(self.model.path)},
        }
        return cast("dict[str, Any]", json.loads(json.dumps(document)))

    def plan(
        self, videos: Sequence[str], made_with: dict[str, Any], *, retry_failed: bool = False
    ) -> Plan:
        """Return what is left to do, by what is in the folder.

        A video that could not be read is left out, unless it has changed since.

        Parameters
        ----------
        videos
            Paths, each once.
        made_with
            As `describe` gives it.
        retry_failed
            Whether videos that could not be read are tried again.

        Raises
        ------
        DatasetError
            A result was made with other settings, or its video has changed since.
        DependencyError
            The package for a URL is missing.
        StorageError
            The folder cannot be read.
        """
        names = set(self.folder.list(RESULTS))
        # Most lists are long, and a key is quicker to make than a name.
        keys = {key_in_name(name) for name in names}
        pending: list[str] = []
        num_failed = 0
        for video in videos:
            if video_key(video) not in keys:
                pending.append(video)
                continue
            if self._is_finished(video, names, made_with):
                continue
            if not retry_failed and self._has_failed(video, names, made_with):
                num_failed += 1
                continue
            pending.append(video)
        check_packages(pending)
        return Plan(pending, len(videos) - len(pending) - num_failed, num_failed)

    def infer(self, videos: Sequence[str], made_with: dict[str, Any]) -> Iterator[Result]:
        """Write the result of each video, in order, and yield it; the next is decoded meanwhile.

        Parameters
        ----------
        videos
            Paths.
        made_with
            As `describe` gives it.

        Yields
        ------
        Result
            With an error, which is not raised, where the video cannot be read.

        Raises
        ------
        DeviceError
            The device fails.
        StorageError
            A result cannot be written.
        """
        task = TASKS[self.task]
        files: dict[str, VideoFile | None] = {}

        def identified() -> Iterator[str]:
            """Yield each video after noting what it is now."""
            for video in videos:
                files[video] = VideoFile.of(video)
                yield video

        with closing(cast("Any", task.infer(self.model, identified(), self.settings))) as results:
            for video, found in zip(videos, results, strict=True):
                file = files.pop(video)
                if isinstance(found, VideoError):
                    result = Result(video, file, made_with, error=str(found))
                else:
                    result = Result(video, file, made_with, columns=task.columns(found))
                write_result(self.folder, result, task.suffix)
                yield result

    def is_complete(self, videos: Sequence[str]) -> bool:
        """Return whether each video has a result, or an error, in the folder."""
        keys = {key_in_name(name) for name in self.folder.list(RESULTS)}
        return all(video_key(video) in keys for video in videos)

    def mark(self, shard: Shard, list_sha256: str, *, finished: bool) -> None:
        """Note in the folder that a part of the list with this digest was begun, or is finished."""
        name = f"{SHARDS}/{shard.index}-of-{shard.count}.json"
        document = {
            "shard": str(shard),
            "list_sha256": list_sha256,
            "finished": finished,
            "written_ns": time.time_ns(),
        }
        with self.folder.replaced(name) as temporary:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    def _is_finished(self, video: str, names: set[str], made_with: dict[str, Any]) -> bool:
        name = result_name(video, TASKS[self.task].suffix)
        if self._is_trusted(name, names):
            return True
        result = self._find(name, names, made_with)
        if result is None or result.error is not None:
            return False
        if result.file and not result.file.is_still(video):
            raise DatasetError(
                f"{video} has changed since its result was made, expected SHA-256 "
                f"{result.file.sha256}; remove {self.folder.locate(name)}, or choose another "
                "output folder"
            )
        return True

    def _has_failed(self, video: str, names: set[str], made_with: dict[str, Any]) -> bool:
        name = result_name(video, ERROR_SUFFIX)
        if self._is_trusted(name, names):
            return True
        result = self._find(name, names, made_with)
        if result is None:
            return False
        return result.file.is_still(video) if result.file else VideoFile.of(video) is None

    def _is_trusted(self, name: str, names: set[str]) -> bool:
        """Return whether a file is there and too costly to read; it is whole, in any case."""
        return name in names and not self.folder.is_local

    def _find(self, name: str, names: set[str], made_with: dict[str, Any]) -> Result | None:
        result = read_result(self.folder, name, arrays=False) if name in names else None
        if result is not None:
            _check_same(self.folder.locate(name), result.made_with, made_with)
        return result


def claim_folder(folder: Folder, made_with: dict[str, Any]) -> None:
    """Make a folder one for results that are made with these settings.

    Raises
    ------
    DatasetError
        It is one for others.
    StorageError
        It cannot be written.
    """
    folder.check_writable()
    text = json.dumps(made_with, indent=1) + "\n"
    if not folder.create(_SETTINGS, text.encode()):
        check_claim(folder, made_with)


def check_claim(folder: Folder, made_with: dict[str, Any]) -> None:
    """Raise unless a folder is one for results that are made with these settings.

    Raises
    ------
    DatasetError
        It is one for others, or for none.
    StorageError
        It cannot be read.
    """
    _check_same(folder.locate(_SETTINGS), read_settings(folder), made_with)


def read_settings(folder: Folder) -> dict[str, Any]:
    """Return what the results of a folder are made with.

    Raises
    ------
    DatasetError
        It is no folder of `i3d-rgb-tf batch`.
    StorageError
        It cannot be read.
    """
    path = folder.locate(_SETTINGS)
    file = folder.open(_SETTINGS)
    if file is None:
        raise DatasetError(
            f"{folder} has no {_SETTINGS}, expected the output folder of i3d-rgb-tf batch; check "
            "the path"
        )
    try:
        with file, storage_errors(path, "read"):
            document = json.loads(file.read())
    except ValueError as error:
        raise DatasetError(f"{path} is damaged; choose another output folder") from error
    if not (
        isinstance(document, dict)
        and str(document.get("task")) in TASKS
        and isinstance(document.get("settings"), dict)
    ):
        raise DatasetError(
            f"{path} was not written by i3d-rgb-tf batch; choose another output folder"
        )
    return document


def _check_same(path: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
    if difference := describe_difference(found, expected):
        raise DatasetError(
            f"{path} is of other settings: {difference}; choose another output folder, or the "
            "same settings"
        )
