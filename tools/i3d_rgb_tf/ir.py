"""The converted model on disk: what its runtime information says, and whether it is this model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_rgb_tf.errors import ModelError, last_line
from i3d_rgb_tf.labels import NUM_LABELS, load_labels
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.tensors import UNKNOWN_WEIGHTS

__all__ = ["Provenance", "read_ir", "read_provenance", "write_provenance"]

_SECTION = "i3d_rgb_tf"
_HEAD_BYTES = 1000
_MODEL_SECTION = "model_info"
"""The section that OpenVINO's Model API and Model Server read."""


@dataclass(frozen=True)
class Provenance:
    """Where a converted model comes from."""

    weights: str
    """``rgb_imagenet``, ``rgb_scratch``, or ``unknown``."""
    source_sha384: str
    """SHA-384 of the frozen graph it was converted from; empty when not recorded."""


def read_ir(path: Path) -> Any:
    """Read an IR and return it as an ``openvino.Model`` that takes (1, 79, 3, 224, 224).

    Raises
    ------
    ModelError
        The file is missing or damaged, or the IR of another model or layout.
    """
    import openvino

    if not path.is_file():
        raise ModelError(
            f"no model at {path}; make it with: i3d-rgb-tf download && i3d-rgb-tf convert"
        )
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; check the path") from error
    # OpenVINO would try every format it knows, and some of them complain on standard error.
    if not re.search(rb"<net\s", head):
        raise ModelError(
            f"cannot read {path}: it is no IR of OpenVINO, an .xml that begins with <net>; "
            "convert again"
        )
    if not path.with_suffix(".bin").is_file():
        raise ModelError(f"{path} has no {path.with_suffix('.bin').name} beside it; convert again")
    try:
        model = openvino.Core().read_model(path)
    except RuntimeError as error:
        raise ModelError(f"cannot read {path}: {last_line(error)}; convert again") from error
    _check_interface(model, path)
    return model


def write_provenance(model: Any, provenance: Provenance) -> None:
    """Record the weights, their source, and the class labels in an ``openvino.Model``."""
    model.set_rt_info(provenance.weights, [_SECTION, "weights"])
    model.set_rt_info(provenance.source_sha384, [_SECTION, "source_sha384"])
    model.set_rt_info("Action Classification", [_MODEL_SECTION, "model_type"])
    # Model API splits the list at spaces, and shows an underscore as it is.
    labels = " ".join(label.replace(" ", "_") for label in load_labels())
    model.set_rt_info(labels, [_MODEL_SECTION, "labels"])


def read_provenance(model: Any) -> Provenance:
    """Return what `write_provenance` recorded; an IR of the zoo's own tools has none."""

    def value(key: str, default: str) -> str:
        path = [_SECTION, key]
        return str(model.get_rt_info(path).astype(str)) if model.has_rt_info(path) else default

    return Provenance(value("weights", UNKNOWN_WEIGHTS), value("source_sha384", ""))


def _check_interface(model: Any, path: Path) -> None:
    spec = load_spec()
    inputs = [tuple(port.partial_shape.to_string().strip("[]").split(",")) for port in model.inputs]
    outputs = [
        tuple(port.partial_shape.to_string().strip("[]").split(",")) for port in model.outputs
    ]
    shape = tuple(map(str, spec.shape))
    if inputs == [tuple(map(str, spec.source_shape))]:
        raise ModelError(
            f"{path} takes {spec.source_layout}, as the zoo's stock entry makes it, expected "
            f"{spec.layout}; convert again with: i3d-rgb-tf convert"
        )
    if inputs != [shape] or [output[-1] for output in outputs] != [str(NUM_LABELS)]:
        raise ModelError(
            f"{path} is not the I3D RGB model: inputs {_joined(inputs)} and outputs "
            f"{_joined(outputs)}, expected {_joined([shape])} and {_joined([('1', '400')])}"
        )


def _joined(shapes: list[tuple[str, ...]]) -> str:
    return " and ".join("x".join(shape) for shape in shapes)
