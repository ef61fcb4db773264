"""What following a live stream costs: latency, memory, and the positions that are skipped.

    python bench/live.py VIDEO... -m MODEL.xml --folder DIR [--minutes 10] [--speeds 1 2]

The videos, real ones, are joined and repeated; what is made of them stays in the folder. ffmpeg
sends them as MPEG-TS over UDP on loopback in real time, or as many times faster, and the command
line follows them in a fresh process. The latency is that of a line about a segment that opens or
grows, from the middle of the last position in it: from when this program passed on the packet
with the frame that is its centre, while it sends. --enter and --leave are so low that the segment
of one label always grows.
"""

from __future__ import annotations

import argparse
import bisect
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import psutil
from long_videos import make_long_video
from machine import load_line, machine_line

from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND

_PACKET = 188
"""Bytes of a packet of a transport stream."""
_TICKS = 90_000
"""Of its clock, in a second."""
_BORDER, _CENTER = 13.5, 9
"""Frame where the time of position 0 ends, and its centre; a position is 8 frames after another."""
_WARM_SECONDS = 20
"""After which the memory is that of the start."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("-m", "--model", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--speeds", type=float, nargs="+", default=[1, 2])
    parser.add_argument("--inference-precision", default=None)
    options = parser.parse_args()
    print(machine_line())
    for speed in options.speeds:
        print(f"\n{options.minutes:g} minutes, speed {speed:g}, {load_line()}", flush=True)
        _follow(options, speed)
        print(load_line(), flush=True)


def _follow(options: argparse.Namespace, speed: float) -> None:
    video = make_long_video(options.folder, options.videos, options.minutes * speed)
    port = _free_port()
    command = [sys.executable, "-m", "i3d_rgb_tf", "timeline", "--live", f"udp://127.0.0.1:{port}"]
    command += ["-m", str(options.model), "--label", "juggling balls"]
    command += ["--enter", "1e-9", "--leave", "1e-12"]
    if options.inference_precision:
        command += ["--inference-precision", options.inference_precision]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines: list[tuple[float, dict[str, Any]]] = []
    reader = threading.Thread(target=_read_lines, args=(process, lines))
    reader.start()
    try:
        _wait_for_listener(process.pid, port)
        with _Relay(port) as relay, _sender(video, relay.port, speed) as sender:
            memory = _watch(process, sender)
            ended = time.monotonic()
        # What was sent last is still being inferred.
        while lines[-1][1]["event"] != "lost" and process.poll() is None:
            time.sleep(0.1)
        processor_seconds = sum(psutil.Process(process.pid).cpu_times()[:2])
    finally:
        process.terminate()
        process.wait(30)
        reader.join()
    _report([each for each in lines if each[0] < ended], relay, memory, processor_seconds)
    end = lines[-1][1]
    total = end["num_positions"] + end["num_skipped"]
    print(f"{end['num_positions']} positions given, {end['num_skipped']} skipped, {total} in all")


def _read_lines(process: subprocess.Popen[str], lines: list[tuple[float, dict[str, Any]]]) -> None:
    lines.extend((time.monotonic(), json.loads(line)) for line in process.stdout or ())


def _watch(process: subprocess.Popen[str], sender: subprocess.Popen[bytes]) -> list[float]:
    """Return the memory in megabytes of the process, each second while the sender runs."""
    found: list[float] = []
    while sender.poll() is None and process.poll() is None:
        found.append(psutil.Process(process.pid).memory_info().rss / 1e6)
        time.sleep(1)
    return found


def _report(
    lines: list[tuple[float, dict[str, Any]]],
    relay: _Relay,
    memory: list[float],
    processor_seconds: float,
) -> None:
    latencies = [
        at - relay.sent(_center_seconds(line["end_seconds"]))
        for at, line in lines
        if line["event"] in ("open", "grow")
    ]
    if latencies:
        quantiles = statistics.quantiles(latencies, n=20)
        print(
            f"latency of {len(latencies)} lines: median {statistics.median(latencies):.2f} s, "
            f"95 % {quantiles[-1]:.2f}, most {max(latencies):.2f}"
        )
    warm = memory[_WARM_SECONDS:]
    print(
        f"memory: {statistics.mean(warm[:10]):.0f} MB after {_WARM_SECONDS} s, "
        f"{statistics.mean(warm[-10:]):.0f} at the end, {max(memory):.0f} at most; "
        f"at each minute {', '.join(f'{each:.0f}' for each in memory[60::60])}"
    )
    print(f"processors: {processor_seconds:.0f} s")
    skips = [line["num_positions"] for _, line in lines if line["event"] == "skip"]
    print(f"skipped {sum(skips)} positions, {len(skips)} times; sent {relay.num_frames} frames")


def _center_seconds(end_seconds: float) -> float:
    """Return the middle of the last position in a segment; the end of it is rounded."""
    position = round((end_seconds * FRAMES_PER_SECOND - _BORDER) / 8)
    return (8 * position + _CENTER) / FRAMES_PER_SECOND


class _Relay:
    """Passes on what comes at a port, and notes when each frame was sent."""

    def __init__(self, target: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = self._socket.getsockname()[1]
        self._target = target
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._sent: dict[int, float] = {}

    def __enter__(self) -> _Relay:  # noqa: PYI034 (Self needs Python 3.11)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    @property
    def num_frames(self) -> int:
        return len(self._sent)

    def sent(self, seconds: float) -> float:
        """Return when the frame was sent that is shown at a time."""
        times = sorted(self._sent)
        place = bisect.bisect_left(times, times[0] + round(seconds * _TICKS))
        return self._sent[times[min(place, len(times) - 1)]]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            now = time.monotonic()
            for start in range(0, len(data), _PACKET):
                pts = _pts(data[start : start + _PACKET])
                if pts is not None:
                    self._sent[pts] = now
            self._socket.sendto(data, ("127.0.0.1", self._target))


def _pts(packet: bytes) -> int | None:
    """Return the presentation time of the frame that begins in a packet; ISO/IEC 13818-1."""
    begins, has_adaptation = packet[1] & 0x40, packet[3] & 0x20
    head = 4 + (packet[4] + 1 if has_adaptation else 0)
    pes = packet[head:]
    if not begins or pes[:3] != b"\0\0\1" or not 0xE0 <= pes[3] <= 0xEF or not pes[7] & 0x80:
        return None
    high, middle, low = pes[9], int.from_bytes(pes[10:12], "big"), int.from_bytes(pes[12:14], "big")
    return (high >> 1 & 7) << 30 | (middle >> 1) << 15 | low >> 1


@contextmanager
def _sender(video: Path, port: int, speed: float) -> Iterator[subprocess.Popen[bytes]]:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-readrate", str(speed)]
    # By default, the first half second is sent at once.
    command += ["-readrate_initial_burst", "0.001", "-i", str(video), "-c", "copy", "-f", "mpegts"]
    process = subprocess.Popen([*command, f"udp://127.0.0.1:{port}?pkt_size=1316"])
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])


def _wait_for_listener(number: int, port: int) -> None:
    process = psutil.Process(number)
    while not any(each.laddr.port == port for each in process.net_connections("udp")):
        time.sleep(0.01)


if __name__ == "__main__":
    main()
