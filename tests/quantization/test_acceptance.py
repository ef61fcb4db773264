"""INT8 models are accepted by their agreement with FP32, and keep a record of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.ir.files import read_ir, save_ir
from i3d_rgb_tf.ir.metadata import SECTION, write_section
from i3d_rgb_tf.quantization.acceptance import (
    HIGHEST_MEAN_KL,
    LOWEST_TOP1_AGREEMENT,
    Agreement,
    QuantizationRecord,
    compare,
    read_record,
    write_record,
)
from networks import save_small_network

CLOSE = Agreement(num_clips=12, top1_agreement=1.0, mean_kl=0.01, worst_difference=0.1)
FAR = Agreement(num_clips=12, top1_agreement=0.5, mean_kl=1.5, worst_difference=0.9)
RECORD = QuantizationRecord(
    num_videos=4, num_calibration_clips=24, agreement=CLOSE, speed_ratio=3.125
)


@pytest.mark.parametrize(
    ("expected", "found", "agreement"),
    [
        ([[0.9, 0.1]], [[0.9, 0.1]], Agreement(1, 1.0, 0.0, 0.0)),
        ([[1.0, 0.0], [0.5, 0.5]], [[0.25, 0.75], [0.5, 0.5]], Agreement(2, 0.5, 0.6931472, 0.75)),
        ([[0.5, 0.5]], [[1.0, 0.0]], Agreement(1, 1.0, 13.1224, 0.5)),
    ],
)
def test_agreement_is_computed_from_probabilities(expected, found, agreement):
    result = compare(np.float32(expected), np.float32(found))

    assert result.num_clips == agreement.num_clips
    assert result.top1_agreement == agreement.top1_agreement
    assert result.mean_kl == pytest.approx(agreement.mean_kl, abs=1e-4)
    assert result.worst_difference == agreement.worst_difference


def test_the_criteria_are_the_documented_ones():
    assert (LOWEST_TOP1_AGREEMENT, HIGHEST_MEAN_KL) == (0.98, 0.05)


@pytest.mark.parametrize(
    ("top1_agreement", "mean_kl", "is_accepted"),
    [(0.98, 0.05, True), (0.979, 0.0, False), (1.0, 0.0501, False)],
)
def test_agreement_is_accepted_if_it_meets_both_criteria(top1_agreement, mean_kl, is_accepted):
    assert Agreement(12, top1_agreement, mean_kl, 0.1).is_accepted is is_accepted


@pytest.mark.parametrize(
    ("record", "is_accepted"),
    [
        (RECORD, True),
        (replace(RECORD, agreement=FAR), False),
        (replace(RECORD, warning="few actions"), False),
    ],
)
def test_a_record_is_accepted_if_its_agreement_is_and_it_has_no_warning(record, is_accepted):
    assert record.is_accepted is is_accepted


@pytest.mark.parametrize("warning", ["", "the calibration videos show few actions"])
def test_a_record_is_saved_with_the_model(tmp_path, warning):
    record = replace(RECORD, warning=warning)
    model = read_ir(save_small_network(tmp_path / "small.xml"))

    write_record(model, record)
    save_ir(model, tmp_path / "saved" / "model.xml")

    assert read_record(read_ir(tmp_path / "saved" / "model.xml")) == record


def test_a_model_that_was_not_quantized_has_no_record(tmp_path):
    assert read_record(read_ir(save_small_network(tmp_path / "small.xml"))) is None


@pytest.mark.parametrize(
    ("key", "value"), [("num_videos", "2.5"), ("mean_kl", ""), ("speed_ratio", "fast")]
)
def test_a_damaged_record_is_an_error(key, value, tmp_path):
    model = read_ir(save_small_network(tmp_path / "small.xml"))
    write_record(model, QuantizationRecord(1, 2, Agreement(3, 1.0, 0.0, 0.0), 2.0))
    write_section(model, {key: value}, SECTION, "quantization")

    with pytest.raises(ModelError, match=f"record .* is damaged: .*{value}.*; make it again with"):
        read_record(model)


def test_an_incomplete_record_is_an_error(tmp_path):
    model = read_ir(save_small_network(tmp_path / "small.xml"))
    write_section(model, {"num_clips": 3}, SECTION, "quantization")

    with pytest.raises(ModelError, match="record .* is damaged: 'num_videos'"):
        read_record(model)
