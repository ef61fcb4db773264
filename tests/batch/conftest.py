"""A quick model, and a list of good and broken videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from networks import save_convolution_network
from videos import gray, write_video

NUM_GOOD = 6

collect_ignore = ["ray_cluster"]
"""It runs in an environment that nox makes: make test-zoo."""


@pytest.fixture(scope="session")
def quick_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model for clips that is quick; do not change it."""
    return save_convolution_network(tmp_path_factory.mktemp("quick") / "quick.xml")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of short videos, some broken, and ``list.txt``; do not change it."""
    folder = tmp_path_factory.mktemp("archive")
    videos = [folder / f"{index % 3}" / f"a{index // 3}.mp4" for index in range(NUM_GOOD)]
    for index, video in enumerate(videos):
        video.parent.mkdir(exist_ok=True)
        write_video(video, [gray(30 * index + 10)] * 12)
    broken = {
        "empty.mp4": b"",
        "text.mp4": b"no video",
        "cut.mp4": videos[0].read_bytes()[:-200],
    }
    for name, content in broken.items():
        (folder / name).write_bytes(content)
    videos += [folder / name for name in (*broken, "missing.mp4")]
    (folder / "list.txt").write_text("".join(f"{video}\n" for video in videos))
    return folder
