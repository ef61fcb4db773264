"""Fixtures of the tests of weights."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def no_wait_before_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pooch retry at once; it would wait a second, then two."""
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
