"""The runtime information (rt_info) of a converted model: weights, source and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from i3d_rgb_tf.choices import UNKNOWN_WEIGHTS
from i3d_rgb_tf.labels import load_labels

__all__ = [
    "SECTION",
    "Provenance",
    "read_provenance",
    "read_section",
    "write_provenance",
    "write_section",
]

SECTION = "i3d_rgb_tf"
"""The section of the runtime information that is this package's."""
_MODEL_SECTION = "model_info"
"""The section that OpenVINO's Model API and Model Server read."""


@dataclass(frozen=True)
class Provenance:
    """Where a converted model comes from."""

    weights: str
    """``rgb_imagenet``, ``rgb_scratch``, or ``unknown``."""
    source_sha384: str
    """SHA-384 of the frozen graph it was converted from; empty when not recorded."""


def write_section(model: Any, values: Mapping[str, object], *section: str) -> None:
    """Record values, as text, in a section of the runtime information of an ``openvino.Model``."""
    for key, value in values.items():
        model.set_rt_info(str(value), [*section, key])


def read_section(model: Any, keys: tuple[str, ...], *section: str) -> dict[str, str]:
    """Return those of the keys that a section of the runtime information has, as text."""
    return {
        key: str(model.get_rt_info([*section, key]).astype(str))
        for key in keys
        if model.has_rt_info([*section, key])
    }


def write_provenance(model: Any, provenance: Provenance) -> None:
    """Record the weights, their source, and the class labels in an ``openvino.Model``."""
    write_section(model, asdict(provenance), SECTION)
    # Model API splits the list at spaces, and shows an underscore as it is.
    labels = " ".join(label.replace(" ", "_") for label in load_labels())
    model_info = {"model_type": "Action Classification", "labels": labels}
    write_section(model, model_info, _MODEL_SECTION)


def read_provenance(model: Any) -> Provenance:
    """Return what `write_provenance` recorded; an IR of the zoo's own tools has none."""
    found = read_section(model, ("weights", "source_sha384"), SECTION)
    return Provenance(found.get("weights", UNKNOWN_WEIGHTS), found.get("source_sha384", ""))
