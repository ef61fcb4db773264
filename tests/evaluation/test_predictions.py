"""Predictions in a journal: exact, and complete or skipped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf.evaluation.predictions import (
    VideoPredictions,
    append_predictions,
    read_predictions,
    write_predictions,
)


def predictions(name: str, count: int = 2) -> VideoPredictions:
    probabilities = np.random.default_rng(len(name)).random((count, 400), np.float32)
    return VideoPredictions(name, "archery", "0123", probabilities)


def test_predictions_are_read_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_predictions(path, [predictions("a")])
    append_predictions(path, predictions("née\udcff", 1))

    first, second = read_predictions(path)

    assert (first.name, first.label, first.stamp) == ("a", "archery", "0123")
    assert second.name == "née\udcff"
    np.testing.assert_array_equal(first.probabilities, predictions("a").probabilities)
    assert first.probabilities.dtype == np.float32


@pytest.mark.parametrize(
    "line",
    [
        '{"name": "b", "la',
        "{}",
        '{"name": "b", "label": "archery", "stamp": "", "probabilities": []}',
        '{"name": "b", "label": "archery", "stamp": "", "probabilities": [[0.5]]}',
        '{"name": "b", "label": "archery", "stamp": "", "probabilities": [["x"], [1, 2]]}',
        '{"name": "b", "label": "archery", "stamp": "", "probabilities": 0.5}',
    ],
)
def test_an_incomplete_entry_is_skipped(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.jsonl"
    write_predictions(path, [predictions("a")])
    with path.open("a") as file:
        file.write(line)

    assert [each.name for each in read_predictions(path)] == ["a"]


@pytest.mark.parametrize("value", ["1e999", "1e308", "-1e300", "NaN", "Infinity", "1.5", "-0.5"])
@pytest.mark.filterwarnings("error")
def test_an_entry_of_other_values_than_probabilities_is_skipped(tmp_path: Path, value: str) -> None:
    path = tmp_path / "x.jsonl"
    write_predictions(path, [predictions("a", 1)])
    content = path.read_text()
    start = content.index("[[") + 2
    damaged = content[:start] + value + content[content.index(",", start) :]
    path.write_text(damaged + content)

    assert len(list(read_predictions(path))) == 1


def test_a_probability_that_was_rounded_up_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    probabilities = np.zeros((1, 400), np.float32)
    probabilities[0, 3] = np.nextafter(np.float32(1), np.float32(2))
    write_predictions(path, [VideoPredictions("a", "archery", "0123", probabilities)])

    (found,) = read_predictions(path)

    np.testing.assert_array_equal(found.probabilities, probabilities)


def test_an_entry_is_a_line_of_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_predictions(path, [predictions("a", 1)])

    document = json.loads(path.read_text())

    assert list(document) == ["name", "label", "stamp", "probabilities"]
    assert len(document["probabilities"][0]) == 400
