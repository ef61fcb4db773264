"""What the server of the app lets in: what its own page asks for, and nothing else.

gradio has more addresses than the page needs: some fetch what others serve, some read files.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from i3d_rgb_tf.ui.results import RESULTS_PATH

__all__ = ["Guard"]

_POLICY = "; ".join(
    (
        "default-src 'self'",
        # gradio has scripts and styles in its page, and makes functions of text.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_API = "/gradio_api"
_JOIN = f"{_API}/queue/join"
_UPLOAD = f"{_API}/upload"
_PAGES = frozenset({"/", "/config", "/favicon.ico", "/manifest.json", "/theme.css"})
_FOLDERS = (
    *("/assets/", "/static/", "/svelte/", f"{RESULTS_PATH}/"),
    *(f"{_API}/{name}" for name in ("heartbeat/", "queue/", "upload_progress")),
)
_MOST_BYTES = 1 << 20
"""Largest request for an event, and what a request with a file may have beside it."""

_Scope = dict[str, Any]
_Message = dict[str, Any]
_Call = Callable[..., Any]


class Guard:
    """An ASGI application in front of another.

    Requests of pages of other sites are refused, which a browser lets send forms to any address;
    on loopback, also those that call this machine by another name, which somebody else's name
    server may give it.

    Parameters
    ----------
    app
        The other application.
    uploads
        The folder of the files that were uploaded: only those may be asked for, and be given to
        an event.
    most_bytes
        Largest file that may be uploaded.
    is_local
        Whether it is served on loopback.
    """

    def __init__(self, app: _Call, uploads: Path, *, most_bytes: int, is_local: bool) -> None:
        self._app = app
        self._uploads = f"{uploads}{os.sep}"
        self._most_bytes = most_bytes
        self._is_local = is_local

    async def __call__(self, scope: _Scope, receive: _Call, send: _Call) -> None:
        """Pass on a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: _Message) -> None:
            if message["type"] == "http.response.start":
                added = [(key.lower().encode(), each.encode()) for key, each in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        if not self._is_allowed(scope):
            await _refuse(send_guarded)
        elif scope["path"] == _JOIN:
            await self._join(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def _is_allowed(self, scope: _Scope) -> bool:
        if scope["type"] != "http":
            return False
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if self._is_local and not _is_local_name(host):
            return False
        if origin is not None and origin.partition("://")[2] != host:
            return False
        path: str = scope["path"]
        if path == _UPLOAD:
            # One request could have many files, each of that size.
            length = headers.get(b"content-length", "")
            # With another way to state the length, this one does not count.
            if b"transfer-encoding" in headers or not length.isdigit():
                return False
            return int(length) <= self._most_bytes + _MOST_BYTES
        is_upload = self._is_upload(path.removeprefix(f"{_API}/file="))
        return path in _PAGES or path.startswith(_FOLDERS) or is_upload

    def _is_upload(self, path: str) -> bool:
        return path.startswith(self._uploads) and ".." not in re.split(r"[/\\]", path)

    async def _join(self, scope: _Scope, receive: _Call, send: _Call) -> None:
        """Pass on a request for an event, unless it has an address in place of a file."""
        body, is_more = b"", True
        while is_more and len(body) <= _MOST_BYTES:
            message = await receive()
            body += message.get("body", b"")
            is_more = message.get("more_body", False)
        if len(body) > _MOST_BYTES or not all(map(self._is_upload, _paths(body))):
            await _refuse(send)
            return
        given: list[_Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> _Message:
            message: _Message = given.pop() if given else await receive()
            return message

        await self._app(scope, receive_again, send)


async def _refuse(send: _Call) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": b"This is not part of the app.\n"})


def _paths(body: bytes) -> Iterator[str]:
    """Yield what a document of JSON names as files.

    >>> list(_paths(b'{"data": [{"path": "a.mp4", "url": null}, 5]}'))
    ['a.mp4']
    """
    try:
        pending = [json.loads(body)]
    except (ValueError, RecursionError):
        yield ""
        return
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            if "path" in each:
                yield str(each["path"])
            pending += each.values()
        elif isinstance(each, list):
            pending += each


def _is_local_name(host: str) -> bool:
    """Return whether a name is this machine, whatever a name server says.

    >>> [_is_local_name(each) for each in ("127.0.0.1:7860", "[::1]:7860", "localhost")]
    [True, True, True]
    >>> _is_local_name("127.0.0.1.example.org:7860")
    False
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
