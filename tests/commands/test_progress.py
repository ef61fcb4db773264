"""Bars are drawn on a terminal only; in a log, a long list says at times how far it is."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from i3d_rgb_tf.commands import progress
from i3d_rgb_tf.commands.progress import progress_bar, with_rate


class FakeTerminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True

    def last_line(self) -> str:
        """Return the last line that was drawn; each begins with a carriage return."""
        return self.getvalue().rpartition("\r")[2]


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> FakeTerminal:
    """Make standard error a terminal; called in the test, because pytest replaces it before."""
    terminal = FakeTerminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_there_is_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("video") as show:
        show(1, 2)
        show(2, 2)

    assert capsys.readouterr() == ("", "")


def test_each_step_updates_the_number_done_and_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    lines = []

    with progress_bar("video") as show:
        for done, total in ((1, 4), (3, 4), (3, 6)):
            show(done, total)
            lines.append(terminal.last_line())

    for line, percent, count in zip(lines, (25, 75, 50), ("1/4", "3/4", "3/6"), strict=True):
        assert line.startswith(f" {percent}%|")
        assert f"| {count} [" in line
        assert "video" in line


def test_bytes_are_shown_with_a_unit_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)

    with progress_bar("B") as show:
        show(2_000_000, 50_000_000)
        line = terminal.last_line()

    assert "| 2.00M/50.0M [" in line


def test_the_bar_is_removed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)

    with progress_bar("video") as show:
        show(1, 2)

    *_, drawn, erased, rest = terminal.getvalue().split("\r")
    assert "1/2" in drawn
    assert erased.strip() == ""
    assert rest == ""


class Clock:
    """A clock that stands still until it is moved."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that progress is measured with."""
    clock = Clock()
    monkeypatch.setattr(progress, "monotonic", clock)
    return clock


def infer(count: int, seconds: int, clock: Clock) -> Iterator[int]:
    """Give the number of each video after so many seconds."""
    for number in range(count):
        clock.seconds += seconds
        yield number


def test_a_log_says_at_most_once_a_minute_how_far_a_list_is(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(with_rate(infer(299, 25, clock), 299)) == list(range(299))

    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert lines[:2] == [
        "3/299 videos, 2:03:20 left, 144 videos per hour",
        "6/299 videos, 2:02:05 left, 144 videos per hour",
    ]
    assert lines[-1] == "297/299 videos, 00:50 left, 144 videos per hour"
    assert len(lines) == 99


def test_a_short_list_says_nothing_in_a_log(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(with_rate(infer(3, 20, clock), 3)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_videos_of_a_minute_have_a_line_each_but_the_last(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(with_rate(infer(3, 60, clock), 3)) == [0, 1, 2]
    assert capsys.readouterr().err.splitlines() == [
        "1/3 videos, 02:00 left, 60 videos per hour",
        "2/3 videos, 01:00 left, 60 videos per hour",
    ]


def test_a_terminal_has_a_bar_with_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)

    for number in with_rate(iter(range(3)), 3):
        print(f"video {number} cannot be read", file=sys.stderr)

    drawn = terminal.getvalue()
    assert "video 2 cannot be read\n" in drawn
    assert "| 3/3 videos, 00:00 left, " in terminal.last_line()
    assert terminal.last_line().endswith(" videos per hour\n")
