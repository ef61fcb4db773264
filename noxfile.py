"""Tests in other environments: other Pythons, other tools, a browser, the built package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
# A missing Python would be a test that did not run.
nox.options.error_on_missing_interpreters = True


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that the extras support."""
    session.install("-e", ".[freeze,quantize,test]")
    session.run("pytest", *session.posargs)


ZOO_RELEASES = {
    # omz_quantizer uses functions that scipy 1.11 removed.
    "2023.3.0": [["openvino-dev[tensorflow2]==2023.3.0", "scipy<1.11"]],
    "2024.6.0": [["openvino-dev[tensorflow2]==2024.6.0"]],
    # The tools of 2024.6 beside today's OpenVINO. Their wheel overwrites openvino/__init__.py, so
    # openvino is installed again after it.
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


@nox.session(tags=["ci"])
def packaging(session: nox.Session) -> None:
    """Build the package, check it, and install both archives into empty environments."""
    session.install("--quiet", "build", "twine")
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder / "dist"), silent=True)
    archives = sorted(map(str, (folder / "dist").iterdir()))
    session.run("twine", "check", "--strict", *archives)
    for archive in archives:
        environment = folder / "environment"
        session.run("python", "-m", "venv", "--clear", str(environment))
        python = str(environment / "bin" / "python")
        session.run(python, "-m", "pip", "install", "--quiet", archive, external=True)
        _check_installation(session, environment)
        session.log(f"{Path(archive).name} works")
    shutil.rmtree(environment)


def _check_installation(session: nox.Session, environment: Path) -> None:
    """Run the command, and compare the entry that it finds with that of the checkout."""

    def run(*command: str) -> str:
        return str(session.run(*command, silent=True, external=True, log=False)).strip()

    command, python = (str(environment / "bin" / name) for name in ("i3d-rgb-tf", "python"))
    if run(command, "--version") != f"i3d-rgb-tf {_version()}":
        session.error(f"i3d-rgb-tf --version gives {run(command, '--version')}")
    info = json.loads(run(command, "info", "--format", "json"))
    entry = Path(info["entry"])
    if run(python, "-m", "i3d_rgb_tf", "info", "--entry") != str(entry):
        session.error("i3d-rgb-tf and python -m i3d_rgb_tf find different entries")
    expected = _contents(Path("models"))
    if not entry.is_relative_to(environment) or _contents(entry.parents[1]) != expected:
        session.error(f"the entry in {entry} is not that of the checkout")
    missing = [info[key] for key in ("accuracy_check", "mo") if not Path(info[key]).is_file()]
    if missing:
        session.error(f"not installed: {missing}")


def _version() -> str:
    source = Path("tools", "i3d_rgb_tf", "version.py").read_text(encoding="utf-8")
    return re.search(r'__version__ = "(.*)"', source)[1]


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder; pip compiles the scripts, which does not matter."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@nox.session(tags=["ci", "zoo"], python="3.11")
@nox.parametrize("release", list(ZOO_RELEASES), ids=list(ZOO_RELEASES))
def zoo(session: nox.Session, release: str) -> None:
    """Run the zoo's tools of a release on our entry; the tests themselves run in .venv."""
    _test_zoo(session, release)


@nox.session
@nox.parametrize(
    ("python", "release"),
    [(python, release) for release, pythons in ZOO_PYTHONS.items() for python in pythons],
)
def zoo_pythons(session: nox.Session, release: str) -> None:
    """Run the main tools of a release on its other Pythons, for the table in docs/zoo.md."""
    _test_zoo(session, release, "-k", "download_and_convert or info_dumper or twice")


def _test_zoo(session: nox.Session, release: str, *options: str) -> None:
    for packages in ZOO_RELEASES[release]:
        session.install("--quiet", *packages)
    if session.python == "3.8":
        # Later versions need Python 3.9 without declaring it, and every tool fails at its end.
        session.install("--quiet", "openvino-telemetry<2025.2")
    # Where Python is too old for this package, its commands run from another environment.
    if session.python not in OLD_PYTHONS:
        session.install("--quiet", ".")
    environment = {"ZOO_ENVIRONMENT": session.virtualenv.location, "ZOO_RELEASE": release}
    _run_tests(session, environment, "tests/zoo_tools", *options)
    _delete_environment(session)


def _run_tests(session: nox.Session, environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "pytest", "--quiet", *arguments, *session.posargs]
    session.run(*command, env=environment, external=True)


def _delete_environment(session: nox.Session) -> None:
    """Free the disk. After a failure, an environment is kept for inspection."""
    shutil.rmtree(session.virtualenv.location)


@nox.session(tags=["ci"], python="3.11")
@nox.parametrize("release", ["newest", "0.4.7"], ids=["newest", "0.4.7"])
def model_api(session: nox.Session, release: str) -> None:
    """Open our IR with OpenVINO's Model API; the tests themselves run in .venv."""
    pin = "" if release == "newest" else f"=={release}"
    packages = [f"openvino-model-api{pin}", "openvino==2026.4.1"]
    session.install("--quiet", "--upgrade", *packages)
    environment = {"TOOL_ENVIRONMENT": session.virtualenv.location}
    _run_tests(session, environment, "tests/other_tools/test_model_api.py")
    _delete_environment(session)


@nox.session(tags=["ci"], python="3.11")
def label_studio(session: nox.Session) -> None:
    """Read our tasks with Label Studio's SDK; the tests themselves run in .venv."""
    session.install("--quiet", "--upgrade", "label-studio-sdk")
    environment = {"TOOL_ENVIRONMENT": session.virtualenv.location}
    _run_tests(session, environment, "tests/other_tools/test_label_studio.py")
    _delete_environment(session)


@nox.session(tags=["ci"], python="3.11")
def ray(session: nox.Session) -> None:
    """Run batches on clusters of Ray, of which machines are lost."""
    session.install("--quiet", ".[ray]", "imageio-ffmpeg", "pytest")
    session.run("pytest", "--quiet", "tests/batch/ray_cluster", *session.posargs)
    _delete_environment(session)


@nox.session(tags=["ci"])
def browser(session: nox.Session) -> None:
    """Open pages in Chromium; where CI is set, as in .ci/run, it must not be missing.

    The weights are those that other tests have made: run it after them.
    """
    if not all(map(shutil.which, ("chromium", "chromedriver"))):
        stop = session.error if os.environ.get("CI") else session.skip
        stop("needs a browser: apt-get install chromium chromium-driver")
    # Nothing else than the extras is needed to write a page, and to serve the app.
    session.install("--quiet", ".[timeline,ui]", "imageio-ffmpeg", "pytest", "selenium")
    pictures = Path(".cache", "screenshots").resolve()
    environment = {"SCREENSHOTS": str(pictures)}
    session.run("pytest", "--quiet", "tests/browser", *session.posargs, env=environment)
    session.log(f"screenshots: {pictures}")
    _delete_environment(session)


OPEN_MODEL_ZOO = "https://github.com/openvinotoolkit/open_model_zoo"
LAST_COMMIT = "7ef5b91f75115a5eec5a67921453d7faaff8f78b"
DEMO_FOLDERS = ["demos/action_recognition_demo/python", "demos/common/python"]


@nox.session(tags=["ci"], venv_backend="none")
def zoo_demo(session: nox.Session) -> None:
    """Run the zoo's demo on our IR; OPEN_MODEL_ZOO names a clone of the zoo, or another URL."""
    folder = Path(session.create_tmp()).resolve()
    source = os.environ.get("OPEN_MODEL_ZOO")
    try:
        _extract_demo(source or OPEN_MODEL_ZOO, folder)
    except (OSError, subprocess.SubprocessError) as error:
        stop = session.error if source else session.skip
        stop(f"cannot get the demo: {getattr(error, 'stderr', None) or error}".strip())
    # .venv has what the demo needs.
    environment = {"TOOL_ENVIRONMENT": sys.prefix, "ZOO_DEMO": str(folder)}
    _run_tests(session, environment, "tests/other_tools/test_zoo_demo.py")


def _extract_demo(source: str, folder: Path) -> None:
    repository = Path(source)
    if not repository.is_dir():
        repository = Path(".cache", "open_model_zoo")
        _git("init", "--quiet", "--bare", str(repository))
        # Without the large files of other folders.
        options = ["--quiet", "--depth=1", "--filter=blob:limit=100k"]
        _git("-C", str(repository), "fetch", *options, source, LAST_COMMIT)
    archive = folder / "demo.zip"
    for name in DEMO_FOLDERS:
        options = [f"--prefix={name}/", f"--output={archive}"]
        _git("-C", str(repository), "archive", *options, f"{LAST_COMMIT}:{name}")
        shutil.unpack_archive(archive, folder)


def _git(*arguments: str) -> None:
    subprocess.run(
        ["git", *arguments],
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
