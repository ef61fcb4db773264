"""What the server of the app lets in, and what its own page may ask for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from i3d_rgb_tf.ui.guard import Guard

UPLOADS = Path("/tmp/app/uploads")
HOST = "127.0.0.1:7860"
MOST_BYTES = 100 << 20


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Return what it gets."""
    body = (await receive())["body"] if scope["method"] == "POST" else b""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"own", b"1")]})
    await send({"type": "http.response.body", "body": body})


def ask(
    path: str,
    *,
    method: str = "GET",
    host: str = HOST,
    origin: str = "",
    length: str = "5",
    encoding: str = "",
    body: bytes = b"",
    is_local: bool = True,
) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers and the body of a response."""
    headers = {b"host": host, b"origin": origin, b"content-length": length}
    headers[b"transfer-encoding"] = encoding
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(key, value.encode()) for key, value in headers.items() if value],
    }
    # In parts, as servers give it.
    parts = [body[:10], body[10:]]
    received = [
        {"type": "http.request", "body": part, "more_body": part is parts[0]} for part in parts
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return received.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(
        Guard(application, UPLOADS, most_bytes=MOST_BYTES, is_local=is_local)(scope, receive, send)
    )
    start, end = sent
    headers = {key.decode(): value.decode() for key, value in start["headers"]}
    return start["status"], headers, end["body"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/config", 200),
        ("/assets/index.js", 200),
        ("/results/name/clip.html", 200),
        ("/gradio_api/queue/data", 200),
        ("/gradio_api/upload", 200),
        (f"/gradio_api/file={UPLOADS}/0a/clip.mp4", 200),
        (f"/gradio_api/file={UPLOADS}/../secret.txt", 403),
        ("/gradio_api/file=/etc/passwd", 403),
        ("/gradio_api/file=https://example.org/", 403),
        ("/gradio_api/proxy=https://example.org/", 403),
        ("/gradio_api/info", 403),
        ("/gradio_api/call/show", 403),
        ("/gradio_api/component_server", 403),
        ("/monitoring", 403),
    ],
)
def test_only_what_the_page_asks_for_is_let_in(path, status):
    assert ask(path)[0] == status


@pytest.mark.parametrize(
    ("host", "is_local", "status"),
    [
        (HOST, True, 200),
        ("localhost:7860", True, 200),
        ("[::1]:7860", True, 200),
        ("rebound.example.org:7860", True, 403),
        ("127.0.0.1.example.org", True, 403),
        ("[::1", True, 403),
        ("", True, 403),
        ("rebound.example.org:7860", False, 200),
    ],
)
def test_on_loopback_this_machine_has_no_other_name(host, is_local, status):
    assert ask("/", host=host, is_local=is_local)[0] == status


@pytest.mark.parametrize("is_local", [True, False])
@pytest.mark.parametrize(
    ("origin", "status"),
    [(f"http://{HOST}", 200), ("http://example.org", 403), ("null", 403), ("http://[", 403)],
)
def test_pages_of_other_sites_cannot_send_forms(origin, status, is_local):
    asked = {"method": "POST", "origin": origin, "is_local": is_local}

    assert ask("/gradio_api/upload", **asked)[0] == status


def event(*data: object) -> bytes:
    return json.dumps({"data": [*data], "fn_index": 0}).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (event({"path": f"{UPLOADS}/0a/clip.mp4", "url": None}, ["zumba"], 0.5), 200),
        (event(None, None), 200),
        (event({"path": "https://example.org/clip.mp4"}), 403),
        (event({"path": "/etc/passwd"}), 403),
        (event([{"deep": {"path": "http://10.0.0.1/"}}]), 403),
        (b"no JSON", 403),
        (event("x" * (2 << 20)), 403),
    ],
)
def test_an_event_has_no_files_but_uploads(body, status):
    response = ask("/gradio_api/queue/join", method="POST", body=body)

    assert response[0] == status
    assert (response[2] == body) == (status == 200)


@pytest.mark.parametrize(
    ("length", "status"),
    [(str(MOST_BYTES + 1000), 200), (str(6 * MOST_BYTES), 403), ("", 403), ("-1", 403)],
)
def test_many_files_cannot_be_uploaded_at_once(length, status):
    assert ask("/gradio_api/upload", method="POST", length=length)[0] == status


def test_an_upload_states_its_length_in_one_way():
    """Of two ways, servers take the other one."""
    assert ask("/gradio_api/upload", method="POST", encoding="chunked")[0] == 403


@pytest.mark.parametrize("path", ["/", "/elsewhere"])
def test_every_response_has_a_policy_that_allows_no_other_host(path):
    headers = ask(path)[1]

    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    allowed = {source for sources in policy.values() for source in sources.split()}
    assert allowed <= {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}
    assert headers["x-content-type-options"] == "nosniff"
