"""The results of a campaign as text, as a table of a page, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from hostile.campaign import Result
from hostile.kinds import load_kind

__all__ = ["FORMATS"]

_COLUMNS = ("kind", "tried", "refused cleanly", "worked", "fell short", "longest s", "largest MB")


def _cells(result: Result, title: str) -> list[str]:
    counts = (result.tried, result.refused, result.worked, result.fell_short)
    return [
        title,
        *(f"{count:,}" for count in counts),
        f"{result.longest_seconds:.1f}",
        f"{result.largest_bytes / (1 << 20):,.0f}",
    ]


def _as_text(results: Sequence[Result]) -> str:
    rows = [list(_COLUMNS), *(_cells(each, each.kind) for each in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    for each in results:
        lines += [
            f"{each.kind} SEED={fault.seed} [{fault.what}]: {fault.reason[:400]}"
            for fault in each.faults
        ]
    return "\n".join(lines) + "\n"


def _as_markdown(results: Sequence[Result]) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---|" + "---:|" * (len(_COLUMNS) - 1)]
    lines += [
        "| " + " | ".join(_cells(each, load_kind(each.kind).title)) + " |" for each in results
    ]
    return "\n".join(lines) + "\n"


def _as_json(results: Sequence[Result]) -> str:
    return json.dumps([asdict(each) for each in results], indent=1) + "\n"


FORMATS: dict[str, Callable[[Sequence[Result]], str]] = {
    "text": _as_text,
    "markdown": _as_markdown,
    "json": _as_json,
}
"""By the name that ``--format`` takes."""
