"""docs/own-classes.md runs as it is written, on real clips."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from test_docs import REPOSITORY, run_page, without_blocks

PAGE = REPOSITORY / "docs" / "own-classes.md"


@pytest.fixture
def folder(
    model_root: Path, shared_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Enter a folder with a model tree and the videos that the page lists."""
    (tmp_path / "public").symlink_to(model_root / "public", target_is_directory=True)
    for name in re.findall(r"^\| `(videos/.+?)` \|", without_blocks(PAGE), re.MULTILINE):
        video = tmp_path / name
        video.parent.mkdir(parents=True)
        video.symlink_to(shared_folder / "clips" / video.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_the_page_trains_a_classifier_and_finds_similar_moments(folder: Path) -> None:
    namespace = run_page(PAGE)

    assert len(list(folder.glob("videos/*/*"))) == len(namespace["found"]) == 4
    # Nothing that the classifier was judged by was seen in training.
    assert 0 < namespace["is_held_out"].sum() < len(namespace["labels"])
