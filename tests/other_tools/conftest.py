"""The environment of a tool that opens our IR, which nox makes: make test-zoo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from processes import Environment

collect_ignore = ["classify_with_model_api.py"]
"""A program for the environment of Model API."""


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return the environment that the nox session names."""
    if "TOOL_ENVIRONMENT" not in os.environ:
        pytest.fail("needs the environment of another tool; run: make test-zoo")
    found = Environment(Path(os.environ["TOOL_ENVIRONMENT"]), tmp_path_factory.mktemp("home"))
    found.run("opt_in_out", "--opt_out")
    return found
