"""Environments of other Pythons and of the zoo's tools; `make test` covers the usual one."""

from __future__ import annotations

import nox

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that is supported and there."""
    session.install("-e", ".[freeze,quantize,test]")
    session.run("pytest", *session.posargs)
