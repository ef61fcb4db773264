"""Digests that prove a file or a tensor is the published one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from i3d_rgb_tf.errors import ChecksumError

__all__ = ["check_file", "file_digest", "git_blob_id"]

_CHUNK_BYTES = 1 << 20


def file_digest(path: Path, algorithm: str) -> str:
    """Return the hexadecimal digest of a file by a `hashlib` algorithm or ``git-blob``.

    A git blob id is the SHA-1 of ``blob <size>\\0`` and the content, the name git itself
    gives the file.
    """
    if algorithm == "git-blob":
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        digest = hashlib.new(algorithm)
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def git_blob_id(content: bytes) -> str:
    """Return the name git gives to `content`.

    >>> git_blob_id(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def check_file(path: Path, *, size_bytes: int, algorithm: str, digest: str) -> None:
    """Raise unless a file has the size and digest.

    Raises
    ------
    ChecksumError
        The size or the digest differs.
    """
    found_bytes = path.stat().st_size
    if found_bytes != size_bytes:
        raise ChecksumError(f"{path.name} has {found_bytes} bytes, expected {size_bytes}")
    found = file_digest(path, algorithm)
    if found != digest:
        raise ChecksumError(f"{path.name} has {algorithm} {found}, expected {digest}")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
