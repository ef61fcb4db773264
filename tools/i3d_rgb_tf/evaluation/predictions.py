"""The predictions for each video in a journal, so that an interrupted evaluation resumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.journal import append_entry, read_entries, write_entries
from i3d_rgb_tf.labels import NUM_LABELS

__all__ = ["VideoPredictions", "append_predictions", "read_predictions", "write_predictions"]

_LARGEST_PROBABILITY = 1.001
"""A device with low precision may round to a little more than 1."""


@dataclass(frozen=True)
class VideoPredictions:
    """What the network predicts for one video."""

    name: str
    """Name of the video, unique in a journal."""
    label: str
    """What the video shows: one of the 400 names."""
    stamp: str
    """`i3d_rgb_tf.journal.stamp` of the video file or the folder of frames."""
    probabilities: NDArray[np.float32]
    """(predictions, 400) float32, 0..1: one row per clip, or one for the whole video."""


def read_predictions(path: Path) -> Iterator[VideoPredictions]:
    """Yield the predictions in a journal; an incomplete or damaged entry is skipped.

    Raises
    ------
    StorageError
        The journal cannot be read.
    """
    for entry in read_entries(path):
        try:
            with np.errstate(over="ignore"):
                probabilities = np.array(entry["probabilities"], np.float32, ndmin=1)
            name, label, stamp = (str(entry[key]) for key in ("name", "label", "stamp"))
        except (ValueError, KeyError, TypeError, OverflowError):
            continue
        if _are_probabilities(probabilities):
            yield VideoPredictions(name, label, stamp, probabilities)


def write_predictions(path: Path, predictions: Iterable[VideoPredictions]) -> None:
    """Replace a journal in one atomic write.

    Raises
    ------
    StorageError
        The journal cannot be written.
    """
    write_entries(path, map(_entry, predictions))


def append_predictions(path: Path, predictions: VideoPredictions) -> None:
    """Append the predictions for one video, as `i3d_rgb_tf.journal.append_entry` does.

    Raises
    ------
    StorageError
        The journal cannot be written.
    """
    append_entry(path, _entry(predictions))


def _are_probabilities(found: NDArray[np.float32]) -> bool:
    has_rows = len(found) > 0 and found.shape == (len(found), NUM_LABELS)
    return has_rows and bool(((found >= 0) & (found <= _LARGEST_PROBABILITY)).all())


def _entry(predictions: VideoPredictions) -> dict[str, object]:
    # str() of a float32 is the shortest text that gives the same float32 again.
    rows = [[float(str(value)) for value in row] for row in predictions.probabilities]
    return {
        "name": predictions.name,
        "label": predictions.label,
        "stamp": predictions.stamp,
        "probabilities": rows,
    }
