"""What `i3d_rgb_tf.__all__` names is all there, and importing it costs nothing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools.config.setupcfg import read_configuration

import i3d_rgb_tf
from i3d_rgb_tf.errors import I3DError


def _run(script: str) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _subclasses(kind: type) -> set[type]:
    return {kind}.union(*(_subclasses(each) for each in kind.__subclasses__()))


@pytest.mark.parametrize("name", i3d_rgb_tf.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    found = getattr(i3d_rgb_tf, name)

    assert found is not None
    if inspect.isclass(found) or inspect.isfunction(found):
        assert found.__name__ == name
        assert found.__doc__


def test_every_error_of_the_package_is_public() -> None:
    for module in pkgutil.walk_packages(i3d_rgb_tf.__path__, "i3d_rgb_tf."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    errors = {
        each.__name__ for each in _subclasses(I3DError) if each.__module__.startswith("i3d_rgb_tf")
    }

    assert len(errors) == 14
    assert errors <= set(i3d_rgb_tf.__all__)
    for name in errors:
        assert issubclass(getattr(i3d_rgb_tf, name), I3DError)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'i3d_rgb_tf' has no attribute 'load_modle'"):
        i3d_rgb_tf.load_modle  # noqa: B018


def test_importing_the_package_imports_no_heavy_package() -> None:
    script = "import sys, i3d_rgb_tf; print(*sorted({name.split('.')[0] for name in sys.modules}))"

    loaded = set(_run(script).split())

    assert "i3d_rgb_tf" in loaded
    heavy = {"av", "cv2", "nncf", "numpy", "openvino", "PIL", "requests", "tensorflow", "yaml"}
    assert not loaded & heavy


def test_importing_an_error_imports_no_heavy_package() -> None:
    script = (
        "import sys; from i3d_rgb_tf import VideoError\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )

    assert not set(_run(script).split()) & {"av", "numpy", "openvino", "tensorflow"}


def test_the_version_is_that_of_the_package_metadata(repository: Path) -> None:
    metadata = read_configuration(repository / "setup.cfg")["metadata"]

    assert metadata["name"] == "i3d-rgb-tf"
    assert i3d_rgb_tf.__version__ == metadata["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", i3d_rgb_tf.__version__)


def test_the_changelog_describes_this_version(repository: Path) -> None:
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(rf"^## {re.escape(i3d_rgb_tf.__version__)}\b", changelog, re.MULTILINE)
