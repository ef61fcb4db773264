"""The runtime information (rt_info) of a converted model: its weights, and what tools read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from i3d_rgb_tf.choices import UNKNOWN_WEIGHTS
from i3d_rgb_tf.errors import NATIVE_ERRORS, ModelError, last_line
from i3d_rgb_tf.labels import load_labels

__all__ = [
    "SECTION",
    "Provenance",
    "keep_own_section",
    "read_provenance",
    "read_section",
    "write_model_api_section",
    "write_provenance",
    "write_section",
]

SECTION = "i3d_rgb_tf"
"""The section of the runtime information that is this package's."""
_MODEL_API_SECTION = "model_info"
"""The section that OpenVINO's Model API reads."""
_MODEL_API = {
    "model_type": "Action Classification",
    "resize_type": "standard",
    "mean_values": "0 0 0",
    "scale_values": "1 1 1",
    "reverse_input_channels": "False",
}
"""What Model API has to know besides the labels: mean and scale are in the model, it takes RGB, and
``standard`` is the resize type that leaves cropped frames as they are in every release."""


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
    """Return those of the keys that a section of the runtime information has, as text.

    Raises
    ------
    ModelError
        The section is damaged.
    """
    try:
        return {
            key: str(model.get_rt_info([*section, key]).astype(str))
            for key in keys
            if model.has_rt_info([*section, key])
        }
    except NATIVE_ERRORS as error:
        raise ModelError(
            f"the section {' '.join(section)} of the model's rt_info is damaged: "
            f"{last_line(error)}; convert again"
        ) from error


def write_provenance(model: Any, provenance: Provenance) -> None:
    """Record the weights and their source in an ``openvino.Model``."""
    write_section(model, asdict(provenance), SECTION)


def read_provenance(model: Any) -> Provenance:
    """Return what `write_provenance` recorded; an IR of the zoo's own tools has none."""
    found = read_section(model, ("weights", "source_sha384"), SECTION)
    return Provenance(found.get("weights", UNKNOWN_WEIGHTS), found.get("source_sha384", ""))


def write_model_api_section(model: Any) -> None:
    """Record in an ``openvino.Model`` what OpenVINO's Model API needs to open its IR."""
    # Model API splits the list at spaces, and shows an underscore as it is.
    labels = " ".join(label.replace(" ", "_") for label in load_labels())
    write_section(model, {**_MODEL_API, "labels": labels}, _MODEL_API_SECTION)


def keep_own_section(model: Any) -> None:
    """Remove from an ``openvino.Model`` every section but this package's."""
    for name in set(model.rt_info.keys()) - {SECTION}:
        del model.rt_info[name]
