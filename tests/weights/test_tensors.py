"""The 230 tensors are checked against the architecture and the published checksums."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from i3d_rgb_tf.choices import WEIGHT_SETS
from i3d_rgb_tf.errors import WeightsError
from i3d_rgb_tf.weights.tensors import (
    check_names_and_shapes,
    check_published,
    check_shapes,
    differing_tensors,
    identify,
    published_checksums,
)

FIRST = "RGB/inception_i3d/Conv3d_1a_7x7/batch_norm/beta"


@pytest.mark.parametrize("weights", WEIGHT_SETS)
def test_checksums_are_those_of_deepminds_table(shared_folder, weights):
    with (shared_folder / "checkpoints" / "tensors.csv").open() as file:
        table = {
            row["tensor"]: row["crc32c"]
            for row in csv.DictReader(file)
            if row["weights"] == weights
        }

    assert published_checksums(weights) == table


def test_real_tensors_are_identified(tensors):
    assert identify(tensors) == "rgb_scratch"
    assert differing_tensors(tensors, "rgb_scratch") == []


def test_weights_with_one_changed_bit_are_unknown(tensors):
    changed = tensors[FIRST].copy()
    changed.view(np.uint32)[0] ^= 1
    fine_tuned = {**tensors, FIRST: changed}

    assert identify(fine_tuned) is None
    with pytest.raises(WeightsError, match=f"1 of 230 tensors differ, the first being {FIRST}"):
        check_published(fine_tuned, "rgb_scratch")


def test_the_error_names_the_published_set_that_was_found(tensors):
    with pytest.raises(WeightsError, match="not the published rgb_imagenet: they are rgb_scratch"):
        check_published(tensors, "rgb_imagenet")


def test_batch_norm_statistics_of_sonnets_shape_are_accepted(tensors):
    sonnet = {
        name: tensor.reshape(1, 1, 1, 1, -1) if "/batch_norm/" in name else tensor
        for name, tensor in tensors.items()
    }

    assert identify(check_shapes(sonnet)) == "rgb_scratch"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({FIRST: None}, f"lack {FIRST}; expected the 230 tensors"),
        ({"RGB/other": np.zeros(1, np.float32)}, "have the unknown tensor RGB/other;"),
        ({FIRST: np.zeros(65, np.float32)}, r"has shape \(65,\), expected \(64,\)"),
        ({FIRST: np.zeros(64)}, "is float64, expected float32"),
        ({FIRST: np.zeros((1,) * 30, np.float32)}, r"has shape \(1, .*, expected \(64,\)"),
        ({"x" * 9_000: np.zeros(1, np.float32)}, "have the unknown tensor x+ ... "),
    ],
)
def test_tensors_of_another_network_are_refused(tensors, change, message):
    merged = {**tensors, **change}
    found = {name: tensor for name, tensor in merged.items() if tensor is not None}

    with pytest.raises(WeightsError, match=message):
        check_shapes(found)


def test_a_shape_is_refused_before_the_tensor_is_read(tensors):
    shapes = {name: tensor.shape for name, tensor in tensors.items()}

    check_names_and_shapes(shapes)
    with pytest.raises(WeightsError, match=f"{FIRST} has shape \\(1099511627776,\\), expected"):
        check_names_and_shapes({**shapes, FIRST: (1 << 40,)})
    with pytest.raises(WeightsError) as error:
        check_names_and_shapes({**shapes, FIRST: (1,) * 3_000})
    assert str(error.value).endswith(", expected (64,)")
    assert len(str(error.value)) <= 1000
