"""I3D RGB action recognition on OpenVINO: published weights, verified, to labels of videos.

>>> from i3d_rgb_tf import load_model
>>> model = load_model(directory="models")  # doctest: +SKIP
>>> model.classify("cricket.mp4").predictions[0].label  # doctest: +SKIP
'playing cricket'

The public API is `__all__`; everything else may move between releases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from i3d_rgb_tf.version import __version__

if TYPE_CHECKING:
    from i3d_rgb_tf.classify import Classification, Prediction
    from i3d_rgb_tf.errors import (
        ChecksumError,
        ClusterError,
        DatasetError,
        DependencyError,
        DeviceError,
        DownloadError,
        I3DError,
        LabelError,
        ModelError,
        QuantizationError,
        StorageError,
        VideoError,
        WeightsError,
        ZooError,
    )
    from i3d_rgb_tf.features.result import Features
    from i3d_rgb_tf.features.settings import FeatureSettings
    from i3d_rgb_tf.ir.convert import convert
    from i3d_rgb_tf.labels import load_labels
    from i3d_rgb_tf.model import Model, load_model
    from i3d_rgb_tf.quantization.acceptance import Agreement, QuantizationRecord
    from i3d_rgb_tf.quantization.quantize import Quantization, quantize
    from i3d_rgb_tf.timeline.output.files import write_timeline
    from i3d_rgb_tf.timeline.result import Timeline
    from i3d_rgb_tf.timeline.segments import Segment
    from i3d_rgb_tf.timeline.settings import SegmentSettings
    from i3d_rgb_tf.weights.sources import FrozenGraph, download

__all__ = [
    "Agreement",
    "ChecksumError",
    "Classification",
    "ClusterError",
    "DatasetError",
    "DependencyError",
    "DeviceError",
    "DownloadError",
    "FeatureSettings",
    "Features",
    "FrozenGraph",
    "I3DError",
    "LabelError",
    "Model",
    "ModelError",
    "Prediction",
    "Quantization",
    "QuantizationError",
    "QuantizationRecord",
    "Segment",
    "SegmentSettings",
    "StorageError",
    "Timeline",
    "VideoError",
    "WeightsError",
    "ZooError",
    "__version__",
    "convert",
    "download",
    "load_labels",
    "load_model",
    "quantize",
    "write_timeline",
]

_MODULES = {
    "Agreement": "quantization.acceptance",
    "Classification": "classify",
    "FeatureSettings": "features.settings",
    "Features": "features.result",
    "FrozenGraph": "weights.sources",
    "Model": "model",
    "Prediction": "classify",
    "Quantization": "quantization.quantize",
    "QuantizationRecord": "quantization.acceptance",
    "Segment": "timeline.segments",
    "SegmentSettings": "timeline.settings",
    "Timeline": "timeline.result",
    "convert": "ir.convert",
    "download": "weights.sources",
    "load_labels": "labels",
    "load_model": "model",
    "quantize": "quantization.quantize",
    "write_timeline": "timeline.output.files",
}
"""Where each name is, unless it is an error; its module is imported when it is first used."""


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    import importlib

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'errors')}")
    return getattr(module, name)
