"""Object storage on loopback: one that works (moto speaks S3), and one that fails in every way.

The second serves its objects to HTTP and to S3 clients alike: ``http://HOST/clips/NAME`` and
``s3://clips/NAME`` with its address as the endpoint.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

__all__ = [
    "BUCKET",
    "FAULTS",
    "Fault",
    "ObjectServer",
    "put_objects",
    "s3_environment",
    "s3_server",
]

BUCKET = "clips"

_MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def s3_server() -> Iterator[str]:
    """Give the address of a server that speaks S3, in a process that ends after the body."""
    # In this process, moto would change botocore.
    command = [sys.executable, "-c", _MOTO]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.wait(timeout=20)


def put_objects(endpoint: str, files: dict[str, Path]) -> None:
    """Put files into the bucket ``clips`` of an S3 server, by their keys."""
    requests.put(f"{endpoint}/{BUCKET}", timeout=20).raise_for_status()
    for key, path in files.items():
        url = f"{endpoint}/{BUCKET}/{key}"
        requests.put(url, path.read_bytes(), timeout=20).raise_for_status()


def s3_environment(endpoint: str) -> dict[str, str]:
    """Return the environment variables with which S3 clients use this server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        # Otherwise, it takes botocore many seconds to give up.
        "AWS_MAX_ATTEMPTS": "1",
    }


@dataclass(frozen=True)
class Request:
    """What a client asks for."""

    handler: BaseHTTPRequestHandler
    body: bytes
    """All bytes of the object."""
    is_head: bool
    start: int
    """First byte that is asked for."""
    stop: int
    """The byte after the last one."""
    stopped: threading.Event
    """Set when the server ends."""

    def send(
        self,
        *,
        status: int = 206,
        length: int | None = None,
        sent: bytes | None = None,
        total: int | None = None,
    ) -> None:
        """Send the part; or another length than its own, other bytes, or another total size."""
        part = self.body[self.start : self.stop]
        handler, total = self.handler, len(self.body) if total is None else total
        handler.send_response(200 if self.is_head else status)
        size = total if self.is_head else len(part) if length is None else length
        handler.send_header("Content-Length", str(size))
        handler.send_header("ETag", '"1"')
        handler.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        if status == 206 and not self.is_head:
            content = f"bytes {self.start}-{self.stop - 1}/{total}"
            handler.send_header("Content-Range", content)
        handler.end_headers()
        if not self.is_head:
            handler.wfile.write(part if sent is None else sent)
            handler.wfile.flush()

    def refuse(self, status: int) -> None:
        """Send an HTTP status without a body."""
        self.handler.send_response(status)
        self.handler.send_header("Content-Length", "0")
        self.handler.end_headers()

    def hang_up(self) -> None:
        """Close the connection."""
        self.handler.close_connection = True


Behaviour = Callable[[Request], None]


@dataclass(frozen=True)
class Fault:
    """How a server misbehaves, and what is reported."""

    behave: Behaviour
    message: str
    """Part of the one line."""
    takes_long: bool = False
    """Whether the client gives up only when it has waited as long as it ever does."""


def _from_the_middle(fail: Behaviour) -> Behaviour:
    """Fail only for what begins after the first half."""

    def behave(request: Request) -> None:
        if request.is_head or request.start < len(request.body) // 2:
            request.send()
        else:
            fail(request)

    return behave


def _cut(request: Request) -> None:
    request.send(sent=request.body[request.start : request.stop][:1000])
    request.hang_up()


def _stall(request: Request) -> None:
    request.send(sent=request.body[request.start : request.stop][:1000])
    request.stopped.wait(90)
    request.hang_up()


def _trickle(request: Request) -> None:
    request.send(sent=b"")
    for byte in request.body[request.start : request.stop]:
        if request.stopped.wait(0.05):
            break
        request.handler.wfile.write(bytes([byte]))
        request.handler.wfile.flush()
    request.hang_up()


def _fewer_bytes(request: Request) -> None:
    part = request.body[request.start : request.stop][:1000]
    request.send(length=len(part), sent=part)


def _whole(request: Request) -> None:
    request.send(status=200, length=len(request.body), sent=request.body)


def _shorter(request: Request) -> None:
    """State a smaller size than the object has; bytes after it are sent if they are asked for."""
    request.send(total=len(request.body) * 2 // 3)


def _longer(request: Request) -> None:
    """State a larger size than the object has."""
    if not request.is_head and request.start >= len(request.body):
        request.refuse(416)
        return
    request.send(total=len(request.body) * 2)


def _silent(request: Request) -> None:
    request.stopped.wait(90)
    request.hang_up()


_TOO_LATE = "did not send what was asked for within"

FAULTS: dict[str, Fault] = {
    "denied": Fault(lambda request: request.refuse(403), "access denied; give credentials"),
    "missing": Fault(lambda request: request.refuse(404), "there is no such object; check the URL"),
    "broken": Fault(lambda request: request.refuse(500), "HTTP status 500; try again later"),
    "broken_in_the_middle": Fault(
        _from_the_middle(lambda request: request.refuse(503)), "HTTP status 503; try again later"
    ),
    "denied_in_the_middle": Fault(
        _from_the_middle(lambda request: request.refuse(403)), "access denied; give credentials"
    ),
    "cut": Fault(_from_the_middle(_cut), "ended the connection before all bytes were sent"),
    "gone": Fault(
        _from_the_middle(Request.hang_up), "ended the connection before all bytes were sent"
    ),
    "stalled": Fault(_from_the_middle(_stall), _TOO_LATE, takes_long=True),
    "slow": Fault(_from_the_middle(_trickle), _TOO_LATE, takes_long=True),
    "silent": Fault(_silent, _TOO_LATE, takes_long=True),
    "fewer_bytes": Fault(_from_the_middle(_fewer_bytes), "the server sent 1,000 of "),
    "whole": Fault(_whole, "does not send parts of a file (range requests)"),
    "states_less": Fault(_shorter, "states another size than the object has"),
    "states_more": Fault(_longer, "the server sent "),
}
"""Each way in which a server may fail."""


@dataclass
class ObjectServer:
    """Serves ``objects[NAME]`` as ``/clips/NAME``; a name that is in `faults` by that fault."""

    objects: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    """Names of `FAULTS`; or ``broken_once``, which is over with the first part."""
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, name and number of the bytes that are asked for, of each request."""

    def __enter__(self) -> ObjectServer:  # noqa: PYI034 (Self needs Python 3.11)
        outer = self
        self._stopped = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._respond(self)

            do_HEAD = do_GET  # noqa: N815 (the name that http.server expects)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Say nothing about a client that closes the connection."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        serve = partial(self._server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def parts(self) -> list[int]:
        """Return how many bytes were asked for, by each request that asks for some."""
        return [num_bytes for _, _, num_bytes in self.requests if num_bytes]

    def _fault(self, name: str, *, is_head: bool) -> Behaviour | None:
        fault = self.faults.get(name)
        if fault == "broken_once":
            if not is_head:
                del self.faults[name]
            return Request.send if is_head else lambda request: request.refuse(503)
        return FAULTS[fault].behave if fault else None

    def _respond(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.partition("?")[0].removeprefix(f"/{BUCKET}/")
        body = self.objects.get(name)
        is_head = handler.command == "HEAD"
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
        size = len(body or b"")
        start, stop = (int(found[1]), min(int(found[2]) + 1, size)) if found else (0, size)
        request = Request(handler, body or b"", is_head, start, stop, self._stopped)
        self.requests.append((handler.command, name, 0 if is_head else stop - start))
        if body is None:
            request.refuse(404)
        elif fault := self._fault(name, is_head=is_head):
            fault(request)
        elif start >= len(body) > 0:
            request.refuse(416)
        else:
            request.send(status=206 if found else 200)
