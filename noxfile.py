"""Environments of other Pythons and of the zoo's tools; `make test` covers the usual one."""

from __future__ import annotations

import shutil
import sys

import nox

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
# A Python that is not there is a test that was not run.
nox.options.error_on_missing_interpreters = True


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that is supported."""
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


OLD_PYTHONS = ["3.8", "3.9"]
ZOO_PYTHONS = {
    "2023.3.0": [*OLD_PYTHONS, "3.10"],
    # openvino 2024.6.0 has no wheel for Python 3.8.
    "2024.6.0": ["3.9", "3.10", "3.12"],
    "2026.4.1": ["3.10", "3.12", "3.13"],
}


@nox.session(tags=["zoo"], python="3.11")
@nox.parametrize("release", list(ZOO_RELEASES), ids=list(ZOO_RELEASES))
def zoo(session: nox.Session, release: str) -> None:
    """Run the zoo's stock tools of a release on our entry; the tests themselves run in .venv."""
    _test_zoo(session, release)


@nox.session
@nox.parametrize(
    ("python", "release"),
    [(python, release) for release, pythons in ZOO_PYTHONS.items() for python in pythons],
)
def zoo_pythons(session: nox.Session, release: str) -> None:
    """Run the three commands of a release on its other Pythons, for the table in docs/zoo.md."""
    _test_zoo(session, release, "-k", "download_and_convert or info_dumper or twice")


def _test_zoo(session: nox.Session, release: str, *options: str) -> None:
    for packages in ZOO_RELEASES[release]:
        session.install("--quiet", *packages)
    if session.python == "3.8":
        # A later one needs Python 3.9 and does not say so: every tool fails at its end.
        session.install("--quiet", "openvino-telemetry<2025.2")
    # On a Python that is too old for us, our commands change the zoo from outside.
    if session.python not in OLD_PYTHONS:
        session.install("--quiet", ".")
    environment = {"ZOO_ENVIRONMENT": session.virtualenv.location, "ZOO_RELEASE": release}
    command = [sys.executable, "-m", "pytest", "--quiet", "tests/zoo", *options, *session.posargs]
    session.run(*command, env=environment, external=True)
    # It has done its work and takes 2 GB; that of a failed run stays to be looked into.
    shutil.rmtree(session.virtualenv.location)
