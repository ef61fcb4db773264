"""The cache of compiled models on disk, verified by digests.

OpenVINO loads a compiled model without checking its weights. If the disk has changed them, the
predictions are wrong, and there is no error. So each file begins with the digest of the rest::

    <digest of all that the compiled model depends on>.blob     SHA-256 | what OpenVINO exported
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from i3d_rgb_tf.errors import NATIVE_ERRORS, StorageError, last_line
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.temporary import temporary_file
from i3d_rgb_tf.version import __version__

__all__ = ["cache_folder", "compile_cached"]

_KEPT = 8
"""Compiled models in the cache; each takes 25 to 100 MB."""

_logger = logging.getLogger(__name__)


def compile_cached(
    core: Any,
    model: Any,
    device: str,
    properties: Mapping[str, Any],
    prepare: Callable[[Any], Any],
    preparation: str,
) -> Any:
    """Compile an ``openvino.Model``, or load it from this user's cache of compiled models.

    A damaged compiled model is replaced. If the cache cannot be used, there is a warning and the
    model is compiled without it. The predictions are the same in each case. A group of devices,
    such as AUTO, has no cache.

    Parameters
    ----------
    core
        An ``openvino.Core``.
    model
        As it was read.
    device, properties
        What ``core.compile_model`` takes.
    prepare
        Makes of `model` what is compiled; called only if that is not in the cache.
    preparation
        What `prepare` does: another text is another compiled model.

    Returns
    -------
    openvino.CompiledModel

    Raises
    ------
    RuntimeError
        OpenVINO cannot compile the model.
    """
    try:
        key = _key(core, model, device, properties, preparation)
    except NATIVE_ERRORS as error:
        _logger.info("no cache of compiled models for %s: %s", device, last_line(error))
        return core.compile_model(prepare(model), device, properties)
    path = cache_folder() / f"{key}.blob"
    compiled = _load(core, path, device, properties)
    if compiled is None:
        compiled = core.compile_model(prepare(model), device, properties)
        _save(compiled, path)
    return compiled


def cache_folder() -> Path:
    """Return this user's folder for compiled models."""
    from platformdirs import user_cache_path

    return user_cache_path("i3d-rgb-tf") / "compiled"


def _key(
    core: Any, model: Any, device: str, properties: Mapping[str, Any], preparation: str
) -> str:
    """Return a digest of all that a compiled model depends on."""
    import openvino

    # OpenVINO's own list for its cache; and what the processor of a virtual machine can do, which
    # its name does not say.
    names = [*core.get_property(device, "CACHING_PROPERTIES"), "OPTIMIZATION_CAPABILITIES"]
    facts = [
        (openvino.__version__, __version__, device, preparation),
        sorted(properties.items()),
        [(name, str(core.get_property(device, name))) for name in names],
    ]
    digest = hashlib.sha256(repr(facts).encode())
    for operation in model.get_ordered_ops():
        is_constant = operation.get_type_name() == "Constant"
        sources = [each.get_source_output() for each in operation.inputs()]
        description = (
            operation.get_type_name(),
            operation.friendly_name,
            [(each.get_node().friendly_name, each.get_index()) for each in sources],
            [
                (str(each.element_type), str(each.partial_shape), sorted(each.names))
                for each in operation.outputs()
            ],
            # The attributes of a constant repeat its values, which follow.
            {} if is_constant else operation.get_attributes(),
            sorted(operation.get_rt_info().keys()),
        )
        digest.update(repr(description).encode())
        if is_constant:
            digest.update(operation.data)
    return digest.hexdigest()


def _load(core: Any, path: Path, device: str, properties: Mapping[str, Any]) -> Any | None:
    """Return a compiled model, or None if it is missing or damaged."""
    try:
        blob = _read(path)
        compiled = None if blob is None else _import(core, blob, device, properties)
    except (OSError, MemoryError, *NATIVE_ERRORS) as error:
        _logger.info("cannot load the compiled model %s: %s", path, last_line(error))
        return None
    if compiled is not None:
        _logger.info("loaded the compiled model %s", path)
    return compiled


def _read(path: Path) -> Any | None:
    """Return what OpenVINO exported as an ``openvino.Tensor``; None if missing or damaged."""
    import openvino

    # To open a pipe would block.
    if not path.is_file():
        return None
    with path.open("rb") as file:
        digest = file.read(hashlib.sha256().digest_size)
        blob = openvino.Tensor(openvino.Type.u8, [os.fstat(file.fileno()).st_size])
        size = file.readinto(blob.data)
    blob.shape = [size]
    return blob if hashlib.sha256(blob.data).digest() == digest else None


def _import(core: Any, blob: Any, device: str, properties: Mapping[str, Any]) -> Any:
    try:
        # Without a copy.
        return core.import_model(blob, device, properties)
    except TypeError:
        # Before OpenVINO 2025.3.
        return core.import_model(blob.data.tobytes(), device, properties)


def _save(compiled: Any, path: Path) -> None:
    """Write a compiled model, and remove the oldest of too many."""
    try:
        stream = io.BytesIO()
        compiled.export_model(stream)
        blob = stream.getbuffer()
        with storage_errors(path), temporary_file(path.parent, path.name) as part:
            with part.open("wb") as file:
                file.write(hashlib.sha256(blob).digest())
                file.write(blob)
            # It need not be on the disk yet: if the system stops, the digest shows that.
            part.replace(path)
        for old in sorted(path.parent.glob("*.blob"), key=_modified)[:-_KEPT]:
            # One that is in use, or is no file, stays.
            with suppress(OSError):
                old.unlink()
    except (StorageError, MemoryError, *NATIVE_ERRORS) as error:
        _logger.warning(
            "not using the cache of compiled models in %s: %s", path.parent, last_line(error)
        )


def _modified(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        # Another process has removed it.
        return 0
