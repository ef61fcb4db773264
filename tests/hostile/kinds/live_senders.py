"""Senders of live streams on loopback: what they send is damaged, late, or not what was asked."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from random import Random

from hostile.mutations import damage_bytes, damage_text

__all__ = ["WAYS", "Way"]

Way = Callable[[Random, bytes], contextlib.AbstractContextManager[str]]
"""Sends a stream during the body, and gives its address."""

_DATAGRAM_BYTES = 1316
_SEND_SECONDS = 0.3
"""How long a datagram is sent again and again: the first ones may come before anybody listens."""
_LATE_SECONDS = 0.6
"""Longer than a reader waits here."""

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP {format}\r\n{map}a=control:track0\r\n"
)
_RTP_MAPS = {
    33: "",
    26: "",
    32: "",
    96: "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n",
    97: "a=rtpmap:97 H265/90000\r\n",
    98: "a=rtpmap:98 VP8/90000\r\n",
    99: "a=rtpmap:99 X-QT/90000\r\n",
}
"""Lines of the description by the number of a format; 33 is a transport stream."""


@contextlib.contextmanager
def _http(rng: Random, data: bytes) -> Iterator[str]:
    """Send it as the body of a response, sometimes under a damaged head, late or in chunks."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nServer: camera\r\nConnection: close\r\n"
    way = rng.choices(("body", "head", "length", "chunks", "late"), (60, 15, 10, 12, 3))[0]
    body = data
    if way == "length":
        head += f"Content-Length: {rng.choice((0, 7, len(data) + 9, 1 << 40, -1))}\r\n"
    if way == "chunks":
        head += "Transfer-Encoding: chunked\r\n"
        size = rng.choice((b"%x" % len(data), b"-1", b"ffffffffffffffff", b"zz", b""))
        body = size + b"\r\n" + data + b"\r\n0\r\n\r\n"
    encoded = damage_text(rng, head)[0] if way == "head" else head.encode()

    def respond(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(encoded + b"\r\n")
        cut = rng.randrange(len(body) + 1) if way == "late" else 0
        client.sendall(body[:cut])
        time.sleep(_LATE_SECONDS if way == "late" else 0)
        client.sendall(body[cut:])

    with _listening(respond) as port:
        yield f"http://127.0.0.1:{port}/live"


@contextlib.contextmanager
def _rtsp(rng: Random, data: bytes) -> Iterator[str]:
    """Be a camera that sends it over TCP; a response, the description or packets are damaged."""
    damaged = rng.choice(("response", "description", "packets", "stream", "stream"))
    number = rng.choice((33, 33, 33, *_RTP_MAPS))
    description = _SDP.format(format=number, map=_RTP_MAPS[number]).encode()
    if damaged == "description":
        description, _ = damage_text(rng, description.decode(), separators=" :/\r\n=;")
    packets = b"".join(
        b"$\0" + len(packet).to_bytes(2, "big") + packet for packet in _rtp(data, number)
    )
    if damaged == "packets":
        packets, _ = damage_bytes(rng, packets, tags=(b"$\0", b"\x80\x21"))

    def respond(client: socket.socket) -> None:
        with client.makefile("rb") as requests:
            while request := b"".join(takewhile(bytes.strip, requests)):
                method = request.split()[0]
                response = _rtsp_response(method, request, description)
                if damaged == "response" and rng.random() < 0.5:
                    response, _ = damage_text(rng, response.decode("latin-1"), separators=" :;\r\n")
                client.sendall(response)
                if method == b"PLAY":
                    client.sendall(packets)
                    return

    with _listening(respond) as port:
        yield f"rtsp://127.0.0.1:{port}/live"


def _rtsp_response(method: bytes, request: bytes, description: bytes) -> bytes:
    number = re.search(rb"(?i)cseq: *(\d+)", request)
    head = b"RTSP/1.0 200 OK\r\nCSeq: " + (number[1] if number else b"0") + b"\r\nSession: 1\r\n"
    if method == b"SETUP":
        head += b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
    if method != b"DESCRIBE":
        return head + b"\r\n"
    head += b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(description)
    return head + description


def _rtp(data: bytes, number: int) -> Iterator[bytes]:
    """Yield packets of RFC 3550 with the data."""
    for index, start in enumerate(range(0, len(data), _DATAGRAM_BYTES)):
        times = index.to_bytes(2, "big") + (3600 * index).to_bytes(4, "big")
        yield bytes((0x80, number)) + times + b"\0\0\0\1" + data[start : start + _DATAGRAM_BYTES]


@contextlib.contextmanager
def _udp(rng: Random, data: bytes) -> Iterator[str]:
    """Send it in datagrams, some of which are lost, come twice, or in another order."""
    size = rng.choice((_DATAGRAM_BYTES, _DATAGRAM_BYTES, 188, 1000, 9000))
    datagrams = [data[start : start + size] for start in range(0, len(data), size)]
    for _ in range(rng.choice((0, 0, 1, 3))):
        index = rng.randrange(len(datagrams))
        datagrams[index : index + 1] = rng.choice(
            ([], datagrams[index : index + 1] * 2, [b""], datagrams[index : index + 2][::-1])
        )
        datagrams = datagrams or [b""]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ended = threading.Event()

    def send() -> None:
        end = time.monotonic() + _SEND_SECONDS
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not ended.wait(0.02) and time.monotonic() < end:
                for datagram in datagrams:
                    # Nobody listens yet, or any more.
                    with contextlib.suppress(ConnectionRefusedError):
                        sender.sendto(datagram, ("127.0.0.1", port))

    with _in_thread(send):
        try:
            yield f"udp://127.0.0.1:{port}"
        finally:
            ended.set()


@contextlib.contextmanager
def _listening(respond: Callable[[socket.socket], None]) -> Iterator[int]:
    """Respond to one client during the body, and give the port."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            with client:
                client.settimeout(1)
                respond(client)

    with socket.create_server(("127.0.0.1", 0)) as listener, _in_thread(serve):
        try:
            yield listener.getsockname()[1]
        finally:
            # Otherwise the thread would wait for a client for ever.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _in_thread(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(5)


WAYS: dict[str, Way] = {"http": _http, "rtsp": _rtsp, "udp": _udp}
"""By the scheme of the address."""
