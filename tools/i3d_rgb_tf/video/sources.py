"""Open a live stream: what was named, by its own protocol, and nothing else that it names."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from i3d_rgb_tf.errors import VideoError, last_line
from i3d_rgb_tf.video.container import (
    FORMATS,
    HEAD_BYTES,
    describe_head,
    limited_allocations,
)
from i3d_rgb_tf.video.limits import MOST_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["LiveSource", "open_source", "parse_source", "source_errors"]

_OPEN_SECONDS = 10.0
"""Longest wait for a connection and what shows which streams there are."""
_READ_SECONDS = 5.0
"""Longest wait for the next frames; a camera sends some every second at least."""


@dataclass(frozen=True)
class _Kind:
    """How FFmpeg reads the sources of one kind."""

    protocols: tuple[str, ...]
    """FFmpeg's names of the only protocols that may be used."""
    formats: tuple[str, ...] = FORMATS
    """FFmpeg's names of the only formats; none of them opens another source."""
    options: dict[str, str] = field(default_factory=dict)
    """Its other options."""
    format: str | None = None
    """Its name of the format, where the source does not show it."""
    ends: bool = False
    """Whether the end of the input is the end; its sender can wait while nobody reads."""
    failure: str = ""
    """What may be behind an input/output error when it is opened: FFmpeg says no more."""


_REDIRECTION = "a redirection, which is not followed"
_CERTIFICATE = "a certificate that is not valid for this host"

_ONLY_THE_HOST = {"max_redirects": "0", "http_proxy": ""}
"""A redirection would open another address, on any host, and so would a proxy."""

_SCHEMES = {
    # Packets that nobody has read in time are lost; that is no failure.
    "udp": _Kind(("udp",), options={"overrun_nonfatal": "1"}),
    "http": _Kind(("http", "tcp"), options=_ONLY_THE_HOST, failure=_REDIRECTION),
    "https": _Kind(
        ("https", "tls", "tcp"),
        options=_ONLY_THE_HOST,
        failure=f"{_CERTIFICATE}, or {_REDIRECTION}",
    ),
    # Frames are complete over TCP; a camera that does not offer it sends them over UDP.
    "rtsp": _Kind(("rtp", "tcp", "udp"), ("rtsp",), {"rtsp_flags": "prefer_tcp"}),
    "rtsps": _Kind(
        ("rtp", "tcp", "tls", "udp"),
        ("rtsp",),
        {"rtsp_flags": "prefer_tcp"},
        failure=_CERTIFICATE,
    ),
}
_STANDARD_INPUT = _Kind((), ends=True)
_CAMERA = _Kind((), ("v4l2",), format="v4l2")

_FIRST_BOXES = frozenset({b"ftyp", b"free", b"mdat", b"skip", b"wide"})
"""Types of the boxes that an MP4 may begin with before its index, ``moov``, and its frames."""

_OPTIONS = {
    # FFmpeg would wait for frames to estimate their rate: the first ones would be old.
    "fpsprobesize": "0",
    "analyzeduration": "1000000",
    # Decoders refuse a larger frame before they allocate it.
    "max_pixels": str(MOST_PIXELS),
}


@dataclass(frozen=True)
class LiveSource:
    """A live stream that can be opened."""

    name: str
    """What it is called in messages: without passwords, and without what follows the path."""
    url: str = field(repr=False)
    """What FFmpeg opens; standard input is opened already."""
    kind: _Kind = field(repr=False)
    """How FFmpeg reads it."""

    @property
    def ends(self) -> bool:
        """Whether the end of the input is the end. Otherwise it may come back."""
        return self.kind.ends


def parse_source(text: str) -> LiveSource:
    """Return the source that a text names.

    Parameters
    ----------
    text
        A URL of the scheme rtsp, rtsps, http, https or udp; ``/dev/video`` and a number; or ``-``,
        standard input.

    Raises
    ------
    VideoError
        It names no such source.

    Examples
    --------
    >>> parse_source("rtsp://user:secret@camera:554/front?key=1").name
    'rtsp://camera:554/front'
    """
    if text == "-":
        return LiveSource("standard input", text, _STANDARD_INPUT)
    if re.fullmatch(r"/dev/video\d+", text):
        return LiveSource(text, text, _CAMERA)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise VideoError(f"{text!r} is not a URL: {error}; check it") from error
    address = parts.netloc.rpartition("@")[2]
    if parts.scheme not in _SCHEMES or not address:
        raise VideoError(
            f"cannot follow {parts.scheme or text}{'://' if parts.scheme else ''}: expected "
            f"{', '.join(f'{scheme}://HOST' for scheme in _SCHEMES)}, /dev/video0, or - for "
            "standard input; give a file without --live"
        )
    # FFmpeg knows schemes in small letters.
    url = parts.scheme + text[len(parts.scheme) :]
    name = f"{parts.scheme}://{address}{parts.path}"
    return LiveSource(name, url, _SCHEMES[parts.scheme])


@contextmanager
def open_source(source: LiveSource) -> Iterator[InputContainer]:
    """Open a source.

    Raises
    ------
    VideoError
        It cannot be reached, sends nothing for a while, or sends no video.
    """
    import av
    from av.container.core import Flags

    kind = source.kind
    options = {
        "format_whitelist": ",".join(kind.formats),
        "protocol_whitelist": ",".join(kind.protocols),
        **_OPTIONS,
        **kind.options,
        **(_verification() if "tls" in kind.protocols else {}),
    }
    with (
        source_errors(source, _OPEN_SECONDS, failure=kind.failure),
        limited_allocations(),
        _standard_input() if source.ends else nullcontext(source.url) as file,
    ):
        container = av.open(
            file,
            "r",
            format=kind.format,
            options=options,
            metadata_errors="replace",
            timeout=(_OPEN_SECONDS, _READ_SECONDS),
        )
    with container:
        # FFmpeg would invent timestamps where there are none; with B-frames, wrong ones.
        container.flags &= ~Flags.gen_pts.value  # type: ignore[operator]
        yield container


class _StandardInput:
    """Standard input as a file that cannot seek."""

    def __init__(self) -> None:
        self.head = b""
        """What it begins with."""

    def read(self, size: int) -> bytes:
        """Return up to so many bytes, as soon as there are some; none at the end."""
        # sys.stdin has a lock, which a thread that waits would keep at the exit.
        data = os.read(0, size)
        self.head += data[: HEAD_BYTES - len(self.head)]
        # FFmpeg would read the frames to the end before it fails.
        if self.head[4:8] in _FIRST_BOXES and b"mdat" in self.head and b"moov" not in self.head:
            raise VideoError(
                "cannot read standard input: it is an MP4 whose index comes after the frames, "
                "expected a format that is read in one go, such as MPEG-TS; give the file "
                "without --live, or send it through ffmpeg -i FILE -c copy -f mpegts -"
            )
        return data


@contextmanager
def _standard_input() -> Iterator[_StandardInput]:
    """Give standard input, and say what it is if FFmpeg finds no video in it."""
    import av

    file = _StandardInput()
    try:
        yield file
    except (av.InvalidDataError, av.ArgumentError) as error:
        what = describe_head(file.head) if file.head else "it is empty"
        if not what:
            raise
        raise VideoError(
            f"cannot read standard input: {what}, expected a video, such as MPEG-TS or Matroska; "
            "check the program that sends it"
        ) from error


def _verification() -> dict[str, str]:
    """Return the options to verify a certificate, by those that downloads trust as well."""
    from requests.adapters import DEFAULT_CA_BUNDLE_PATH

    chosen = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return {"tls_verify": "1", "ca_file": chosen or DEFAULT_CA_BUNDLE_PATH}


@contextmanager
def source_errors(
    source: LiveSource, seconds: float = _READ_SECONDS, *, failure: str = ""
) -> Iterator[None]:
    """Turn every error of the body, which waits so long at most, into a `VideoError`.

    `failure` is what may be behind an input/output error.
    """
    try:
        yield
    except VideoError:
        raise
    except Exception as error:
        raise VideoError(
            f"cannot read {source.name}: {_reason(error, seconds, failure)}; check that it is "
            "there and sends a video"
        ) from error


def _reason(error: Exception, seconds: float, failure: str) -> str:
    """Return why; FFmpeg's own message would have the URL, with its password."""
    import av

    if isinstance(error, av.ExitError):
        return f"nothing came for {seconds:g} s"
    # So FFmpeg refuses a format that is not allowed, and a protocol.
    if isinstance(error, av.ArgumentError):
        return "it is of none of the formats and protocols that are read"
    reason: str = getattr(error, "strerror", None) or last_line(error)
    is_vague = failure and isinstance(error, OSError) and error.errno == errno.EIO
    return f"{reason}, perhaps {failure}" if is_vague else reason
