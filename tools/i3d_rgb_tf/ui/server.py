"""Serve the app on an address, with as little open as it needs."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from i3d_rgb_tf.choices import TIMELINE_FORMATS
from i3d_rgb_tf.errors import I3DError
from i3d_rgb_tf.model import Model
from i3d_rgb_tf.temporary import temporary_folder, temporary_root
from i3d_rgb_tf.timeline.output.files import output_path
from i3d_rgb_tf.ui.app import make_app, prepare_gradio
from i3d_rgb_tf.ui.guard import Guard
from i3d_rgb_tf.ui.results import RESULTS_PATH, Results
from i3d_rgb_tf.ui.sessions import Limits, Sessions
from i3d_rgb_tf.video.files import ANNOTATED_SUFFIX

__all__ = ["FIRST_PORT", "is_loopback", "listen", "serve", "socket_address"]

FIRST_PORT = 7860
"""gradio's own."""
_NUM_PORTS = 100
_GRACE_SECONDS = 1
"""How long a response may go on when the server is to end."""


def listen(host: str, port: int | None = None) -> socket.socket:
    """Return a socket that listens; without a port, on the first from 7860 on that is free.

    Raises
    ------
    OSError
        The host is unknown, or the port is in use.
    """
    family = socket.getaddrinfo(host, None)[0][0]
    if port is not None:
        return socket.create_server((host, port), family=family)
    *others, last = range(FIRST_PORT, FIRST_PORT + _NUM_PORTS)
    for each in others:
        with suppress(OSError):
            return socket.create_server((host, each), family=family)
    return socket.create_server((host, last), family=family)


def is_loopback(listener: socket.socket) -> bool:
    """Return whether only this machine reaches a socket."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def socket_address(listener: socket.socket) -> str:
    """Return the address to open in a browser of this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(
    model: Model, listener: socket.socket, limits: Limits, announce: Callable[[str], None]
) -> None:
    """Serve the app until a signal ends the process; its files are removed then.

    Parameters
    ----------
    model
        Finds the timelines.
    listener
        Where to serve it.
    limits
        What a video may be.
    announce
        Is given the address when the app is ready.
    """
    with temporary_folder(temporary_root().resolve()) as folder:
        uploads, made = folder / "uploads", folder / "results"
        uploads.mkdir()
        made.mkdir()
        prepare_gradio(uploads)
        import uvicorn

        results = Results(made)
        app = _make_routes(results)
        make_app(app, Sessions(model, results, limits), limits)
        config = uvicorn.Config(
            Guard(app, uploads, most_bytes=limits.num_bytes, is_local=is_loopback(listener)),
            # The guard answers HTTP only, whatever packages for WebSockets there are.
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        announce(socket_address(listener))
        uvicorn.Server(config).run(sockets=[listener])


def _make_routes(results: Results) -> Any:
    """Return an application that serves the files of results."""
    import fastapi
    from fastapi.concurrency import run_in_threadpool

    app = fastapi.FastAPI(openapi_url=None)
    encoding = asyncio.Semaphore(1)

    async def read(name: str, file_name: str, download: str | None = None) -> Any:
        # An annotated video takes all cores. Those that wait hold no thread, which others need.
        is_encoded = file_name.endswith(ANNOTATED_SUFFIX)
        async with encoding if is_encoded else nullcontext():
            return await run_in_threadpool(_respond, results, name, file_name, download)

    app.get(f"{RESULTS_PATH}/{{name}}/{{file_name}}", response_model=None)(read)
    return app


def _respond(results: Results, name: str, file_name: str, download: str | None) -> Any:
    from fastapi.responses import FileResponse, PlainTextResponse

    try:
        path = _file(results, name, file_name)
    except KeyError:
        return PlainTextResponse("There is no such file.\n", status_code=404)
    except I3DError as error:
        message = str(error).replace(f"{results.folder(name)}{os.sep}", "")
        return PlainTextResponse(f"{message}\n", status_code=422)
    kind = "inline" if download is None else "attachment"
    return FileResponse(path, filename=path.name, content_disposition_type=kind)


def _file(results: Results, name: str, file_name: str) -> Path:
    """Return a file of a result; `KeyError` if there is none of that name."""
    video = results.video(name)
    if file_name == video.name:
        return video
    formats = {output_path(Path(), video, each).name: each for each in TIMELINE_FORMATS}
    return results.write(name, formats[file_name])
