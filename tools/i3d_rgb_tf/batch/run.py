"""One run over a list: what is finished is skipped, and each result is written when it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from i3d_rgb_tf.batch.results import (
    ERROR_SUFFIX,
    RESULTS,
    Result,
    VideoFile,
    describe_difference,
    key_in_name,
    list_results,
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
from i3d_rgb_tf.storage import check_writable, create_file, replaced_file, storage_errors
from i3d_rgb_tf.version import __version__

__all__ = ["SHARDS", "Plan", "Run", "claim_folder", "read_settings"]

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
    folder: Path
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
        StorageError
            The folder cannot be read.
        """
        names = set(list_results(self.folder))
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

    def mark(self, shard: Shard, list_sha256: str, *, finished: bool) -> None:
        """Note in the folder that a part of the list with this digest was begun, or is finished."""
        path = self.folder / SHARDS / f"{shard.index}-of-{shard.count}.json"
        document = {"shard": str(shard), "list_sha256": list_sha256, "finished": finished}
        with replaced_file(path) as temporary:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    def _is_finished(self, video: str, names: set[str], made_with: dict[str, Any]) -> bool:
        result = self._find(video, names, TASKS[self.task].suffix, made_with)
        if result is None or result.error is not None:
            return False
        if result.file and not result.file.is_still(video):
            raise DatasetError(
                f"{video} has changed since its result was made, expected SHA-256 "
                f"{result.file.sha256}; remove {self._path(video, TASKS[self.task].suffix)}, or "
                "choose another output folder"
            )
        return True

    def _has_failed(self, video: str, names: set[str], made_with: dict[str, Any]) -> bool:
        result = self._find(video, names, ERROR_SUFFIX, made_with)
        if result is None:
            return False
        return result.file.is_still(video) if result.file else VideoFile.of(video) is None

    def _find(
        self, video: str, names: set[str], suffix: str, made_with: dict[str, Any]
    ) -> Result | None:
        if result_name(video, suffix) not in names:
            return None
        path = self._path(video, suffix)
        result = read_result(path, arrays=False)
        if result is not None:
            _check_same(path, result.made_with, made_with)
        return result

    def _path(self, video: str, suffix: str) -> Path:
        return self.folder / RESULTS / result_name(video, suffix)


def claim_folder(folder: Path, made_with: dict[str, Any]) -> None:
    """Make a folder one for results that are made with these settings.

    Raises
    ------
    DatasetError
        It is one for others.
    StorageError
        It cannot be written.
    """
    check_writable(folder)
    text = json.dumps(made_with, indent=1) + "\n"
    if not create_file(folder / _SETTINGS, text.encode()):
        _check_same(folder / _SETTINGS, read_settings(folder), made_with)


def read_settings(folder: Path) -> dict[str, Any]:
    """Return what the results of a folder are made with.

    Raises
    ------
    DatasetError
        It is no folder of `i3d-rgb-tf batch`.
    StorageError
        It cannot be read.
    """
    path = folder / _SETTINGS
    if not path.exists():
        raise DatasetError(
            f"{folder} has no {_SETTINGS}, expected the output folder of i3d-rgb-tf batch; check "
            "the path"
        )
    try:
        with storage_errors(path, "read"):
            document = json.loads(path.read_bytes())
    except ValueError as error:
        raise DatasetError(f"{path} is damaged; choose another output folder") from error
    if not isinstance(document, dict) or document.get("task") not in TASKS:
        raise DatasetError(
            f"{path} was not written by i3d-rgb-tf batch; choose another output folder"
        )
    return document


def _check_same(path: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    if difference := describe_difference(found, expected):
        raise DatasetError(
            f"{path} is of other settings: {difference}; choose another output folder, or the "
            "same settings"
        )
