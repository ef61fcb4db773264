"""IR files: find the one to use, read and check it, save one."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from i3d_rgb_tf.choices import LAYOUTS, PRECISIONS, Layout, Precision
from i3d_rgb_tf.errors import (
    NATIVE_ERRORS,
    ModelError,
    StorageError,
    last_line,
    remedy_or_memory,
    silent_standard_error,
)
from i3d_rgb_tf.ir.layouts import find_layout, input_shape
from i3d_rgb_tf.labels import NUM_LABELS
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.storage import replaced_folder

__all__ = [
    "ConvertedModel",
    "display_name",
    "find_model",
    "list_models",
    "read_ir",
    "save_ir",
]

_HEAD_BYTES = 1000
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConvertedModel:
    """An IR in a model tree."""

    precision: Precision
    """The folder that it is in."""
    layout: Layout
    """The layout that it is named for."""
    path: Path
    """The .xml file."""


def display_name(precision: Precision, layout: Layout) -> str:
    """Return how an IR is named to people: its precision and, if it is not the zoo's, its layout.

    >>> display_name("FP16", "NDCHW"), display_name("FP16", "NDHWC")
    ('FP16', 'FP16 NDHWC')
    """
    return f"{precision} {layout}".removesuffix(f" {load_spec().layout}")


def list_models(directory: Path) -> Iterator[ConvertedModel]:
    """Yield the IRs that are in a model tree, by precision and then by layout."""
    spec = load_spec()
    for precision, layout in product(PRECISIONS, LAYOUTS):
        path = spec.ir_path(directory, precision, layout)
        if path.is_file():
            yield ConvertedModel(precision, layout, path)


def find_model(directory: Path) -> Path:
    """Return the IR to use in a model tree: FP16, else FP32, else FP16-INT8.

    Raises
    ------
    ModelError
        There is none.
    """
    found = next(list_models(directory), None)
    if found is None:
        raise ModelError(
            f"no converted model in {load_spec().folder(directory)}; make one with: "
            "i3d-rgb-tf download && i3d-rgb-tf convert, or name the root of its tree with -d"
        )
    return found.path


def read_ir(path: Path) -> Any:
    """Read an IR and return it as an ``openvino.Model``, with one of `choices.LAYOUTS`.

    Raises
    ------
    ModelError
        The file is missing or damaged, or the IR of another model.
    """
    import openvino

    if path.is_dir():
        raise ModelError(
            f"{path} is a folder, expected the .xml of an IR; name the file, or give the root of "
            "its model tree with -d"
        )
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
            f"cannot read {path}: it is not an OpenVINO IR, an .xml that begins with <net>; "
            "convert again"
        )
    if not path.with_suffix(".bin").is_file():
        raise ModelError(f"{path} has no {path.with_suffix('.bin').name} beside it; convert again")
    try:
        # Where it does not read the file as an IR, each of its parsers tries it and complains.
        with silent_standard_error():
            model = openvino.Core().read_model(path)
    except (*NATIVE_ERRORS, MemoryError) as error:
        remedy = remedy_or_memory(error, "convert again")
        raise ModelError(f"cannot read {path}: {last_line(error)}; {remedy}") from error
    _check_interface(model, path)
    return model


def save_ir(model: Any, path: Path, *, compress_to_fp16: bool = False) -> None:
    """Save a model as `path` (.xml) with its .bin, both or neither.

    Raises
    ------
    StorageError
        The folder cannot be written.
    """
    import openvino

    names = (path.with_suffix(".bin").name, path.name)
    with replaced_folder(path.parent, names) as temporary:
        try:
            openvino.save_model(model, temporary / path.name, compress_to_fp16=compress_to_fp16)
        except (*NATIVE_ERRORS, MemoryError) as error:
            remedy = remedy_or_memory(error, "is the disk full?")
            raise StorageError(f"cannot write {path}: {last_line(error)}; {remedy}") from error


def _check_interface(model: Any, path: Path) -> None:
    inputs, outputs = (
        ["x".join(str(port.partial_shape).strip("[]").split(",")) for port in ports]
        for ports in (model.inputs, model.outputs)
    )
    shapes = {layout: "x".join(map(str, input_shape(layout))) for layout in LAYOUTS}
    layout = find_layout(model)
    # The number of clips may be left open.
    is_ours = outputs in ([f"1x{NUM_LABELS}"], [f"?x{NUM_LABELS}"])
    if layout is None or inputs != [shapes[layout]] or not is_ours:
        expected = " or ".join(f"{shape} ({layout})" for layout, shape in shapes.items())
        raise ModelError(
            f"{path} is not the I3D RGB model: inputs {' and '.join(inputs)} and outputs "
            f"{' and '.join(outputs)}, expected {expected}, and 1x{NUM_LABELS}"
        )
    _logger.info("%s: layout %s", path, layout)
