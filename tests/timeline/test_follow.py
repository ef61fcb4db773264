"""A live stream has the segments of a file; what is skipped is counted; it ends cleanly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque

import numpy as np
import pytest

from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.inference.receptive_field import count_logits
from i3d_rgb_tf.ir.forms import chunk_form
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.model import load_model
from i3d_rgb_tf.timeline.capture import Capture
from i3d_rgb_tf.timeline.follow import CHUNK_FRAMES, follow
from i3d_rgb_tf.timeline.output.rounding import round_score, round_span
from i3d_rgb_tf.timeline.segments import find_segments
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.timeline.waiting import Block, Connected, Ended, Lost, Waiting
from i3d_rgb_tf.video.clips import read_cropped
from i3d_rgb_tf.video.sources import parse_source
from live_senders import free_port, http_sender, udp_sender
from media import ffmpeg
from networks import save_small_i3d
from processes import obey_signals, without_coverage
from videos import write_video

pytestmark = pytest.mark.slow

NUM_FRAMES = 400


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return save_small_i3d(tmp_path_factory.mktemp("network") / "small.xml")


@pytest.fixture(scope="module")
def compiled(network):
    networks = Networks(network, NetworkOptions(inference_precision="f32", winograd=False))
    return networks.compile(chunk_form(CHUNK_FRAMES), "LATENCY").compiled


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Return a video of 16 seconds that shows two scenes in turn."""
    path = tmp_path_factory.mktemp("video") / "changing.mp4"
    random = np.random.default_rng(0)
    scenes = random.integers(0, 256, (2, 4, 4, 3), np.uint8)
    frames = [
        np.roll(scenes[index // 80 % 2], index // 3, axis=1).repeat(16, 0).repeat(16, 1)
        for index in range(NUM_FRAMES)
    ]
    return write_video(path, frames, options={"g": "25", "bf": "0", "preset": "ultrafast"})


@pytest.fixture(scope="module")
def timeline(network, video):
    return load_model(network, inference_precision="f32", winograd=False).timeline(video)


@pytest.fixture(scope="module")
def settings(timeline):
    """Return settings with which a label has segments that begin and end."""
    column = int(timeline.probabilities.std(axis=0).argmax())
    low, high = np.quantile(timeline.probabilities[:, column], [0.4, 0.6]).tolist()
    label = load_labels()[column]
    return SegmentSettings(high, low, min_seconds=0.3, merge_seconds=0.3, labels=(label,))


def segments_of(timeline, settings):
    return find_segments(
        timeline.start_seconds, timeline.end_seconds, timeline.probabilities, settings
    )


def rounded(segments):
    """Return segments as lines have them."""
    return sorted(
        (
            segment.label,
            *round_span(segment),
            round_score(segment.mean_score),
            round_score(segment.peak_score),
        )
        for segment in segments
    )


def closed(documents):
    """Return the segments that were closed, as lines have them."""
    names = ("label", "start_seconds", "end_seconds", "mean_score", "peak_score")
    return sorted(
        tuple(each[name] for name in names) for each in documents if each["event"] == "close"
    )


def events(documents):
    return [each["event"] for each in documents]


class Stream:
    """A stream of which the test decides what comes: some items each time there is a wait.

    With a pause, there is nothing in every second wait.
    """

    next_seconds = 0.0
    num_damaged = 3

    def __init__(self, items, waiting=None, *, per_get=1, pause_seconds=0.0):
        self.items = deque(items)
        self.waiting = waiting or Waiting(most=10**6, kept=1, sender_waits=False)
        self.per_get = per_get
        self.pause_seconds = pause_seconds
        self.time_seconds = 0.0
        self.is_pause = False

    def get(self, timeout):
        assert timeout > 0
        self.is_pause = not self.is_pause and self.pause_seconds > 0
        if self.is_pause:
            time.sleep(self.pause_seconds)
            return None
        for _ in range(self.per_get):
            if self.items:
                item = self.items.popleft()
                self.time_seconds = getattr(item, "end_seconds", self.time_seconds)
                self.waiting.put(item)
        return self.waiting.get(0)


def section(start, frames):
    """Return the items of a section of a stream."""
    blocks = [
        Block(start + place / 25, np.stack(frames[place : place + 8]), place == 0)
        for place in range(0, len(frames), 8)
    ]
    return [Connected(start), *blocks]


@pytest.fixture(scope="module")
def frames(video):
    return [frame.copy() for frame in read_cropped(video, 224)]


def documents_of(compiled, stream, settings, **options):
    return [each.document() for each in follow(compiled, stream, settings, **options)]


class TimedCompiled:
    """A network that needs a while for each chunk, or no time at all."""

    def __init__(self, compiled, seconds):
        self._compiled = compiled
        self._seconds = seconds

    def __getattr__(self, name):
        return getattr(self._compiled, name)

    def create_infer_request(self):
        return TimedRequest(self._compiled.create_infer_request(), self._seconds)


class TimedRequest:
    def __init__(self, request, seconds):
        self._request = request
        self._seconds = seconds
        self._end = 0.0

    def __getattr__(self, name):
        return getattr(self._request, name)

    def start_async(self, *arguments, **options):
        self._end = time.monotonic() + self._seconds
        self._request.start_async(*arguments, **options)
        if not self._seconds:
            self._request.wait()

    def wait_for(self, milliseconds):
        time.sleep(max(0, min(self._end - time.monotonic(), milliseconds / 1000)))
        return time.monotonic() >= self._end and self._request.wait_for(milliseconds)


# Segments.


def test_a_stream_has_the_segments_of_a_file(compiled, frames, timeline, settings):
    found = documents_of(compiled, Stream([*section(0, frames), Ended()]), settings)

    expected = rounded(segments_of(timeline, settings))
    assert len(expected) >= 2
    assert closed(found) == expected
    assert events(found)[0] == "connect"
    assert found[-1] == {
        "event": "end",
        "time_seconds": 16.0,
        "num_positions": count_logits(NUM_FRAMES),
        "num_skipped": 0,
        "num_damaged": 3,
    }


def test_a_segment_opens_once_grows_and_closes(compiled, frames, settings):
    found = documents_of(compiled, Stream([*section(0, frames), Ended()]), settings)

    for label in settings.labels:
        kinds = [each["event"] for each in found if each.get("label") == label]
        text = "".join({"open": "<", "grow": "-", "close": ">"}[kind] for kind in kinds)
        assert text.count("<") >= 2
        assert "-" in text
        assert text.replace("-", "").replace("<>", "") == ""
        assert not text.startswith("-")


@pytest.mark.parametrize("num_frames", [1, 8, 9, 20, 63, 77, 203])
def test_a_stream_of_any_length_has_its_positions(compiled, frames, num_frames):
    found = documents_of(
        compiled, Stream([*section(0, frames[:num_frames]), Ended()]), SegmentSettings()
    )

    assert found[-1]["num_positions"] == max(0, count_logits(num_frames))


def test_a_position_is_known_62_frames_after_its_centre(compiled, frames):
    """If the network takes no time; each position makes a line."""
    settings = SegmentSettings(enter=1e-9, leave=1e-12, min_seconds=0, labels=("abseiling",))
    stream = Stream([*section(0, frames), Ended()], pause_seconds=0.001)

    late = [
        event.time_seconds - (event.segment.end_seconds - 4 / 25)
        for event in follow(TimedCompiled(compiled, 0), stream, settings)
        # Those at the end do not lag.
        if event.event in ("open", "grow") and stream.items
    ]

    assert len(late) >= 8
    assert min(late) > 53.9 / 25
    assert max(late) < 63.1 / 25


def test_a_short_gap_joins_segments_and_a_long_one_closes_them(compiled, frames):
    settings = SegmentSettings(enter=1e-9, leave=1e-12, labels=("abseiling",), merge_seconds=1)

    def found(gap):
        lost = Lost("it ended")
        items = [*section(0, frames[:80]), lost, *section(3.2 + gap, frames[80:160]), Ended()]
        return documents_of(compiled, Stream(items), settings)

    assert [each[1:3] for each in closed(found(0.9))] == [(0.0, 7.3)]
    assert [each[1:3] for each in closed(found(1.1))] == [(0.0, 3.2), (4.3, 7.5)]


def test_what_came_before_a_loss_is_told_and_closed_while_nothing_comes(compiled, frames):
    settings = SegmentSettings(enter=1e-9, leave=1e-12, labels=("abseiling",))
    stream = Stream([*section(0, frames[:80]), Lost("it ended")])
    stream.next_seconds = 5.0

    found = []
    for event in follow(compiled, stream, settings):
        found.append(event.document())
        if event.event == "close":
            break

    assert events(found)[-2:] == ["lost", "close"]
    assert closed(found)[0][1:3] == (0.0, 3.2)


def test_the_error_of_a_source_is_raised_after_the_segments_are_closed(compiled, frames):
    settings = SegmentSettings(enter=1e-9, leave=1e-12, labels=("abseiling",))
    stream = Stream([*section(0, frames[:80]), Ended(ZeroDivisionError("a mistake"))])
    found = []

    with pytest.raises(ZeroDivisionError, match="a mistake"):
        found.extend(each.document() for each in follow(compiled, stream, settings))

    assert events(found)[-2:] == ["close", "end"]


def test_an_error_before_the_first_frame_is_all(compiled):
    followed = follow(compiled, Stream([Ended(ZeroDivisionError("a mistake"))]), SegmentSettings())

    with pytest.raises(ZeroDivisionError, match="a mistake"):
        next(followed)


def test_a_stop_before_the_first_frame_is_an_end(compiled):
    found = documents_of(compiled, Stream([]), SegmentSettings(), is_stopped=lambda: True)

    assert events(found) == ["end"]
    assert (found[0]["time_seconds"], found[0]["num_positions"]) == (0.0, 0)


# What is skipped.


@pytest.mark.parametrize("per_get", [2, 3, 7])
@pytest.mark.parametrize("most", [3, 9, 15])
def test_positions_and_those_skipped_are_all(compiled, frames, per_get, most):
    lengths = [200, 9, 77, 160, 5]
    items, start = [], 0.0
    for length in lengths:
        items += [*section(start, frames[:length]), Lost("it ended")]
        start += length / 25 + 2
    waiting = Waiting(most=most, kept=2, sender_waits=False)

    found = documents_of(
        compiled, Stream([*items, Ended()], waiting, per_get=per_get), SegmentSettings()
    )

    end, skips = found[-1], [each for each in found if each["event"] == "skip"]
    assert end["num_skipped"] > 0
    assert end["num_skipped"] == sum(each["num_positions"] for each in skips)
    total = sum(max(0, count_logits(length)) for length in lengths)
    assert end["num_positions"] + end["num_skipped"] == total


@pytest.mark.slow
def test_a_network_slower_than_a_stream_of_twice_the_speed_skips(compiled, video):
    port = free_port(socket.SOCK_STREAM)
    slow, found = TimedCompiled(compiled, 0.8), []
    capture = Capture(parse_source(f"http://127.0.0.1:{port}"), size=224)
    with http_sender(video, port, speed=2), capture.running():
        # 20 frames per second of 50.
        followed = follow(
            slow, capture, SegmentSettings(), is_stopped=lambda: "lost" in events(found)
        )
        found.extend(each.document() for each in followed)

    end = found[-1]
    assert end["time_seconds"] == NUM_FRAMES / 25
    assert end["num_skipped"] >= 10
    assert end["num_positions"] + end["num_skipped"] == count_logits(NUM_FRAMES)


# The command.


def command(network, source, settings=None, *others):
    chosen = []
    if settings:
        for name in ("enter", "leave", "min_seconds", "merge_seconds"):
            chosen += [f"--{name.replace('_', '-')}", repr(getattr(settings, name))]
        chosen += [part for label in settings.labels for part in ("--label", label)]
    program = [sys.executable, "-m", "i3d_rgb_tf", "timeline", "--live", source, "-m", str(network)]
    return [*program, "--inference-precision", "f32", "--no-winograd", *chosen, *others]


def start(*arguments, **options):
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=without_coverage(),
        **obey_signals(),
        **options,
    )


ALWAYS = SegmentSettings(enter=1e-9, leave=1e-12, labels=("abseiling",))


@pytest.mark.slow
def test_a_pipe_gives_the_segments_of_the_file_and_ends_well(network, video, timeline, settings):
    sent = ffmpeg("-i", video, "-c", "copy", "-f", "matroska", "-")

    done = subprocess.run(
        command(network, "-", settings),
        input=sent,
        capture_output=True,
        env=without_coverage(),
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert closed(found) == rounded(segments_of(timeline, settings))
    assert found[-1]["num_skipped"] == 0
    assert "lost" not in events(found)


STOPS = [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status", "said"), STOPS)
def test_a_signal_closes_the_segments_and_ends(network, video, number, status, said):
    port = free_port(socket.SOCK_DGRAM)
    with start(network, f"udp://127.0.0.1:{port}", ALWAYS) as process, udp_sender(video, port):
        lines = []
        while not lines or json.loads(lines[-1])["event"] != "open":
            lines.append(process.stdout.readline())
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)

    found = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert process.returncode == status
    assert errors == f"i3d-rgb-tf: {said}\n"
    assert events(found)[-2:] == ["close", "end"]
    assert events(found).count("open") == events(found).count("close")


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_it_even_if_nothing_happens(network, video):
    port = free_port(socket.SOCK_DGRAM)
    never = SegmentSettings(enter=1.0, leave=1.0, labels=("abseiling",))
    with start(network, f"udp://127.0.0.1:{port}", never) as process, udp_sender(video, port):
        assert json.loads(process.stdout.readline())["event"] == "connect"
        process.stdout.close()
        process.wait(60)

    assert process.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--live", "ftp://127.0.0.1/a"], "cannot follow ftp://: expected"),
        (["--live", "a.mp4"], "cannot follow a.mp4: expected"),
        (["--live", "http://"], "cannot follow http://: expected"),
    ],
)
def test_an_unknown_source_is_one_line(arguments, said, network, capsys):
    from i3d_rgb_tf.cli import main

    assert main(["timeline", *arguments, "-m", str(network)]) == 1

    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"i3d-rgb-tf: error: {said}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["--live", "-", "a.mp4"], ["--live", "-", "--output-dir", "out"], []]
)
def test_wrong_usage_exits_with_2(arguments):
    from i3d_rgb_tf.cli import main

    with pytest.raises(SystemExit) as caught:
        main(["timeline", *arguments])
    assert caught.value.code == 2


@pytest.mark.slow
def test_a_pipe_without_a_video_is_one_line(network):
    done = subprocess.run(
        command(network, "-"),
        input=b"",
        capture_output=True,
        env=without_coverage(),
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"i3d-rgb-tf: error: cannot read standard input: it is empty, ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_a_sender_that_is_killed_and_comes_back_is_followed_on(network, video):
    port = free_port(socket.SOCK_STREAM)
    source = f"http://127.0.0.1:{port}"
    with http_sender(video, port) as first, start(network, source, ALWAYS) as process:
        found = []

        def read_until(event):
            while not found or found[-1]["event"] != event:
                found.append(json.loads(process.stdout.readline()))

        read_until("connect")
        began = time.monotonic()
        read_until("open")
        os.kill(first.pid, signal.SIGKILL)
        read_until("lost")
        time.sleep(3)
        with http_sender(video, port):
            read_until("connect")
            seconds = time.monotonic() - began
            read_until("open")
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)

    found += [json.loads(line) for line in rest.splitlines()]
    again = [each for each in found if each["event"] == "connect"][1]["time_seconds"]
    assert again == pytest.approx(seconds, abs=1)
    first_segment, second_segment = (each for each in found if each["event"] == "close")
    assert first_segment["start_seconds"] == 0.0
    assert second_segment["start_seconds"] == again
