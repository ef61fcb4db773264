"""What a process is started with that is killed, has no disk, or is another user's."""

from __future__ import annotations

import os

__all__ = ["without_coverage"]


def without_coverage() -> dict[str, str]:
    """Return this environment; coverage's data would break, and its complaint be in the output."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
