"""Digests of files, and checks against published ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from i3d_rgb_tf.errors import ChecksumError

__all__ = ["Checksum", "file_digest", "model_digest"]

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Checksum:
    """What is known of a published file."""

    algorithm: str
    """A `hashlib` name, or ``git-blob``."""
    digest: str
    """Hexadecimal digest of the content."""
    size_bytes: int | None = None
    """Exact size, where it is published."""

    def check(self, path: Path, *, name: str | None = None) -> None:
        """Raise unless the file at `path`, called `name` in the message, has this digest and size.

        Raises
        ------
        ChecksumError
            The size or the digest differs.
        """
        name = name or path.name
        found_bytes = path.stat().st_size
        if self.size_bytes is not None and found_bytes != self.size_bytes:
            raise ChecksumError(f"{name} has {found_bytes} bytes, expected {self.size_bytes}")
        found = file_digest(path, self.algorithm)
        if found != self.digest:
            raise ChecksumError(f"{name} has {self.algorithm} {found}, expected {self.digest}")

    def matches(self, path: Path) -> bool:
        """Return whether there is a file at `path` with this digest and size."""
        try:
            self.check(path)
        except (FileNotFoundError, ChecksumError):
            return False
        return True


def file_digest(path: Path, algorithm: str) -> str:
    r"""Return the hexadecimal digest of a file by a `hashlib` algorithm or ``git-blob``.

    A git blob id is the SHA-1 of ``blob <size>\0`` and the content, the name git itself
    gives the file.
    """
    if algorithm == "git-blob":
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def model_digest(path: Path) -> str:
    """Return the SHA-256 of an IR: of its .xml, and then its .bin."""
    digest = hashlib.sha256()
    for file in (path, path.with_suffix(".bin")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
