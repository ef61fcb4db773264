"""Objects in stores and on web servers, opened by fsspec, read in parts and in bounded time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, TypeVar, cast

from i3d_rgb_tf.errors import DependencyError, VideoError, last_line
from i3d_rgb_tf.video.server_errors import NO_PARTS, OTHER_SIZE, ServerError, may_pass

__all__ = ["WITH_CONTAINER", "Store", "attempt", "check_packages", "connect"]

_MOST_SECONDS = 60.0
"""Longest wait for a block, with all attempts."""
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
"""Pause after the first attempt; it doubles."""

_WITH_EXTRA = frozenset({"http", "https", "s3", "s3a"})
"""Schemes whose packages the extra ``remote`` brings."""
WITH_CONTAINER = frozenset({"abfs", "abfss"})
"""Schemes that have the name of a container before the ``@``, not a password."""
_Result = TypeVar("_Result")


class Store:
    """An object that fsspec has opened."""

    def __init__(self, url: str, name: str) -> None:
        self._system, self._path = connect(url, name)
        from fsspec.spec import AbstractBufferedFile

        self._file = cast("BinaryIO", self._system.open(self._path, "rb", cache_type="none"))
        self.size = self._measure()
        if isinstance(self._file, AbstractBufferedFile):
            # So a part of one byte more than there should be can be read.
            self._file.size = self.size + 1

    def _measure(self) -> int:
        try:
            return self._file.seek(0, os.SEEK_END)
        except (TypeError, ValueError):
            # fsspec cannot seek where a server states no size or sends no parts; an empty object
            # has none.
            if self._system.info(self._path)["size"] == 0:
                return 0
            raise ServerError(NO_PARTS) from None

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes of a part; raise unless they are all there."""
        self._file.seek(start)
        # Where the object goes on after the size that is stated, a part would pass as the whole.
        more = 1 if stop == self.size else 0
        data = self._file.read(stop - start + more)
        if len(data) > stop - start:
            raise ServerError(OTHER_SIZE if more else NO_PARTS)
        if len(data) < stop - start:
            raise ServerError(
                f"the server sent {len(data):,} of {stop - start:,} bytes, from byte {start:,} of "
                f"{self.size:,} on; try again"
            )
        return data


def connect(url: str, name: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path in it.

    Parameters
    ----------
    url
        Its scheme is one that fsspec knows.
    name
        The URL in messages.

    Raises
    ------
    VideoError
        fsspec does not know the scheme, or the URL is wrong.
    DependencyError
        The package for the scheme is missing.
    """
    kind = _file_system(url.partition("://")[0], name)
    # Not fsspec.open: it reads "::" as a store within another.
    return kind(**kind._get_kwargs_from_urls(url)), kind._strip_protocol(url)  # noqa: SLF001


def check_packages(videos: Iterable[str]) -> None:
    """Raise now, before work, if the package for one of the URLs among `videos` is missing.

    Raises
    ------
    DependencyError
        It is.
    """
    for scheme in {video.partition("://")[0].lower() for video in videos if "://" in video}:
        # An unknown scheme is an error of its video.
        with suppress(VideoError):
            _file_system(scheme, f"{scheme}://")


def _file_system(scheme: str, name: str) -> Any:
    """Return fsspec's class for a scheme."""
    extra = "pip install 'i3d-rgb-tf[remote]'"
    try:
        from fsspec.registry import get_filesystem_class
    except ImportError as error:
        raise DependencyError(f"cannot read {name}: it needs fsspec; {extra}") from error
    try:
        return get_filesystem_class(scheme)
    except ValueError as error:
        raise VideoError(
            f"cannot read {name}: fsspec does not know {scheme}://, expected a scheme such as "
            "s3://, gs:// or https://; check the URL"
        ) from error
    except ImportError as error:
        remedy = extra if scheme in _WITH_EXTRA else last_line(error)
        raise DependencyError(
            f"cannot read {name}: the package for {scheme}:// is missing; {remedy}"
        ) from error


def attempt(call: Callable[[], _Result], url: str) -> _Result:
    """Return what a call that reads a URL returns, in bounded time, after several attempts."""
    # The packages of the other stores try again themselves.
    is_web = url.startswith(("http://", "https://"))
    return _within(_MOST_SECONDS, partial(_persist, call) if is_web else call)


def _within(seconds: float, call: Callable[[], _Result]) -> _Result:
    """Return what a call returns, and wait so long at most; no package has one limit for all."""
    done: SimpleQueue[tuple[_Result | None, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            done.put((call(), None))
        except Exception as error:  # noqa: BLE001
            done.put((None, error))

    # A daemon, so that a server that stalls does not keep the program from ending.
    threading.Thread(target=run, name="object store", daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except Empty:
        raise ServerError(
            f"the server did not send what was asked for within {seconds:g} s; try again"
        ) from None
    if error:
        raise error
    return cast("_Result", result)


def _persist(call: Callable[[], _Result]) -> _Result:
    """Return what a call returns, at the next attempt if the server may work then."""
    for count in range(_ATTEMPTS - 1):
        try:
            return call()
        except (DependencyError, VideoError):
            raise
        except Exception as error:
            if not may_pass(error):
                raise
        time.sleep(_PAUSE_SECONDS * 2**count)
    return call()
