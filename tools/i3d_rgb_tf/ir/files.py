"""IR files: find the one to use, read and check it, save one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from i3d_rgb_tf.choices import PRECISIONS
from i3d_rgb_tf.errors import ModelError, StorageError, last_line
from i3d_rgb_tf.labels import NUM_LABELS
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.storage import replaced_folder

__all__ = ["find_model", "read_ir", "save_ir"]

_HEAD_BYTES = 1000


def find_model(directory: Path) -> Path:
    """Return the IR to use in a model tree: FP16, else FP32, else FP16-INT8.

    Raises
    ------
    ModelError
        There is none.
    """
    spec = load_spec()
    for precision in PRECISIONS:
        path = spec.ir_path(directory, precision)
        if path.is_file():
            return path
    raise ModelError(
        f"no converted model in {spec.folder(directory)}; make one with: "
        "i3d-rgb-tf download && i3d-rgb-tf convert, or name the root of its tree with -d"
    )


def read_ir(path: Path) -> Any:
    """Read an IR and return it as an ``openvino.Model`` that takes (1, 79, 3, 224, 224).

    Raises
    ------
    ModelError
        The file is missing or damaged, or the IR of another model or layout.
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
        model = openvino.Core().read_model(path)
    except RuntimeError as error:
        raise ModelError(f"cannot read {path}: {last_line(error)}; convert again") from error
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
        except RuntimeError as error:
            raise StorageError(
                f"cannot write {path}: {last_line(error)}; is the disk full?"
            ) from error


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
    output = ("1", str(NUM_LABELS))
    if inputs != [shape] or [each[-1] for each in outputs] != [output[-1]]:
        raise ModelError(
            f"{path} is not the I3D RGB model: inputs {_joined(inputs)} and outputs "
            f"{_joined(outputs)}, expected {_joined([shape])} and {_joined([output])}"
        )


def _joined(shapes: list[tuple[str, ...]]) -> str:
    return " and ".join("x".join(shape) for shape in shapes)
