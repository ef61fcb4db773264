"""The I3D RGB action recognition model on OpenVINO: from published weights to labelled videos.

>>> from i3d_rgb_tf import load_model
>>> model = load_model(directory="models")  # doctest: +SKIP
>>> model.classify("cricket.mp4").predictions[0].label  # doctest: +SKIP
'playing cricket'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i3d_rgb_tf.classify import Classification, Model, Prediction, load_model
    from i3d_rgb_tf.errors import I3DError
    from i3d_rgb_tf.labels import load_labels

__all__ = [
    "Classification",
    "I3DError",
    "Model",
    "Prediction",
    "__version__",
    "load_labels",
    "load_model",
]

__version__ = "0.1.0"

_MODULES = {
    "Classification": "classify",
    "I3DError": "errors",
    "Model": "classify",
    "Prediction": "classify",
    "load_labels": "labels",
    "load_model": "classify",
}
"""Where each name is; its module is imported when the name is first used."""


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
