"""Prove what is in a cache of compiled models, because OpenVINO loads a damaged one unasked."""

from __future__ import annotations

from pathlib import Path

from i3d_rgb_tf.hashes import Fingerprint, file_digest
from i3d_rgb_tf.storage import replaced_file, storage_errors

__all__ = ["drop_damaged", "seal"]

_ALGORITHM = "sha256"
_KEPT = 4
"""Compiled models in a folder; each takes 25 to 50 MB, and a moment of every start to prove."""


def drop_damaged(folder: Path) -> None:
    """Remove every compiled model that is not what `seal` saw.

    OpenVINO checks the head of a compiled model, not its weights: where the disk changed those,
    the answers are wrong without a word.

    Raises
    ------
    StorageError
        One cannot be read or removed.
    """
    with storage_errors(folder, "clean"):
        for blob in folder.glob("*.blob"):
            beside = _seal_of(blob)
            digest = beside.read_text(encoding="ascii", errors="replace") if beside.exists() else ""
            if not Fingerprint(_ALGORITHM, digest).matches(blob):
                _remove(blob)


def seal(folder: Path) -> None:
    """Record the digest of every compiled model that has none; then keep the newest few.

    Raises
    ------
    StorageError
        It cannot be read or written.
    """
    with storage_errors(folder):
        new = [blob for blob in folder.glob("*.blob") if not _seal_of(blob).exists()]
        for blob in new:
            with replaced_file(_seal_of(blob)) as part:
                part.write_text(file_digest(blob, _ALGORITHM), encoding="ascii")
        if new:
            for blob in sorted(folder.glob("*.blob"), key=_changed)[:-_KEPT]:
                _remove(blob)


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def _remove(blob: Path) -> None:
    blob.unlink(missing_ok=True)
    _seal_of(blob).unlink(missing_ok=True)


def _seal_of(blob: Path) -> Path:
    return blob.with_suffix(f".{_ALGORITHM}")
