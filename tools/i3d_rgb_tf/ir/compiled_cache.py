"""The cache of compiled models on disk, verified by digests.

OpenVINO loads a compiled model without checking its weights. If the disk has changed them, the
predictions are wrong, and there is no error.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i3d_rgb_tf.errors import NATIVE_ERRORS, StorageError, last_line
from i3d_rgb_tf.hashes import Checksum, file_digest
from i3d_rgb_tf.storage import replaced_file, storage_errors
from i3d_rgb_tf.temporary import remove_leftovers

__all__ = ["cache_folder", "compile_cached", "record_digests", "remove_damaged"]

_ALGORITHM = "sha256"
_KEPT = 4
"""Compiled models in a folder; each takes 25 to 50 MB, and each is verified at every start."""

_logger = logging.getLogger(__name__)


def compile_cached(core: Any, model: Any, device: str, properties: Mapping[str, Any]) -> Any:
    """Compile an ``openvino.Model``, or load it from this user's cache of compiled models.

    A damaged compiled model is replaced. If the cache cannot be used, there is a warning and the
    model is compiled without it. The predictions are the same in each case.

    Parameters
    ----------
    core
        An ``openvino.Core``.
    model, device, properties
        What its ``compile_model`` takes.

    Returns
    -------
    openvino.CompiledModel

    Raises
    ------
    RuntimeError
        OpenVINO cannot compile the model.
    """
    folder = cache_folder() / _group(model, device, properties)
    try:
        remove_damaged(folder)
        compiled = core.compile_model(model, device, {**properties, "CACHE_DIR": str(folder)})
        record_digests(folder)
    except (StorageError, *NATIVE_ERRORS) as error:
        # If this fails too, the cache was not the cause.
        compiled = core.compile_model(model, device, properties)
        _logger.warning(
            "not using the cache of compiled models in %s: %s", folder, last_line(error)
        )
    return compiled


def cache_folder() -> Path:
    """Return this user's folder for models compiled by this version of OpenVINO."""
    import openvino
    from platformdirs import user_cache_path

    return user_cache_path("i3d-rgb-tf") / f"compiled-{openvino.__version__.split('-')[0]}"


def remove_damaged(folder: Path) -> None:
    """Remove every compiled model without the digest that `record_digests` wrote.

    Raises
    ------
    StorageError
        A compiled model cannot be read or removed.
    """
    with storage_errors(folder, "clean"):
        remove_leftovers(folder)
        for blob in folder.glob("*.blob"):
            file = _digest_file(blob)
            # To open a pipe would block.
            digest = file.read_text(encoding="ascii", errors="replace") if file.is_file() else ""
            if not (blob.is_file() and Checksum(_ALGORITHM, digest).matches(blob)):
                _remove(blob)


def record_digests(folder: Path) -> None:
    """Write the digest of each compiled model that has none, and keep only the newest models.

    Raises
    ------
    StorageError
        A compiled model cannot be read, or a digest cannot be written.
    """
    with storage_errors(folder):
        new = [blob for blob in folder.glob("*.blob") if not _digest_file(blob).exists()]
        for blob in new:
            with replaced_file(_digest_file(blob)) as part:
                part.write_text(file_digest(blob, _ALGORITHM), encoding="ascii")
        if new:
            for blob in sorted(folder.glob("*.blob"), key=_modified)[:-_KEPT]:
                _remove(blob)


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns


def _remove(blob: Path) -> None:
    # The digest first: a compiled model without one is removed by the next run.
    _digest_file(blob).unlink(missing_ok=True)
    blob.unlink(missing_ok=True)


def _digest_file(blob: Path) -> Path:
    return blob.with_suffix(f".{_ALGORITHM}")


def _group(model: Any, device: str, properties: Mapping[str, Any]) -> str:
    """Return one folder name for models of the same operations, device and properties."""
    operations = (
        f"{each.get_type_name()} {each.output(0).element_type} {each.output(0).partial_shape}"
        for each in model.get_ordered_ops()
    )
    key = "\n".join([device, str(sorted(properties.items())), *operations])
    return hashlib.sha256(key.encode()).hexdigest()[:16]
