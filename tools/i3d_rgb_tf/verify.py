"""Verify that what is on disk is the published model and computes what it should."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.choices import UNKNOWN_WEIGHTS, Convolution, Precision
from i3d_rgb_tf.errors import I3DError, ModelError
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.convert import convert_graph
from i3d_rgb_tf.ir.convolution import choose_convolution
from i3d_rgb_tf.ir.files import ConvertedModel, display_name, list_models, read_ir
from i3d_rgb_tf.ir.layouts import find_layout
from i3d_rgb_tf.ir.metadata import read_provenance
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.quantization.acceptance import read_record
from i3d_rgb_tf.reference import waves_clip, waves_probabilities
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.decode import read_frames
from i3d_rgb_tf.weights.frozen_graph import read_frozen_graph
from i3d_rgb_tf.weights.tensors import identify

__all__ = ["TOLERANCES", "Check", "predict_pixels", "verify"]

TOLERANCES: dict[Precision, float] = {"FP32": 1e-5, "FP16": 5e-3, "FP16-INT8": 0.1}
"""Largest difference of a probability, inferred in float32, that each precision may have."""

_DATA = Path(__file__).parent / "data"
_GOLDEN_WEIGHTS = "rgb_scratch"


@dataclass(frozen=True)
class Check:
    """One check and its result."""

    name: str
    """What was checked."""
    status: Literal["passed", "failed", "skipped"]
    """The result; ``skipped`` when there is nothing to check."""
    detail: str
    """What was found, and what was expected."""
    convolution: Convolution | None = None
    """How the convolutions were computed; None where nothing was inferred."""


def verify(
    directory: Path,
    *,
    sample: Path | None = None,
    winograd: bool = True,
    num_threads: int | None = None,
) -> list[Check]:
    """Check the frozen graph and every IR in a model tree.

    Parameters
    ----------
    directory
        Root of the tree.
    sample
        DeepMind's sample clip ``v_CricketShot_g04_c01_rgb``, the .npy or the .gif.
    winograd
        Whether the convolutions of an IR are computed with fewer multiplications, as in
        `i3d_rgb_tf.model.load_model`, where that is faster in float32.
    num_threads
        Threads that infer; None for all usable cores.

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
    models = list(list_models(directory))
    for each in models:
        checks += _check_ir(each, graph, held, sample, winograd, num_threads)
    if not models:
        checks.append(Check("IR", "skipped", f"none in {spec.folder(directory)}"))
    return checks


def predict_pixels(
    model: Any,
    clip: NDArray[Any],
    *,
    convolution: Convolution = "direct",
    num_threads: int | None = None,
) -> NDArray[np.float32]:
    """Infer one clip in float32 arithmetic on the CPU.

    Parameters
    ----------
    model
        An ``openvino.Model`` with one of `choices.LAYOUTS`.
    clip
        (79, 224, 224, 3), RGB, 0..255.
    convolution
        How the convolutions are computed.
    num_threads
        Threads that infer; None for all usable cores.

    Returns
    -------
    ndarray
        (400,) float32.
    """
    compiled = compile_model(
        model.clone(),
        inference_precision="f32",
        pixel_type="float32",
        convolution=convolution,
        num_threads=num_threads,
        cache=False,
    )
    probabilities: NDArray[np.float32] = compiled(clip[np.newaxis].astype(np.float32))[0][0]
    return probabilities


def _check_tensors(graph: Path) -> tuple[Check, str | None]:
    """Return the check, and which weights the graph holds; None if no graph can be read."""
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
    each: ConvertedModel,
    graph: Path,
    held: str | None,
    sample: Path | None,
    winograd: bool,
    num_threads: int | None,
) -> list[Check]:
    name = display_name(each.precision, each.layout)
    try:
        model = read_ir(each.path)
        _check_layout(each, find_layout(model))
        _check_origin(each, model)
        provenance = read_provenance(model)
        weights = provenance.weights
        # An IR of the zoo's own tools names no weights.
        if provenance.source_sha384 and held not in (weights, None):
            raise ModelError(
                f"{each.path} names the weights {weights}, but the graph {graph} holds {held}; "
                "convert again"
            )
        expected, whose = _reference(weights, graph, num_threads)
    except I3DError as error:
        return [Check(f"{name} waves", "failed", str(error))]
    convolution = choose_convolution("CPU", "f32", model=model, winograd=winograd).convolution
    predict = partial(predict_pixels, model, convolution=convolution, num_threads=num_threads)
    found = predict(waves_clip())
    difference = float(np.abs(found - expected).max())
    tolerance = TOLERANCES[each.precision]
    passed = difference <= tolerance and found.argmax() == expected.argmax()
    detail = (
        f"{weights}, differs from {whose} by {difference:.1e}, at most {tolerance:.0e} expected"
    )
    checks = [Check(f"{name} waves", "passed" if passed else "failed", detail, convolution)]
    if sample:
        check = _check_sample(predict, f"{name} sample", sample)
        checks.append(replace(check, convolution=convolution))
    return checks


def _check_layout(each: ConvertedModel, layout: str | None) -> None:
    """Check that tools get the layout that they expect of the file, by its name."""
    if layout != each.layout:
        remedy = f"convert --layout {each.layout} --precisions {each.precision}"
        if display_name(each.precision, each.layout) == "FP16-INT8":
            remedy = "quantize"
        raise ModelError(
            f"{each.path} takes {layout}, expected {each.layout} by its name; other tools would "
            f"give wrong results without an error, so make it again with: i3d-rgb-tf {remedy}"
        )


def _check_origin(each: ConvertedModel, model: Any) -> None:
    """Check that a model in another layout is not older than the one that it was made from."""
    original = each.path.with_name(f"{load_spec().name}.xml")
    if each.path == original or not original.is_file():
        return
    found, expected = (
        (read_provenance(each), read_record(each)) for each in (model, read_ir(original))
    )
    if expected[0].source_sha384 and found != expected:
        raise ModelError(
            f"{each.path} is not of the same model as {original.name}; make it again with: "
            f"i3d-rgb-tf convert --layout {each.layout} --precisions {each.precision}"
        )


def _reference(
    weights: str, graph: Path, num_threads: int | None
) -> tuple[NDArray[np.float32], str]:
    """Return what an IR should compute for the waves, and where that is from.

    The original stack's outputs are known for one set of weights. For others the reference is
    the graph itself, converted anew, with direct convolution.
    """
    if weights == _GOLDEN_WEIGHTS:
        return waves_probabilities(), "the original TensorFlow 1.11 stack"
    if not graph.exists():
        raise ModelError(
            f"no reference for {weights}: there is no frozen graph at {graph}; "
            "get it with: i3d-rgb-tf download"
        )
    model = convert_graph(graph, allow_unknown=weights == UNKNOWN_WEIGHTS)
    found = predict_pixels(model, waves_clip(), num_threads=num_threads)
    return found, "a fresh conversion of the graph"


def _check_sample(
    predict: Callable[[NDArray[Any]], NDArray[np.float32]], name: str, sample: Path
) -> Check:
    """Compare with the list DeepMind's repository publishes, which rgb_imagenet gave."""
    published = (_DATA / "sample_actions.txt").read_text(encoding="utf-8").splitlines()
    try:
        clip = _read_sample(sample)
    except (I3DError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return Check(name, "failed", f"cannot use {sample}: {reason}")
    probabilities = predict(clip)
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
        with sample.open("rb") as file:
            clip: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        if clip.dtype.kind not in "fiu":
            raise ModelError(f"it holds an array of {clip.dtype}, expected numbers")
        clip = clip.reshape(clip.shape[-4:]) * spec.scale + spec.mean
    else:
        clip = np.stack(list(_native_frames(sample)))
    if clip.shape != spec.clip_shape:
        raise ModelError(f"the clip has shape {clip.shape}, expected {spec.clip_shape}")
    return clip


def _native_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    return read_frames(path, frames_per_second=None, short_side=None)
