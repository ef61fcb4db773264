"""The 400 action names of Kinetics-400 in the order of the network's outputs."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from i3d_rgb_tf.errors import LabelError
from i3d_rgb_tf.storage import storage_errors

__all__ = ["NUM_LABELS", "check_labels", "load_labels", "read_labels"]

NUM_LABELS = 400

_MAX_REPORTED = 3
"""Unknown names that an error reports."""


@lru_cache
def load_labels() -> tuple[str, ...]:
    """Return the names, index 0 first, as DeepMind's ``data/label_map.txt`` lists them.

    >>> load_labels()[0], len(load_labels())
    ('abseiling', 400)
    """
    path = Path(__file__).parent / "data" / "labels.txt"
    return tuple(path.read_text(encoding="utf-8").splitlines())


def check_labels(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of actions, each once, if the network knows all of them.

    Raises
    ------
    LabelError
        Some are unknown; the message has the nearest known ones.

    Examples
    --------
    >>> check_labels(["abseiling", "walking dog"])
    Traceback (most recent call last):
        ...
    i3d_rgb_tf.errors.LabelError: unknown label 'walking dog', expected one of the 400 of \
Kinetics-400; the nearest are 'walking the dog', 'grooming dog', 'training dog'
    """
    return _check(dict.fromkeys(names, ""))


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the names of actions in a text file, one on each line; empty lines are skipped.

    Raises
    ------
    LabelError
        Some are unknown, or there is none.
    StorageError
        The file cannot be read.
    """
    try:
        with storage_errors(path, "read"):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise LabelError(f"{path} is not a text file, expected a label on each line") from error
    names = {line.strip(): f"{path}, line {number}: " for number, line in enumerate(lines, 1)}
    names.pop("", None)
    if not names:
        raise LabelError(f"{path} is empty, expected a label on each line; name one in it")
    return _check(names)


def _check(places: dict[str, str]) -> tuple[str, ...]:
    """Return the names, unless some are unknown; a name is reported with its place."""
    unknown = [name for name in places if name not in load_labels()]
    reasons = [
        f"{places[name]}unknown label {name!r}, expected one of the 400 of Kinetics-400; "
        f"{_nearest(name)}"
        for name in unknown[:_MAX_REPORTED]
    ]
    if len(unknown) > _MAX_REPORTED:
        reasons.append(f"and {len(unknown) - _MAX_REPORTED} more")
    if reasons:
        raise LabelError("; ".join(reasons))
    return tuple(places)


def _nearest(name: str) -> str:
    """Return the names that share most of their words with a name, or are spelled like it."""
    words = set(name.casefold().split())

    def shared(label: str) -> float:
        own = set(label.split())
        return len(words & own) / len(words | own)

    by_words = sorted(filter(shared, load_labels()), key=shared, reverse=True)
    found = [*by_words[:3], *get_close_matches(name.casefold(), load_labels())]
    nearest = [repr(label) for label in dict.fromkeys(found)][:3]
    return f"the nearest are {', '.join(nearest)}" if nearest else "none is like it"
