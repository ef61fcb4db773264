"""Tell whether what is on disk is the published model and computes what it should."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.convert import convert_graph
from i3d_rgb_tf.errors import I3DError, ModelError
from i3d_rgb_tf.graph import read_frozen_graph
from i3d_rgb_tf.ir import read_ir, read_provenance
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.spec import PRECISIONS, Precision, load_spec
from i3d_rgb_tf.tensors import UNKNOWN_WEIGHTS, identify
from i3d_rgb_tf.video import read_frames

__all__ = ["TOLERANCES", "Check", "predict_pixels", "verify", "waves_clip", "waves_probabilities"]

TOLERANCES: dict[Precision, float] = {"FP32": 1e-5, "FP16": 5e-3, "FP16-INT8": 0.1}
"""Largest difference of a probability, inferred in float32, that a precision explains."""

_DATA = Path(__file__).parent / "data"
_GOLDEN_WEIGHTS = "rgb_scratch"


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    """What was checked."""
    status: Literal["passed", "failed", "skipped"]
    """The answer; ``skipped`` when it could not be asked."""
    detail: str
    """What was found, and what was expected."""


def verify(directory: Path, *, sample: Path | None = None) -> list[Check]:
    """Check the frozen graph and every IR in a tree of the zoo.

    Parameters
    ----------
    directory
        Root of the tree.
    sample
        DeepMind's sample clip ``v_CricketShot_g04_c01_rgb``, the .npy or the .gif.

    Returns
    -------
    list of Check
        The tensors of the graph against DeepMind's checksums; for each IR that is there, what it
        computes for the `waves` clip and, if given, the sample.
    """
    spec = load_spec()
    graph = spec.frozen_graph_path(directory)
    check, held = _check_tensors(graph)
    checks = [check]
    found = False
    for precision in PRECISIONS:
        path = spec.ir_path(directory, precision)
        if path.is_file():
            found = True
            checks += _check_ir(path, precision, graph, held, sample)
    if not found:
        checks.append(Check("IR", "skipped", f"none in {spec.folder(directory)}"))
    return checks


def waves_clip() -> NDArray[np.uint8]:
    """Return a clip of moving waves that needs no file: (79, 224, 224, 3) uint8, RGB, 0..255.

    Each colour is a product of two waves that travel in x, y and time. The original stack's
    outputs for it are known, see `waves_probabilities`.
    """
    spec = load_spec()
    axes = (spec.num_frames, spec.frame_size, spec.frame_size, 3)
    t, y, x, c = np.meshgrid(*map(np.arange, axes), indexing="ij", sparse=True)
    across = np.sin(2 * np.pi * (x / (32 + 8 * c) + y / 48 + t / (16 + 4 * c)))
    down = np.cos(2 * np.pi * (y / (64 + 16 * c) - t / 20))
    return np.clip(np.rint(127.5 + 127.5 * across * down), 0, 255).astype(np.uint8)


@lru_cache
def waves_probabilities() -> NDArray[np.float32]:
    """Return what TensorFlow 1.11 with Sonnet 1.26 and rgb_scratch computes for `waves_clip`.

    (400,) float32.
    """
    probabilities: NDArray[np.float32] = np.load(_DATA / "waves.npy")
    return probabilities


def predict_pixels(model: Any, clip: NDArray[Any]) -> NDArray[np.float32]:
    """Infer one clip in float32 arithmetic on the CPU, with nothing between it and the network.

    Parameters
    ----------
    model
        An ``openvino.Model`` for (1, 79, 3, 224, 224).
    clip
        (79, 224, 224, 3), RGB, 0..255.

    Returns
    -------
    ndarray
        (400,) float32.
    """
    import openvino

    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    batch = np.ascontiguousarray(clip.transpose(0, 3, 1, 2)[np.newaxis], dtype=np.float32)
    probabilities: NDArray[np.float32] = compiled(batch)[0][0]
    return probabilities


def _check_tensors(graph: Path) -> tuple[Check, str | None]:
    """Return the answer, and which weights the graph holds; None if there is none to read."""
    name = "tensors"
    if not graph.exists():
        return Check(name, "skipped", f"no frozen graph at {graph}"), None
    try:
        tensors = read_frozen_graph(graph)
    except I3DError as error:
        return Check(name, "failed", str(error)), None
    weights = identify(tensors)
    if weights is None:
        detail = f"{graph} holds weights that DeepMind did not publish"
        return Check(name, "failed", detail), UNKNOWN_WEIGHTS
    detail = f"all {len(tensors)} are DeepMind's {weights}, by CRC32C"
    return Check(name, "passed", detail), weights


def _check_ir(
    path: Path, precision: Precision, graph: Path, held: str | None, sample: Path | None
) -> list[Check]:
    name = f"{precision} waves"
    try:
        model = read_ir(path)
        provenance = read_provenance(model)
        weights = provenance.weights
        # An IR of the zoo's own tools says nothing.
        if provenance.source_sha384 and held not in (weights, None):
            raise ModelError(
                f"{path} says that it holds {weights}, but the graph {graph} holds {held}; "
                "convert again"
            )
        expected, whose = _reference(weights, graph)
    except I3DError as error:
        return [Check(name, "failed", str(error))]
    found = predict_pixels(model, waves_clip())
    difference = float(np.abs(found - expected).max())
    tolerance = TOLERANCES[precision]
    passed = difference <= tolerance and found.argmax() == expected.argmax()
    detail = (
        f"{weights}, differs from {whose} by {difference:.1e}, at most {tolerance:.0e} expected"
    )
    checks = [Check(name, "passed" if passed else "failed", detail)]
    if sample:
        checks.append(_check_sample(model, precision, sample))
    return checks


def _reference(weights: str, graph: Path) -> tuple[NDArray[np.float32], str]:
    """Return what an IR should compute for the waves, and where that is from.

    The original stack's outputs are known for one set of weights. For others the reference is
    the proven graph itself, converted anew.
    """
    if weights == _GOLDEN_WEIGHTS:
        return waves_probabilities(), "the original TensorFlow 1.11 stack"
    if not graph.exists():
        raise ModelError(
            f"nothing to compare {weights} with: no frozen graph at {graph}; "
            "get it with: i3d-rgb-tf download"
        )
    model = convert_graph(graph, allow_unknown=weights == UNKNOWN_WEIGHTS)
    return predict_pixels(model, waves_clip()), "a fresh conversion of the graph"


def _check_sample(model: Any, precision: Precision, sample: Path) -> Check:
    """Compare with the list DeepMind's repository publishes, which rgb_imagenet gave."""
    published = (_DATA / "sample_actions.txt").read_text(encoding="utf-8").splitlines()
    name = f"{precision} sample"
    try:
        clip = _read_sample(sample)
    except (I3DError, OSError, ValueError) as error:
        return Check(name, "failed", f"cannot use {sample}: {error}")
    probabilities = predict_pixels(model, clip)
    labels = load_labels()
    found = [labels[index] for index in np.argsort(-probabilities)[: len(published)]]
    common = len(set(found) & set(published))
    detail = (
        f"{found[0]} {probabilities.max():.4f}, published {published[0]}; "
        f"{common} of the {len(published)} published top classes among the first {len(found)}"
    )
    return Check(name, "passed" if found[0] == published[0] else "failed", detail)


def _read_sample(sample: Path) -> NDArray[Any]:
    """Return the sample as pixels: the .npy holds (1, 79, 224, 224, 3) float32, -1..1."""
    spec = load_spec()
    if sample.suffix == ".npy":
        clip: NDArray[Any] = np.load(sample, allow_pickle=False)
        clip = clip.reshape(clip.shape[-4:]) * spec.scale + spec.mean
    else:
        clip = np.stack(list(_native_frames(sample)))
    expected = (spec.num_frames, spec.frame_size, spec.frame_size, 3)
    if clip.shape != expected:
        raise ModelError(f"the clip has shape {clip.shape}, expected {expected}")
    return clip


def _native_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    return read_frames(path, frames_per_second=None, short_side=None)
