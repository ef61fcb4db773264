"""Arguments that several commands share mean the same everywhere."""

from __future__ import annotations

import pytest

from i3d_rgb_tf.cli import build_parser


@pytest.mark.parametrize(
    "command",
    [
        ["classify", "a.mp4"],
        ["benchmark"],
        ["evaluate", "prepared", "-m", "a.xml", "-o", "out"],
        ["verify"],
    ],
    ids=lambda command: command[0],
)
def test_winograd_can_be_switched_off_where_a_model_is_inferred(command: list[str]) -> None:
    parser = build_parser()

    assert parser.parse_args(command).winograd is True
    assert parser.parse_args([*command, "--no-winograd"]).winograd is False


@pytest.mark.parametrize(
    "command",
    [
        ["classify", "a.mp4"],
        ["timeline", "a.mp4"],
        ["features", "a.mp4", "--output-dir", "out"],
        ["ui"],
        ["benchmark"],
        ["evaluate", "prepared", "-m", "a.xml", "-o", "out"],
        ["verify"],
    ],
    ids=lambda command: command[0],
)
def test_threads_can_be_limited_where_a_model_is_inferred(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = build_parser()

    assert parser.parse_args(command).threads is None
    assert parser.parse_args([*command, "--threads", "2"]).threads == 2
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args([*command, "--threads", "0"])
    assert "got '0', expected a whole number, at least 1" in capsys.readouterr().err
