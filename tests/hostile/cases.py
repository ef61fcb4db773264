"""What a kind of input is: it makes a case from a seed, and uses it as the package does."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Case", "Kind", "Setting", "random_for"]


@dataclass(frozen=True)
class Setting:
    """Where a worker makes its cases, and from what."""

    folder: Path
    """Folder of the case, empty."""
    outside: Path
    """Folder of files that nothing may open."""
    templates: Any
    """What the kind's `load` returned."""
    seed: int
    """Number of the case."""


@dataclass(frozen=True)
class Case:
    """An input that is ready to be used."""

    path: Path
    """What the reader is given."""
    what: str
    """How it was made, for people."""
    names: tuple[str, ...] = ()
    """Texts of which a refusal has to contain one; by default the name of the path."""
    reads: tuple[str, ...] = ()
    """Names of files in the folder that may be opened; by default that of the path."""
    data: dict[str, Any] = field(default_factory=dict)
    """What `use` needs besides."""


class Maker(Protocol):
    """Make a case."""

    def __call__(self, rng: random.Random, setting: Setting) -> Case: ...


@dataclass(frozen=True)
class Kind:
    """A kind of input."""

    title: str
    """For the table."""
    readers: str
    """The functions that are called, for the table of docs."""
    make: Maker
    use: Callable[[Case], object]
    make_templates: Callable[[Path], None] = lambda folder: None
    """Write the files that cases are made from; runs once, in a process of its own."""
    load: Callable[[Path], Any] = lambda folder: None
    """Read the templates in a worker, and prepare it."""
    imports: tuple[str, ...] = ()
    """What is imported once, before workers are forked; it must not start threads."""
    may_write: bool = False
    """Whether the reader writes in the folder of the case."""
    loopback: bool = False
    """Whether the reader talks to a server on loopback."""


def random_for(kind: str, seed: int) -> random.Random:
    """Return the source of all that is random in a case."""
    return random.Random(f"{kind} {seed}")
