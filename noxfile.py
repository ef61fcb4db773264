"""Environments of other Pythons and of the zoo's tools; `make test` covers the usual one."""

from __future__ import annotations

import sys

import nox

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that is supported and there."""
    session.install("-e", ".[freeze,quantize,test]")
    session.run("pytest", *session.posargs)


ZOO_RELEASES = {
    # POT, which omz_quantizer runs, uses what scipy 1.11 removed.
    "2023.3.0": [["openvino-dev[tensorflow2]==2023.3.0", "scipy<1.11"]],
    "2024.6.0": [["openvino-dev[tensorflow2]==2024.6.0"]],
    # The tools of 2024.6 beside today's OpenVINO: their wheel overwrites openvino/__init__.py,
    # so openvino is put back after it.
    "2026.4.1": [
        ["openvino==2026.4.1", "requests", "pyyaml"],
        ["--no-deps", "openvino-dev==2024.6.0"],
        ["--no-deps", "--force-reinstall", "openvino==2026.4.1"],
    ],
}


@nox.session(tags=["zoo"], python="3.11")
@nox.parametrize("release", list(ZOO_RELEASES), ids=list(ZOO_RELEASES))
def zoo(session: nox.Session, release: str) -> None:
    """Run the zoo's stock tools of a release on our entry; the tests themselves run in .venv."""
    for packages in ZOO_RELEASES[release]:
        session.install("--quiet", *packages)
    session.install("--quiet", ".")
    environment = {"ZOO_ENVIRONMENT": session.virtualenv.location, "ZOO_RELEASE": release}
    command = [sys.executable, "-m", "pytest", "--quiet", "tests/zoo", *session.posargs]
    session.run(*command, env=environment, external=True)
