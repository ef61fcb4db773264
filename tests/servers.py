"""An HTTP server on loopback that responds to each path with a list of behaviours, in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[[BaseHTTPRequestHandler], None]


def content(body: bytes) -> Behaviour:
    """Send the whole body."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def in_chunks(body: bytes, chunk_bytes: int) -> Behaviour:
    """Send the whole body in chunks, without its length."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(body), chunk_bytes):
            chunk = body[start : start + chunk_bytes]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return respond


def dropped(body: bytes, sent_bytes: int) -> Behaviour:
    """Promise the whole body and close the connection after `sent_bytes`."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:sent_bytes])
        handler.wfile.flush()
        handler.close_connection = True

    return respond


def status(code: int) -> Behaviour:
    """Refuse with an HTTP status."""
    return lambda handler: handler.send_error(code)


def redirect(location: str) -> Behaviour:
    """Send the client elsewhere."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return respond


class FaultyServer:
    """Serves ``responses[path]``: each request takes the next behaviour, the last one stays."""

    def __init__(self) -> None:
        self.responses: dict[str, list[Behaviour]] = {}
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                behaviours = outer.responses.get(self.path, [status(404)])
                # Taken before the response is sent: the next request may come at once.
                behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
                behaviour(self)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Say nothing about a client that closes the connection."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultyServer:  # noqa: PYI034 (Self needs Python 3.11)
        # It notices the shutdown this many seconds late.
        serve = partial(self._server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
