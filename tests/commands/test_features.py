"""The features command: its settings, what it prints, and its exit status."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fake_networks import FakeNetworks, infer_dense
from i3d_rgb_tf import cli, model
from i3d_rgb_tf.commands import features
from i3d_rgb_tf.features import extract
from i3d_rgb_tf.features.presets import PRESETS
from i3d_rgb_tf.features.settings import FeatureSettings
from videos import ramp, write_video


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a video of 40 frames; the model is a small one."""
    networks = FakeNetworks(tmp_path / "model.xml")
    monkeypatch.setattr(extract, "infer_dense", infer_dense)
    monkeypatch.setattr(model, "load_model", lambda *_, **__: SimpleNamespace(networks=networks))
    return write_video(tmp_path / "ramp.mp4", ramp(40))


@pytest.fixture
def run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[list[str], list[str]]]:
    """Give what runs the command with an output folder and returns the lines of both streams."""

    def run(*arguments: object, status: int = 0) -> tuple[list[str], list[str]]:
        command = ["features", *map(str, arguments), "--output-dir", str(tmp_path / "out")]
        assert cli.main(command) == status
        captured = capsys.readouterr()
        return captured.out.splitlines(), captured.err.splitlines()

    return run


def settings_of(*options: str) -> FeatureSettings:
    parser = argparse.ArgumentParser()
    features.add_arguments(parser)
    arguments = parser.parse_args(["x.mp4", "--output-dir", "out", *options])
    return features.read_settings(arguments)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], FeatureSettings()),
        (["--dense"], FeatureSettings()),
        (["--window", "16"], FeatureSettings(window=16, stride=16)),
        (
            ["--window", "16", "--stride", "4", "--fps", "native", "--last-window", "pad"],
            FeatureSettings(window=16, stride=4, frames_per_second=None, last_window="pad"),
        ),
        (["--fps", "30000/1001"], FeatureSettings(frames_per_second=30000 / 1001)),
        (["--crops", "10", "--segments", "32"], FeatureSettings(crops=10, segments=32)),
        (["--pooling", "mean", "--logits"], FeatureSettings(pooling="mean", logits=True)),
        *((["--preset", name], preset.settings) for name, preset in PRESETS.items()),
        (
            ["--preset", "thumos14", "--fps", "25", "--stride", "16"],
            FeatureSettings(window=16, stride=16, frames_per_second=25.0),
        ),
        (
            ["--preset", "thumos14", "--window", "32"],
            FeatureSettings(window=32, stride=4, frames_per_second=None),
        ),
        (["--preset", "thumos14", "--dense"], FeatureSettings(frames_per_second=None)),
        (
            ["--preset", "charades", "--window", "16"],
            FeatureSettings(window=16, stride=16, frames_per_second=24.0),
        ),
    ],
    ids=str,
)
def test_options_become_settings_and_override_a_preset(
    options: list[str], expected: FeatureSettings
) -> None:
    assert settings_of(*options) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--window", "8"], "window is 8, expected 9 to 384 frames"),
        (["--stride", "4"], "stride is 4 without a window, expected 8"),
        (["--last-window", "pad"], "last_window is pad without a window"),
        (["--window", "16", "--dense"], "not allowed with argument"),
        (["--fps", "fast"], "got 'fast', expected a number such as 25 or 30000/1001, or native"),
        (["--fps", "1/0"], "got '1/0'"),
        (["--fps", "-25"], "got '-25'"),
        (["--crops", "2"], "invalid choice: 2"),
        (["--segments", "0"], "got '0'"),
        (["--segments", "32", "--pooling", "mean"], "expected one of them; leave one out"),
        (["--preset", "kinetics"], "invalid choice: 'kinetics'"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_wrong_usage(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["features", "x.mp4", "--output-dir", str(tmp_path / "out"), *options]

    with pytest.raises(SystemExit, match="2"):
        cli.main(command)

    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_the_help_says_that_the_two_kinds_differ(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["features", "--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert "There are two kinds. Their numbers differ" in text
    for name in PRESETS:
        assert name in text


def test_a_line_for_each_video_says_shape_seconds_and_file(
    run, video: Path, tmp_path: Path
) -> None:
    short = write_video(tmp_path / "short.mp4", ramp(4))
    path = tmp_path / "out"

    lines, errors = run(video, short, "--window", 16)
    again, _ = run(video, short, "--window", 16)

    assert lines == [
        f"{video}: 2 x 1024, 1.6 s, {path / 'ramp.json'}",
        f"{short}: 1 x 1024, 0.2 s, {path / 'short.json'} (repeated, because it is short)",
    ]
    assert errors == []
    assert again[0] == f"{lines[0]} (was there already)"
    assert np.load(path / "ramp_rgb.npy").shape == (2, 1024)


def test_json_lists_what_was_written(run, video: Path, tmp_path: Path) -> None:
    lines, _ = run(video, "--crops", 3, "--format", "json")

    assert json.loads("\n".join(lines)) == [
        {
            "video": str(video),
            "path": str(tmp_path / "out" / "ramp.json"),
            "shape": [4, 3, 1024],
            "duration_seconds": 1.6,
            "is_repeated": False,
            "is_new": True,
        }
    ]


def test_a_bad_video_is_reported_and_the_others_are_written(
    run, video: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    lines, errors = run(tmp_path / "gone.mp4", video, empty, status=1)

    assert len(lines) == 1
    assert [line.startswith("i3d-rgb-tf: error: ") for line in errors] == [True, True]
    assert (tmp_path / "out" / "ramp.json").exists()


def test_names_are_printed_without_control_characters(run, video: Path) -> None:
    odd = video.rename(video.with_name("é动\x1b[2J\n.mp4"))

    lines, _ = run(odd)
    _, errors = run(odd, "--window", 16, status=1)
    (document,) = json.loads("\n".join(run(odd, "--format", "json")[0]))

    assert "é动\\x1b[2J\\n.mp4: 4 x 1024" in lines[0]
    assert "é动\\x1b[2J\\n.json was made in another way" in errors[0]
    assert document["video"] == str(odd)


def test_a_video_that_is_named_twice_is_read_once(run, video: Path) -> None:
    lines, _ = run(video, video)

    assert len(lines) == 1


def test_two_videos_of_one_name_stop_the_run(run, video: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(video, other)

    lines, errors = run(video, other, status=1)

    assert lines == []
    (line,) = errors
    assert f"{video} and {other / 'ramp.mp4'} would both be written to ramp_rgb.npy" in line
    assert not (tmp_path / "out").exists()


def test_other_settings_stop_the_run_and_overwrite_replaces(run, video: Path) -> None:
    run(video, "--window", 16)

    _, errors = run(video, "--window", 24, status=1)
    lines, _ = run(video, "--window", 24, "--overwrite")

    (line,) = errors
    assert "settings.window 16, expected 24" in line
    assert "--overwrite" in line
    assert "1 x 1024" in lines[0]
