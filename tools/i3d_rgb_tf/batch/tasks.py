"""What is made of each video: how it is inferred, and the columns of its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from i3d_rgb_tf.choices import BatchTask
from i3d_rgb_tf.classify import Classification
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.features.extract import network_facts
from i3d_rgb_tf.features.result import Features
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.inference.networks import NetworkFacts
from i3d_rgb_tf.model import Model
from i3d_rgb_tf.timeline.output.documents import timeline_document
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.settings import SegmentSettings

__all__ = ["TASKS", "ClassifySettings", "Settings", "Task"]


@dataclass(frozen=True)
class ClassifySettings:
    """How videos are classified."""

    top_k: int = 5
    """How many actions are named, 1..400."""


Settings = ClassifySettings | FeatureSettings | SegmentSettings


@dataclass(frozen=True)
class Task:
    """One thing that is made of each video."""

    infer: Callable[[Model, Iterator[str], Any], Iterator[Any]]
    """Gives a result or a `VideoError` for each video, in order."""
    facts: Callable[[Model, Any], NetworkFacts]
    """Gives what the results depend on besides the videos."""
    columns: Callable[[Any], dict[str, Any]]
    """Gives the columns of a result: numbers, text, lists and dicts of them, and arrays."""
    suffix: str = ".json"
    """Ending of the files of its results; ``.npz`` where they are arrays."""


def _classify(
    model: Model, videos: Iterator[str], settings: ClassifySettings
) -> Iterator[Classification | VideoError]:
    return model.classify_all(videos, top_k=settings.top_k)


def _features(
    model: Model, videos: Iterator[str], settings: FeatureSettings
) -> Iterator[Features | VideoError]:
    return model.features_all(videos, settings)


def _timeline(
    model: Model, videos: Iterator[str], settings: SegmentSettings
) -> Iterator[Timeline | VideoError]:
    return model.timeline_all(videos, settings)


def _clip_facts(model: Model, _: Any) -> NetworkFacts:
    return model.networks.facts(model.networks.clip)


def _dense_facts(model: Model, _: Any) -> NetworkFacts:
    return model.networks.facts(model.networks.dense)


def _feature_facts(model: Model, settings: FeatureSettings) -> NetworkFacts:
    return network_facts(model.networks, settings)


def _classify_columns(result: Classification) -> dict[str, Any]:
    return {
        "num_frames": result.num_frames,
        "duration_seconds": result.duration_seconds,
        "num_positions": result.num_positions,
        "predictions": [asdict(each) for each in result.predictions],
    }


def _timeline_columns(result: Timeline) -> dict[str, Any]:
    document = timeline_document(result)
    names = ("num_frames", "duration_seconds", "num_positions", "segments", "positions")
    return {name: document[name] for name in names}


def _feature_columns(result: Features) -> dict[str, Any]:
    return {
        "num_frames": result.num_frames,
        "duration_seconds": result.duration_seconds,
        "frames_per_second": result.frames_per_second,
        "is_repeated": result.is_repeated,
        "times_seconds": result.times_seconds,
        "start_seconds": result.start_seconds,
        "end_seconds": result.end_seconds,
        "rgb": result.features,
        **({} if result.logits is None else {"logits": result.logits}),
    }


TASKS: dict[BatchTask, Task] = {
    "classify": Task(_classify, _clip_facts, _classify_columns),
    "features": Task(_features, _feature_facts, _feature_columns, ".npz"),
    "timeline": Task(_timeline, _dense_facts, _timeline_columns),
}
"""Each by its name."""
