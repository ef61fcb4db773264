from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from i3d_rgb_tf import __version__

# What a checkout has; what a build leaves behind in it must not decide the test.
SOURCES = ("LICENSE", "MANIFEST.in", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile")
SOURCES += ("model.yml", "noxfile.py", "pyproject.toml", "setup.cfg", "setup.py", "models", "tools")


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
    """Return the environment without what would reach into a copy: other paths, coverage."""
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


def build(kind: str, sources: Path, output: Path) -> Path:
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "-o", output, sources)
    (archive,) = output.iterdir()
    return archive


@pytest.fixture(scope="session")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel built from the sources."""
    return build("wheel", sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def wheel_of_sdist(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel built from the source distribution."""
    sdist = build("sdist", sources, tmp_path_factory.mktemp("sdist"))
    unpacked = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(sdist, unpacked, filter="data")
    (folder,) = unpacked.iterdir()
    return build("wheel", folder, tmp_path_factory.mktemp("wheel-of-sdist"))


def installed_entry(environment: Path, *what: object) -> Path:
    """Install into a new environment that borrows the dependencies; return the entry it finds."""
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    (site_packages,) = environment.glob("lib/python*/site-packages")
    # A folder named in a .pth file comes after the environment's own, and its .pth files are
    # not read, so an editable install in it is not seen.
    (site_packages / "borrowed.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    install = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps")
    run(*install, "--ignore-installed", "--no-build-isolation", *what)
    command = environment / "bin" / "i3d-rgb-tf"
    assert run(command, "--version").split() == ["i3d-rgb-tf", __version__]
    entry = run(command, "info", "--entry", cwd=environment)
    assert entry == run(python, "-m", "i3d_rgb_tf", "info", "--entry", cwd=environment)
    for option in ("--accuracy-check", "--mo"):
        assert Path(run(command, "info", option).strip()).is_file()
    return Path(entry.strip())


@pytest.mark.parametrize("kind", ["wheel", "wheel_of_sdist"])
def test_a_wheel_carries_the_entry(
    request: pytest.FixtureRequest, tmp_path: Path, sources: Path, kind: str
) -> None:
    entry = installed_entry(tmp_path / "env", request.getfixturevalue(kind))

    assert entry.is_relative_to(tmp_path.resolve() / "env")
    assert entry.parts[-4:] == ("i3d_rgb_tf", "zoo_entry", "public", "i3d-rgb-tf")
    assert (entry.parent / "licenses" / "APACHE-2.0.txt").is_file()
    # pip compiles the scripts; that folder is not of the entry.
    found, original = (
        {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        for folder in (entry, sources / "models" / "public" / "i3d-rgb-tf")
    )
    assert found == original


def test_an_editable_install_reads_the_entry_from_the_sources(
    tmp_path: Path, sources: Path
) -> None:
    entry = installed_entry(tmp_path / "env", "--editable", sources)

    assert entry == sources.resolve() / "models" / "public" / "i3d-rgb-tf"


def test_a_wheel_has_the_data_and_nothing_of_the_tests(wheel: Path, sources: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    data = sources / "tools" / "i3d_rgb_tf" / "data"
    assert {f"i3d_rgb_tf/data/{path.name}" for path in data.iterdir()} <= names
    assert "i3d_rgb_tf/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"i3d_rgb_tf", f"i3d_rgb_tf-{__version__}.dist-info"}


def test_an_installation_without_the_entry_says_what_to_do(tmp_path: Path, wheel: Path) -> None:
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
