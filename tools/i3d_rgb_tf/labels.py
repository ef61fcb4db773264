"""The 400 action names of Kinetics-400 in the order of the network's outputs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

__all__ = ["NUM_LABELS", "load_labels"]

NUM_LABELS = 400


@lru_cache
def load_labels() -> tuple[str, ...]:
    """Return the names, index 0 first, as DeepMind's ``data/label_map.txt`` lists them.

    >>> load_labels()[0], len(load_labels())
    ('abseiling', 400)
    """
    path = Path(__file__).parent / "data" / "labels.txt"
    return tuple(path.read_text(encoding="utf-8").splitlines())
