"""A self-contained HTML page that compares the IRs of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_rgb_tf.evaluation.evaluate import Evaluation
from i3d_rgb_tf.storage import replaced_file
from i3d_rgb_tf.templates import render_template

__all__ = ["render_report", "write_report"]

_FIGURES = {
    "clip_top1": "clips, top-1",
    "clip_top5": "clips, top-5",
    "video_top1": "videos, top-1",
    "video_top5": "videos, top-5",
}
_MOST_PAIRS = 50
"""Rows of the list; the picture and the JSON have all pairs."""
_PICTURE_SIDE = 900
_SMALLEST_CELL, _LARGEST_CELL = 4, 22
_LETTER_WIDTH = 7
"""Pixels in the picture; a cell with text has at least `_READABLE_CELL`."""
_READABLE_CELL = 12


def write_report(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write the page of a run.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    page = render_report(evaluations)
    with replaced_file(path) as part:
        part.write_text(page, encoding="utf-8", errors="replace")


def render_report(evaluations: Sequence[Evaluation]) -> str:
    """Return the page that compares one or more evaluations of one protocol."""
    names = [f"model {number}" for number in range(1, len(evaluations) + 1)]
    values = {
        "first": evaluations[0],
        "names": names,
        "figures": [
            {"title": title, "accuracies": [getattr(each, field) for each in evaluations]}
            for field, title in _FIGURES.items()
        ],
        "facts": _facts(evaluations),
        "parts": [_part(*each) for each in zip(names, evaluations, strict=True)],
        "percent": "{:.2%}".format,
    }
    return render_template("report", values)


def _facts(evaluations: Sequence[Evaluation]) -> dict[str, list[object]]:
    return {
        "file": [each.model for each in evaluations],
        "SHA-256": [each.model_sha256 for each in evaluations],
        "weights": [each.weights for each in evaluations],
        "device": [each.device for each in evaluations],
        "inference precision": [each.inference_precision for each in evaluations],
        "convolution": [each.convolution for each in evaluations],
        "videos used": [each.num_videos for each in evaluations],
        "videos missing": [len(each.missing) for each in evaluations],
        "videos failed": [len(each.failed) for each in evaluations],
        "left out by prepare": [each.left_out for each in evaluations],
    }


def _part(name: str, evaluation: Evaluation) -> dict[str, Any]:
    """Return what the page says of one model."""
    return {
        "name": name,
        "model": evaluation.model,
        "unused": _unused(evaluation),
        "picture": _picture(evaluation),
        "pairs": evaluation.confusions[:_MOST_PAIRS],
        "num_pairs": len(evaluation.confusions),
        "classes": sorted(evaluation.classes.items(), key=lambda item: (item[1].fraction, item[0])),
    }


def _unused(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the videos without predictions, each with the reason."""
    reasons = {name: f"missing: {path}" for name, path in evaluation.missing.items()}
    reasons |= {name: f"failed: {reason}" for name, reason in evaluation.failed.items()}
    return sorted(reasons.items())


@dataclass(frozen=True)
class _Cell:
    """How often one label was predicted as another."""

    label: str
    predicted: str
    count: int
    x: int
    y: int
    """Left and upper border, in pixels."""
    share: float
    """Of the videos of the label, 0..1."""

    @property
    def kind(self) -> str:
        return "correct" if self.label == self.predicted else "wrong"

    @property
    def opacity(self) -> str:
        return f"{0.2 + 0.6 * self.share:.2f}"


def _picture(evaluation: Evaluation) -> dict[str, Any] | None:
    """Place the confusion matrix, with a row and a column for each label that occurs."""
    counts = {(label, label): each.correct for label, each in evaluation.classes.items()}
    counts |= {(pair.label, pair.predicted): pair.count for pair in evaluation.confusions}
    labels = sorted({label for pair in counts for label in pair})
    if not labels:
        return None
    side = min(_LARGEST_CELL, max(_SMALLEST_CELL, _PICTURE_SIDE // len(labels)))
    readable = side >= _READABLE_CELL
    margin = _LETTER_WIDTH * max(map(len, labels)) if readable else 0
    places = {label: margin + side * index for index, label in enumerate(labels)}
    width = side * len(labels)
    return {
        "side": side,
        "margin": margin,
        "width": width,
        "size": margin + width + 1,
        "names": [
            {"label": label, "middle": place + side - 5}
            for label, place in places.items()
            if readable
        ],
        "cells": [
            _Cell(
                *(label, predicted, count, places[predicted], places[label]),
                share=count / evaluation.classes[label].count,
            )
            for (label, predicted), count in sorted(counts.items())
            if count
        ],
    }
