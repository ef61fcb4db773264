"""Progress bars are drawn on a terminal only, and show the number done and the total."""

from __future__ import annotations

import io
import sys

import pytest

from i3d_rgb_tf.commands.progress import progress_bar


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
