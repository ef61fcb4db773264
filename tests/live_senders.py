"""Senders of live streams: the ffmpeg program, in a process of its own, on loopback."""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

import imageio_ffmpeg

__all__ = ["RtspServer", "free_port", "http_sender", "picture_sender", "sender", "udp_sender"]


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])


@contextmanager
def sender(
    video: Path, *target: str, speed: float = 1, num_repeats: int = 0
) -> Iterator[subprocess.Popen[bytes]]:
    """Send a video as a transport stream, many times as fast; end the process after the body.

    It is repeated so many times, or with -1 for ever.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-readrate", str(speed)]
    # By default, the first half second is sent at once.
    command += ["-readrate_initial_burst", "0.001", "-stream_loop", str(num_repeats)]
    command += ["-i", str(video), "-c", "copy"]
    with subprocess.Popen([*command, "-f", "mpegts", *target], stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def picture_sender(port: int, *, rate: int) -> Iterator[None]:
    """Send pictures without times, as cameras do over HTTP; each second is brighter."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-re", "-f", "lavfi", "-i"]
    command += [f"color=s=64x64:r={rate},geq=lum='40+20*floor(T)':cb=128:cr=128", "-c:v", "mjpeg"]
    command += ["-f", "mpjpeg", "-listen", "1", f"http://127.0.0.1:{port}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            _wait_for_listener(port)
            yield
        finally:
            process.kill()


@contextmanager
def udp_sender(video: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Send until the body ends, whether anybody receives it or not."""
    with sender(video, f"udp://127.0.0.1:{port}?pkt_size=1316", num_repeats=-1) as process:
        yield process


@contextmanager
def http_sender(video: Path, port: int, *, speed: float = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Send to the first client that connects; the body begins when it can."""
    target = ("-listen", "1", f"http://127.0.0.1:{port}")
    with sender(video, *target, speed=speed) as process:
        _wait_for_listener(port)
        yield process


def _wait_for_listener(port: int) -> None:
    # A connection would be that of the only client.
    wanted = f":{port:04X} 00000000:0000 0A"
    for _ in range(1000):
        if wanted in Path("/proc/net/tcp").read_text(encoding="ascii"):
            return
        time.sleep(0.01)
    raise TimeoutError(port)


class RtspServer:
    """A camera for one client: RFC 2326, with the packets of the ffmpeg program over TCP."""

    def __init__(self, video: Path, *, speed: float = 1) -> None:
        self._video = video
        self._speed = speed
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._packets.bind(("127.0.0.1", 0))
        self._packets.settimeout(0.5)
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/front"
        self.methods: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> RtspServer:  # noqa: PYI034 (Self needs Python 3.11)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join()
        self._packets.close()

    def _run(self) -> None:
        client, _ = self._listener.accept()
        with client, client.makefile("r", newline="\r\n") as requests:
            while "PLAY" not in self.methods:
                self._respond(client, list(takewhile(str.strip, requests)))
            with self._ffmpeg() as process:
                self._forward(client, process)

    def _respond(self, client: socket.socket, lines: list[str]) -> None:
        method = lines[0].split()[0]
        number = next(line for line in lines if line.lower().startswith("cseq"))
        body, more = "", "Session: 1\r\n"
        if method == "DESCRIBE":
            body = self._description()
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        client.sendall(f"RTSP/1.0 200 OK\r\n{number}{more}\r\n{body}".encode())
        self.methods.append(method)

    def _description(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.sdp")
            with self._ffmpeg("-t", "0.1", "-sdp_file", str(path)) as process:
                process.wait(20)
            text = path.read_text(encoding="ascii")
        return re.sub(r"m=video \d+", "m=video 0", text) + "a=control:track0\r\n"

    def _ffmpeg(self, *options: str) -> subprocess.Popen[bytes]:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-readrate", str(self._speed)]
        command += ["-i", str(self._video), "-c", "copy", *options, "-f", "rtp"]
        port = self._packets.getsockname()[1] if not options else free_port(socket.SOCK_DGRAM)
        return subprocess.Popen([*command, f"rtp://127.0.0.1:{port}"], stdout=subprocess.DEVNULL)

    def _forward(self, client: socket.socket, process: subprocess.Popen[bytes]) -> None:
        try:
            while packet := self._next_packet(process):
                client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
        except OSError:
            # The end of the client.
            process.kill()

    def _next_packet(self, process: subprocess.Popen[bytes]) -> bytes:
        """Return what the program sends; nothing after it has ended."""
        while True:
            has_ended = process.poll() is not None
            with suppress(TimeoutError):
                return self._packets.recv(65536)
            if has_ended:
                return b""
