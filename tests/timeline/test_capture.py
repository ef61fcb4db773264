"""What waits to be inferred, what is skipped, and the time of a stream whose sender comes back."""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.timeline import capture as capture_module
from i3d_rgb_tf.timeline.capture import Capture
from i3d_rgb_tf.timeline.waiting import Block, Connected, Ended, Lost, Skipped, Waiting
from i3d_rgb_tf.video.sources import parse_source
from live_senders import RtspServer, free_port, http_sender, picture_sender, udp_sender
from media import ffmpeg
from servers import content, status
from videos import gray, write_video

SECONDS = 0.32
"""Of a block."""


def block(number, *, is_first=False, num_frames=8):
    return Block(number * SECONDS, np.empty((num_frames, 1, 1, 3), np.uint8), is_first)


def drain(waiting):
    items = []
    while (item := waiting.get(0)) is not None:
        items.append(item)
    return items


def starts(items):
    return [round(item.start_seconds / SECONDS) for item in items if isinstance(item, Block)]


# What waits.


def test_items_come_in_order():
    waiting = Waiting(most=3, kept=2, sender_waits=False)
    items = [Connected(0), block(0, is_first=True), block(1), block(2), Lost("it ended")]
    for item in items:
        waiting.put(item)

    assert drain(waiting) == items


def test_nothing_is_there_for_as_long_as_one_waits():
    start = time.monotonic()

    assert Waiting(most=3, kept=2, sender_waits=False).get(0.05) is None
    assert time.monotonic() - start >= 0.04


def test_the_newest_remain_when_too_many_wait():
    waiting = Waiting(most=5, kept=2, sender_waits=False)
    for number in range(6):
        waiting.put(block(number, is_first=number == 0))

    skipped, *others = drain(waiting)

    assert skipped == Skipped(0, pytest.approx(4 * SECONDS), 3)
    assert starts(others) == [4, 5]


def test_what_is_skipped_of_two_sections_stays_apart():
    waiting = Waiting(most=5, kept=1, sender_waits=False)
    waiting.put(block(0))
    waiting.put(block(1, num_frames=3))
    lost, again = Lost("it ended"), Connected(10)
    waiting.put(lost)
    waiting.put(again)
    for number in range(40, 44):
        waiting.put(block(number, is_first=number == 40))

    first, *middle, second, last = drain(waiting)

    assert first == Skipped(0, pytest.approx(SECONDS + 3 / 25), 2)
    assert middle == [lost, again]
    assert second == Skipped(40 * SECONDS, pytest.approx(43 * SECONDS), 2)
    assert starts([last]) == [43]


def test_what_is_skipped_again_is_one_gap():
    waiting = Waiting(most=3, kept=1, sender_waits=False)
    for number in range(10):
        waiting.put(block(number))

    skipped, *others = drain(waiting)

    assert skipped.num_positions + len(others) == 10
    assert starts(others) == list(range(10))[-len(others) :]


def test_a_sender_that_waits_loses_nothing():
    waiting = Waiting(most=3, kept=1, sender_waits=True)
    sender = threading.Thread(target=lambda: [waiting.put(block(each)) for each in range(50)])
    sender.start()
    time.sleep(0.05)
    found = [waiting.get(5) for _ in range(50)]
    sender.join(5)

    assert starts(found) == list(range(50))


def test_a_sender_that_waits_is_released_at_the_end():
    waiting = Waiting(most=1, kept=1, sender_waits=True)
    sender = threading.Thread(target=lambda: [waiting.put(block(each)) for each in range(5)])
    sender.start()
    time.sleep(0.05)

    waiting.close()
    sender.join(5)

    assert not sender.is_alive()
    assert waiting.get(0) is None


def test_a_sender_whose_times_jump_all_the_time_has_to_wait():
    waiting = Waiting(most=3, kept=1, sender_waits=False)
    num_put = 0

    def send():
        nonlocal num_put
        for number in range(10_000):
            for item in (Connected(number), block(number, is_first=True), Lost("they jump")):
                waiting.put(item)
                num_put += 1

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    sender.join(0.5)
    num_before = num_put
    found = [waiting.get(5) for _ in range(3000)]
    waiting.close()
    sender.join(5)

    assert num_before <= 1000
    assert {type(item) for item in found[::3]} == {Connected}
    assert {type(item) for item in found[2::3]} == {Lost}
    assert not sender.is_alive()


# Real senders.


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Return ten seconds of gray, with a key frame every half second."""
    path = tmp_path_factory.mktemp("live") / "gray.mp4"
    frames = [gray(index % 200) for index in range(250)]
    return write_video(path, frames, options={"g": "12", "bf": "0", "preset": "ultrafast"})


def follow(capture, *, until, seconds=None):
    """Yield the items until there is one of a kind, or for so long."""
    end = time.monotonic() + (seconds or 30)
    while time.monotonic() < end:
        item = capture.get(0.1)
        if item is not None:
            yield item
        if isinstance(item, until):
            return
    if not seconds:
        raise TimeoutError


def capture_of(text):
    return Capture(parse_source(text), size=224)


def test_a_source_that_cannot_be_reached_at_first_is_an_error():
    port = free_port(socket.SOCK_STREAM)
    with capture_of(f"http://127.0.0.1:{port}").running() as capture:
        (ended,) = follow(capture, until=Ended)

    assert isinstance(ended.error, VideoError)
    assert str(ended.error).startswith(f"cannot read http://127.0.0.1:{port}: Connection refused; ")


@pytest.mark.slow
def test_every_frame_comes_once_and_in_time(video):
    port = free_port(socket.SOCK_STREAM)
    with http_sender(video, port), capture_of(f"http://127.0.0.1:{port}").running() as capture:
        began = time.monotonic()
        connected, *blocks, lost = follow(capture, until=Lost)
        seconds = time.monotonic() - began

    assert connected == Connected(0)
    assert lost == Lost("the source has ended")
    frames = np.concatenate([each.frames for each in blocks])
    levels = frames.mean(axis=(1, 2, 3))
    assert len(frames) == 250
    assert np.abs(levels - np.arange(250) % 200).max() < 4
    assert [each.is_first for each in blocks] == [True] + [False] * 31
    assert [each.start_seconds for each in blocks] == pytest.approx(SECONDS * np.arange(32))
    assert seconds == pytest.approx(10, abs=3)


def test_a_capture_ends_while_its_sender_sends(video):
    port = free_port(socket.SOCK_STREAM)
    with http_sender(video, port):
        with capture_of(f"http://127.0.0.1:{port}").running() as capture:
            list(follow(capture, until=Block))
            (thread,) = (each for each in threading.enumerate() if each.name == "capture")

        thread.join(20)
        assert not thread.is_alive()


def test_frames_that_cannot_be_decoded_are_counted(server, tmp_path):
    path = tmp_path / "pictures.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=2", "-c:v", "png", path)
    head, *pictures = path.read_bytes().split(b"IHDR")
    damaged = [5, 6, 30]
    starts = [b"IHDX" if number in damaged else b"IHDR" for number in range(50)]
    body = head + b"".join(map(bytes.__add__, starts, pictures))
    server.responses["/live"] = [content(body), status(404)]

    with capture_of(f"{server.url}/live").running() as capture:
        _, *blocks, _ = follow(capture, until=Lost)

    assert len(pictures) == 50
    assert capture.num_damaged == len(damaged)
    # The frame before is shown for longer.
    assert sum(len(each.frames) for each in blocks) == 50


@pytest.mark.slow
def test_a_camera_is_followed_by_rtsp(video):
    with RtspServer(video, speed=4) as server, capture_of(server.url).running() as capture:
        connected, *blocks, _ = follow(capture, until=Lost)

    levels = np.concatenate([each.frames for each in blocks]).mean(axis=(1, 2, 3))
    assert connected == Connected(0)
    assert server.methods[-3:] == ["DESCRIBE", "SETUP", "PLAY"]
    assert len(levels) == pytest.approx(250, abs=2)
    assert np.abs(levels - np.arange(len(levels)) % 200).max() < 4


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8, 40])
def test_pictures_without_times_are_shown_when_they_come(rate):
    port = free_port(socket.SOCK_STREAM)
    url = f"http://127.0.0.1:{port}"
    with picture_sender(port, rate=rate), capture_of(url).running() as capture:
        _, *blocks = follow(capture, until=Lost, seconds=7)

    levels = np.concatenate([each.frames for each in blocks]).mean(axis=(1, 2, 3))
    seconds = np.flatnonzero(np.diff(levels) > 5) / 25
    # Some of the first are there at once. At 25 per second, the others would be 0.32 or 1.6 apart.
    assert np.diff(seconds)[1:4] == pytest.approx([1, 1, 1], abs=0.45)


@pytest.mark.slow
def test_the_time_goes_on_by_the_wall_clock_while_a_sender_is_away(video):
    port = free_port(socket.SOCK_STREAM)
    capture = capture_of(f"http://127.0.0.1:{port}")
    with http_sender(video, port) as first, capture.running():
        (connected,) = follow(capture, until=Connected)
        began = time.monotonic()
        time.sleep(2)
        first.kill()
        *_, lost = follow(capture, until=Lost)
        assert isinstance(lost, Lost)
        time.sleep(1.5)
        with http_sender(video, port):
            (again,) = follow(capture, until=Connected)
            seconds = time.monotonic() - began
            *_, newest = follow(capture, until=Block)

    assert connected == Connected(0)
    assert 3.5 < again.time_seconds == pytest.approx(seconds, abs=1)
    assert newest.is_first
    assert newest.start_seconds == again.time_seconds


@pytest.mark.slow
def test_presentation_times_that_begin_again_are_a_gap_of_the_wall_clock(video):
    port = free_port(socket.SOCK_DGRAM)
    with capture_of(f"udp://127.0.0.1:{port}").running() as capture:
        with udp_sender(video, port):
            list(follow(capture, until=Connected))
            began = time.monotonic()
            time.sleep(3)
        time.sleep(1)
        with udp_sender(video, port):
            *_, lost = follow(capture, until=Lost)
            (again,) = follow(capture, until=Connected)
            seconds = time.monotonic() - began

    assert lost == Lost("the presentation times jump")
    assert again.time_seconds == pytest.approx(seconds, abs=1)


@pytest.mark.slow
def test_a_source_that_stays_away_is_tried_again_after_ever_longer_pauses(video, monkeypatch):
    monkeypatch.setattr(capture_module, "_FIRST_PAUSE_SECONDS", 0.1)
    tries = []
    read_sections = capture_module.read_sections

    def noted(source, **options):
        tries.append(time.monotonic())
        return read_sections(source, **options)

    monkeypatch.setattr(capture_module, "read_sections", noted)
    port = free_port(socket.SOCK_STREAM)
    with http_sender(video, port, speed=20), capture_of(f"http://127.0.0.1:{port}").running() as it:
        list(follow(it, until=Lost))
        while len(tries) < 5:
            time.sleep(0.01)

    longer = np.diff(tries)[1:] - [0.2, 0.4, 0.8]
    assert longer.min() > -0.01
    assert longer.max() < 1
