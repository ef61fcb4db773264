from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml

from i3d_rgb_tf import __version__

# The files of a checkout, without what an earlier build may have left in it.
SOURCES = ("LICENSE", "MANIFEST.in", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile")
SOURCES += ("model.yml", "noxfile.py", "pyproject.toml", "setup.cfg", "setup.py", "CITATION.cff")
SOURCES += ("bench", "docs", "models", "tools")


@pytest.fixture(scope="session")
def sources(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources to build from."""
    folder = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
    for name in SOURCES:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.is_file():
            shutil.copy(source, folder)
    return folder


def clean_environment(**added: str) -> dict[str, str]:
    """Return the environment without other import paths and without coverage."""
    reaching = ("PYTHONPATH", "COV_", "COVERAGE_")
    return {k: v for k, v in os.environ.items() if not k.startswith(reaching)} | added


def run(*command: object, cwd: Path | None = None) -> str:
    """Run a command and return what it prints."""
    environment = clean_environment()
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=environment, cwd=cwd
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel built from the sources; nox installs it, and the source distribution."""
    output = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "-o", output, sources)
    (archive,) = output.iterdir()
    return archive


@pytest.mark.slow
def test_an_editable_install_reads_the_entry_from_the_sources(
    tmp_path: Path, sources: Path
) -> None:
    environment = tmp_path / "env"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    (site_packages,) = environment.glob("lib/python*/site-packages")
    # The new environment borrows the dependencies. Python reads no .pth file in a folder that a
    # .pth file names, so an editable install there is not seen.
    (site_packages / "borrowed.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    install = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps")

    run(*install, "--ignore-installed", "--no-build-isolation", "--editable", sources)

    entry = run(environment / "bin" / "i3d-rgb-tf", "info", "--entry", cwd=environment).strip()
    assert Path(entry) == sources.resolve() / "models" / "public" / "i3d-rgb-tf"


def test_a_wheel_has_the_data_and_no_tests(wheel: Path, sources: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    data = sources / "tools" / "i3d_rgb_tf" / "data"
    assert {f"i3d_rgb_tf/data/{path.name}" for path in data.iterdir()} <= names
    assert "i3d_rgb_tf/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"i3d_rgb_tf", f"i3d_rgb_tf-{__version__}.dist-info"}


def test_the_wheel_names_the_systems_and_pythons_it_is_for(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))

    classifiers = metadata.get_all("Classifier", [])
    assert metadata["Requires-Python"] == ">=3.10"
    assert "Operating System :: OS Independent" not in classifiers
    assert "Operating System :: POSIX :: Linux" in classifiers
    assert "Programming Language :: Python :: 3.14" in classifiers


def test_the_citation_names_this_version_and_the_paper(repository: Path) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))

    # The keys that Citation File Format 1.2.0 requires, of the file and of a reference.
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["cff-version"], citation["title"]) == ("1.2.0", "i3d-rgb-tf")
    assert citation["version"] == __version__
    assert citation["license"] == "Apache-2.0"
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert paper["title"].startswith("Quo Vadis, Action Recognition?")
    assert [author["family-names"] for author in paper["authors"]] == ["Carreira", "Zisserman"]
    assert paper["doi"] == "10.1109/CVPR.2017.502"
    assert {"type": "other", "value": "arXiv:1705.07750"} in paper["identifiers"]


def test_an_installation_without_the_entry_is_reported_with_a_remedy(
    tmp_path: Path, wheel: Path
) -> None:
    broken = tmp_path / "broken"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(broken)
    shutil.rmtree(broken / "i3d_rgb_tf" / "zoo_entry")

    result = subprocess.run(
        [sys.executable, "-m", "i3d_rgb_tf", "info", "--entry"],
        capture_output=True,
        text=True,
        env=clean_environment(PYTHONPATH=str(broken)),
        cwd=tmp_path,
    )

    assert result.returncode == 1
    assert "install i3d-rgb-tf again" in result.stderr
