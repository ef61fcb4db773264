"""Read a video in object storage or on a web server where it is, with range requests.

What a server does wrong is told apart from what is wrong with a video: every such error begins with
``cannot read`` and the URL. A damaged video stays damaged; a server may work the next time.
"""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from i3d_rgb_tf.errors import DependencyError, VideoError
from i3d_rgb_tf.video.object_stores import WITH_CONTAINER, Store, attempt
from i3d_rgb_tf.video.server_errors import describe

__all__ = ["BLOCK_BYTES", "RemoteVideo"]

BLOCK_BYTES = 2**20
"""Bytes of a request: enough that waiting for the first of them matters little, and few where only
the beginning and the index of a file are read."""
_MOST_BLOCKS = 8
"""Blocks that are kept: pictures and sound may lie apart, and the index is read more than once."""

_Result = TypeVar("_Result")


class RemoteVideo:
    """A video that is read where it is; its blocks are shared by all who read it.

    Parameters
    ----------
    url
        Its scheme is one that fsspec knows.

    Raises
    ------
    VideoError
        It is not a URL.

    Examples
    --------
    >>> print(RemoteVideo("https://user:secret@host/clips/a.mp4?signature=1"))
    https://host/clips/a.mp4
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise VideoError(f"a URL cannot be read: {error}; check it") from error
        host = parts.netloc
        if parts.scheme not in WITH_CONTAINER:
            host = host.rpartition("@")[2]
        self._url = parts.scheme + url[len(parts.scheme) :]
        self._name = f"{parts.scheme}://{host}{parts.path}"
        self._fault: VideoError | None = None
        self._opened: Store | None = None
        self._lock = threading.RLock()
        self._blocks: dict[int, bytes] = {}

    def __str__(self) -> str:
        """Return its URL for messages: without passwords, and without what follows the path."""
        return self._name

    @property
    def size(self) -> int:
        """Bytes that the server states.

        Raises
        ------
        VideoError
            It cannot be read.
        DependencyError
            The package for its scheme is missing.
        """
        return self._store().size

    def open(self, mode: str = "rb", *, ends_at_error: bool = False) -> IO[bytes]:
        """Return a file object that can seek.

        Parameters
        ----------
        mode
            That of reading bytes.
        ends_at_error
            Whether the file seems to end where the server fails, which `check` raises afterwards.
            By default, a VideoError is raised at once; PyAV would print it.

        Raises
        ------
        VideoError, DependencyError
            As `size` does.
        """
        if mode != "rb":
            raise ValueError(f"mode is {mode!r}, expected 'rb'")
        return io.BufferedReader(_Reader(self, ends_at_error=ends_at_error))

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` on, up to `stop` or the end of the block.

        Raises
        ------
        VideoError
            The server does not send them.
        """
        number, offset = divmod(start, BLOCK_BYTES)
        with self._lock:
            block = self._blocks.pop(number, None) or self._fetch_block(number)
            # The one that was used last is the last to be dropped.
            self._blocks[number] = block
            if len(self._blocks) > _MOST_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
        return block[offset : offset + stop - start]

    @property
    def has_failed(self) -> bool:
        """Whether the server did not send what it should."""
        return self._fault is not None

    def check(self) -> None:
        """Raise what went wrong at the server.

        Raises
        ------
        VideoError
            The server did not send what it should.
        """
        if self._fault:
            raise self._fault

    def _store(self) -> Store:
        with self._lock:
            if not self._opened:
                self._opened = self._try(partial(Store, self._url, self._name))
            return self._opened

    def _fetch_block(self, number: int) -> bytes:
        store = self._store()
        start = number * BLOCK_BYTES
        return self._try(partial(store.read, start, min(start + BLOCK_BYTES, store.size)))

    def _try(self, call: Callable[[], _Result]) -> _Result:
        """Call, and keep the error: a video with a part that is missing is not read further."""
        if self._fault:
            raise self._fault
        try:
            return attempt(call, self._url)
        except (DependencyError, VideoError):
            raise
        except Exception as error:
            self._fault = VideoError(f"cannot read {self}: {describe(error)}")
            raise self._fault from error


class _Reader(io.RawIOBase):
    """A remote video as a file."""

    def __init__(self, video: RemoteVideo, *, ends_at_error: bool) -> None:
        self._video = video
        self._size = video.size
        self._ends_at_error = ends_at_error
        self._position = 0
        # FFmpeg recognizes some formats by the ending.
        self.name = str(video).rpartition("/")[2]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        begins = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        # FFmpeg also asks with numbers of its own.
        if whence not in begins or begins[whence] + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = begins[whence] + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        stop = min(self._position + len(buffer), self._size)
        if stop <= self._position:
            return 0
        try:
            data = self._video.read(self._position, stop)
        except VideoError:
            if self._ends_at_error:
                return 0
            raise
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
