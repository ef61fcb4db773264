"""Stages of a Ray Data pipeline: the same results as ``i3d-rgb-tf batch``, as columns.

::

    import ray
    from i3d_rgb_tf.ray import Classify

    videos = ray.data.from_items([{"video": "a.mp4"}, {"video": "b.mp4"}])
    actions = videos.map_batches(
        Classify, fn_constructor_kwargs={"directory": "models"}, batch_size=1, num_cpus=1
    )
    actions.write_parquet("actions")

Each actor holds one model, and infers with as many threads as Ray gives it cores (``num_cpus``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from i3d_rgb_tf.batch.cluster import assigned_cores
from i3d_rgb_tf.batch.parquet import result_table
from i3d_rgb_tf.batch.tasks import TASKS, ClassifySettings, Settings
from i3d_rgb_tf.choices import BatchTask
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.model import load_model
from i3d_rgb_tf.timeline.settings import SegmentSettings

__all__ = [
    "Classify",
    "ClassifySettings",
    "FeatureSettings",
    "Features",
    "SegmentSettings",
    "Timeline",
]


class _Stage:
    """Makes a result of each video of a batch.

    Parameters
    ----------
    model
        An IR (.xml); by default that of the ``directory`` among the options.
    settings
        How the results are made; by default as on the command line.
    options
        Others of `i3d_rgb_tf.load_model`. By default ``num_threads`` is what Ray gives the actor.

    Raises
    ------
    ModelError, DeviceError
        As `i3d_rgb_tf.load_model` does.
    """

    _task: BatchTask
    _default: Callable[[], Settings]

    def __init__(
        self, model: str | Path | None = None, *, settings: Settings | None = None, **options: Any
    ) -> None:
        self._settings = settings or self._default()
        self._model = load_model(model, **{"num_threads": assigned_cores(), **options})

    def __call__(self, batch: Mapping[str, Iterable[Any]]) -> Any:
        """Return the batch with the columns of the results.

        Parameters
        ----------
        batch
            Columns as Ray gives them by default, ``numpy``; ``video`` has paths or URLs. The others
            stay, unless they have the name of one below.

        Returns
        -------
        pyarrow.Table
            ``error`` says why a video cannot be read, and is null if it was. The other columns are
            those that ``i3d-rgb-tf batch merge`` writes, and null where there is an error.

        Raises
        ------
        DeviceError
            The device fails.
        DependencyError
            The package for a URL is missing.
        """
        task = TASKS[self._task]
        videos = [os.fsdecode(each) for each in batch["video"]]
        rows: list[dict[str, Any]] = [
            {"video": video, "error": str(found)}
            if isinstance(found, VideoError)
            else {"video": video, "error": None, **task.columns(found)}
            for video, found in zip(
                videos, task.infer(self._model, iter(videos), self._settings), strict=True
            )
        ]
        others = {name: column for name, column in batch.items() if name != "video"}
        return result_table(rows, self._task, asdict(self._settings), others)


class Classify(_Stage):
    """Names the actions in videos; its settings are `ClassifySettings`."""

    _task, _default = "classify", ClassifySettings


class Features(_Stage):
    """Makes the features of videos; its settings are `FeatureSettings`."""

    _task, _default = "features", FeatureSettings


class Timeline(_Stage):
    """Finds when actions happen in videos; its settings are `SegmentSettings`."""

    _task, _default = "timeline", SegmentSettings
