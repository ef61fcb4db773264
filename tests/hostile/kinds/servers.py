"""Servers: what they send instead of an honest file, over loopback, with short timeouts."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace

from hostile.cases import Case, Kind, Setting
from hostile.mutations import NUMBERS, damage_bytes, hostile_text

__all__ = ["KINDS"]

_BODY = bytes(range(256)) * 40
_TIMEOUT_SECONDS = 0.4
_ENDLESS_BYTES = 64 << 20
"""A client that takes this much of a file of 10 KB would take any amount."""
_DRIP_SECONDS = 1.5

_Respond = Callable[[socket.socket], None]


class _Server:
    """Handles every connection as `respond` does."""

    def __init__(self) -> None:
        self.respond: _Respond = lambda connection: None
        self.overrun = ""
        """What a client let happen to it, if anything."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._respond, args=(connection,), daemon=True).start()

    def _respond(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            connection.recv(4096)
            self.respond(connection)


def _make(rng: Random, setting: Setting) -> Case:
    server: _Server = setting.templates
    way = rng.choices(
        (_honest, _damaged, _head, _length, _chunked, _redirect, _packed, _endless, _drip, _silent),
        (40, 300, 200, 120, 100, 120, 80, 5, 2, 2),
    )[0]
    server.overrun = ""
    server.respond = way(rng, setting, server)
    path = setting.folder / "file.bin"
    path_of_url = "/public/file.bin"
    return Case(
        path,
        way.__name__.strip("_"),
        names=(server.url, path_of_url),
        data={"server": server, "url": server.url + path_of_url, "tree": rng.random() < 0.3},
    )


def _send(*parts: bytes) -> _Respond:
    def respond(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return respond


def _response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def _honest(rng: Random, setting: Setting, server: _Server) -> _Respond:
    return _send(_response(_BODY, f"Content-Length: {len(_BODY)}"))


def _damaged(rng: Random, setting: Setting, server: _Server) -> _Respond:
    whole = _response(_BODY, f"Content-Length: {len(_BODY)}", "Content-Type: text/html")
    return _send(damage_bytes(rng, whole, tags=(b"HTTP", b"Length", b"\r\n\r\n"))[0])


def _head(rng: Random, setting: Setting, server: _Server) -> _Respond:
    """Send strange status lines and headers."""
    status = rng.choice(
        (
            "200 OK",
            "200",
            "999 \x1b[31m",
            "-1 x",
            "100 Continue",
            "204 No Content",
            "206 Partial Content",
            "304 Not Modified",
            "401 Unauthorized",
            "407 Proxy",
            "500 \x07\x08",
            "503 Later",
            "2000000000000 OK",
        )
    )
    name = rng.choice(
        (
            "Content-Length",
            "Content-Encoding",
            "Transfer-Encoding",
            "Content-Range",
            "Retry-After",
            "Content-Type",
            "Set-Cookie",
            "X-\x1b[31m",
            "Content-Disposition",
            "WWW-Authenticate",
            "Refresh",
        )
    )
    value = rng.choice(
        (
            hostile_text(rng),
            hostile_text(rng),
            "gzip",
            "chunked",
            "br, gzip",
            "../../x; filename=/x",
        )
    )
    headers = [f"Content-Length: {len(_BODY)}", f"{name}: {value}"] * rng.choice((1, 1, 1, 200))
    return _send(_response(_BODY, *headers, status=status))


def _length(rng: Random, setting: Setting, server: _Server) -> _Respond:
    length = rng.choice((*NUMBERS, -1, len(_BODY) - 1, len(_BODY) + 1, 10**30))
    body = rng.choice((_BODY, _BODY[:100], b"", _BODY * 3))
    return _send(_response(body, f"Content-Length: {length}"))


def _chunked(rng: Random, setting: Setting, server: _Server) -> _Respond:
    size = rng.choice(
        ("a", "2800", "0", "-5", "ffffffffffffffff", "zz", "1;x=y", "", "\x1b[31m", "9" * 300)
    )
    body = (
        size.encode()
        + b"\r\n"
        + _BODY[: rng.choice((10, len(_BODY)))]
        + rng.choice((b"\r\n0\r\n\r\n", b""))
    )
    return _send(_response(body, "Transfer-Encoding: chunked"))


def _redirect(rng: Random, setting: Setting, server: _Server) -> _Respond:
    places = (
        f"file://{setting.outside}/secret.txt",
        f"{server.url}/again",
        "/again",
        "ftp://127.0.0.1:9/x",
        "http://127.0.0.1:9/x",
        "https://127.0.0.1:9/x",
        "http://[::1",
        "http://127.0.0.1:99999/x",
        "//",
        "http:///",
        "javascript:1",
        "data:,x",
        f"http://user:word@{server.url.removeprefix('http://')}/x",
        "http://127.0.0.1:9/\x1b[31m",
        "http://" + "a" * 300,
        "\x00",
        "http://127.0.0.1:1/%zz\u202e",
    )
    code = rng.choice((301, 302, 303, 307, 308, 300))
    return _send(
        _response(b"", f"Location: {rng.choice(places)}", "Content-Length: 0", status=f"{code} x")
    )


def _packed(rng: Random, setting: Setting, server: _Server) -> _Respond:
    """Send a body that is larger unpacked, or is not packed at all."""
    size = rng.choice((len(_BODY), 1 << 20, 1 << 26))
    body = gzip.compress(_BODY if size == len(_BODY) else bytes(size), 1)
    if rng.random() < 0.4:
        body, _ = damage_bytes(rng, body)
    coding = rng.choice(("gzip", "gzip", "deflate", "br", "zstd", "gzip, gzip", "x"))
    return _send(_response(body, f"Content-Length: {len(body)}", f"Content-Encoding: {coding}"))


def _endless(rng: Random, setting: Setting, server: _Server) -> _Respond:
    length = rng.choice((None, 1 << 40, len(_BODY)))
    headers = [] if length is None else [f"Content-Length: {length}"]
    chunk = rng.randbytes(1 << 16)

    def respond(connection: socket.socket) -> None:
        connection.sendall(_response(b"", *headers))
        for _ in range(_ENDLESS_BYTES // len(chunk)):
            connection.sendall(chunk)
        server.overrun = f"took {_ENDLESS_BYTES >> 20} MB of an endless response"

    return respond


def _drip(rng: Random, setting: Setting, server: _Server) -> _Respond:
    """Send a byte now and then, in the head or in the body."""
    parts = rng.choice(
        ((b"", _response(_BODY, f"Content-Length: {len(_BODY)}")), (_response(b"", "X: y"), _BODY))
    )

    def respond(connection: socket.socket) -> None:
        start = time.monotonic()
        connection.sendall(parts[0])
        for byte in parts[1]:
            connection.sendall(bytes([byte]))
            time.sleep(_TIMEOUT_SECONDS / 2)
            # Nobody can tell it from a slow network, so the client may wait for all of it.
            if time.monotonic() - start > _DRIP_SECONDS:
                return

    return respond


def _silent(rng: Random, setting: Setting, server: _Server) -> _Respond:
    part = _response(_BODY, f"Content-Length: {len(_BODY)}")[: rng.choice((0, 5, 60, 3000))]

    def respond(connection: socket.socket) -> None:
        connection.sendall(part)
        time.sleep(_TIMEOUT_SECONDS * 4)

    return respond


def _load(_: Path) -> _Server:
    import pooch.core
    import requests  # noqa: F401

    from i3d_rgb_tf.weights import fetch

    # The package waits up to a minute for the next bytes, and pooch before it tries again.
    fetch._TIMEOUT_SECONDS = (_TIMEOUT_SECONDS, _TIMEOUT_SECONDS)
    pooch.core.time = SimpleNamespace(sleep=lambda seconds: None)
    server = _Server()
    server.respond = _honest(Random(0), Setting(Path(), Path(), None, 0), server)
    folder = Path.cwd() / "first"
    folder.mkdir()
    _fetch(f"{server.url}/x", folder / "x")
    (folder / "x").unlink()
    folder.rmdir()
    return server


def _fetch(url: str, path: Path) -> None:
    from i3d_rgb_tf.hashes import Checksum
    from i3d_rgb_tf.weights.fetch import fetch_url

    checksum = Checksum("sha256", hashlib.sha256(_BODY).hexdigest(), len(_BODY))

    def check(file: Path) -> None:
        checksum.check(file, name=path.name)

    fetch_url(url, path, check, most_bytes=checksum.size_bytes)


def _use(case: Case) -> None:
    server: _Server = case.data["server"]
    url, path = case.data["url"], case.path
    try:
        if case.data["tree"]:
            _download(url, path.parent)
        else:
            _fetch(url, path)
            if path.read_bytes() != _BODY:
                raise AssertionError("another file was kept")
    finally:
        left = [each.name for each in path.parent.iterdir() if each.name.startswith(".")]
        if server.overrun or left:
            raise AssertionError(server.overrun or f"left behind {left}")


def _download(url: str, tree: Path) -> None:
    from i3d_rgb_tf.spec import load_spec
    from i3d_rgb_tf.weights.sources import download

    spec = load_spec()
    file = replace(spec.frozen_graph, urls=(url,))
    download(tree, source="zoo", spec=replace(spec, frozen_graph=file))


KINDS = {
    "http": Kind(
        "HTTP responses",
        "`fetch_url`, `download`",
        _make,
        _use,
        load=_load,
        imports=("pooch", "requests", "yaml", "i3d_rgb_tf.weights.sources"),
        may_write=True,
        loopback=True,
    )
}
