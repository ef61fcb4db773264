"""The environment of a tool that reads what we write, which nox makes: make test-zoo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from processes import Environment

collect_ignore = ["classify_with_model_api.py", "read_label_studio_tasks.py"]
"""Programs for the environments of Model API and Label Studio's SDK."""


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return the environment that the nox session names."""
    if "TOOL_ENVIRONMENT" not in os.environ:
        pytest.fail("needs the environment of another tool; run: make test-zoo")
    found = Environment(Path(os.environ["TOOL_ENVIRONMENT"]), tmp_path_factory.mktemp("home"))
    if (found.folder / "bin" / "opt_in_out").exists():
        found.run("opt_in_out", "--opt_out")
    return found
