"""The commands, one small module each: its arguments, its call, its printing.

The first line of a module's docstring is the command's help; its `EXAMPLES` are shown below it.
"""

from __future__ import annotations

__all__ = ["COMMANDS"]

COMMANDS = (
    "demo",
    "download",
    "freeze",
    "convert",
    "quantize",
    "verify",
    "info",
    "benchmark",
    "classify",
    "timeline",
    "ui",
    "features",
    "batch",
    "prepare",
    "evaluate",
    "zoo",
)
"""Names of the commands and of their modules, in the order of the help."""
