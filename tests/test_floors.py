"""Imports go down only, and heavy packages are imported late and in one place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import i3d_rgb_tf
from i3d_rgb_tf.commands import COMMANDS

# A module may import what stands on a lower line, and nothing of its own line.
FLOORS = (
    ("errors", "labels"),
    ("architecture", "containers", "hashes", "storage", "timing"),
    ("tensors", "blobs"),
    ("spec", "fetch", "video", "clips", "whole", "ahead"),
    (
        "calibration",
        "compare",
        "frames",
        "kinetics",
        "graph",
        "ir",
        "journal",
        "freeze",
        "package",
        "protocols",
        "reading",
        "runtime",
        "zoo",
    ),
    (
        "accuracy",
        "answers",
        "convert",
        "debias",
        "proof",
        "weights",
        "classify",
        "register",
        "overlay",
        "listed",
    ),
    ("evaluate", "mo", "prepare", "quantize", "verify"),
    ("benchmark", "report"),
    ("__init__",),
    ("commands", "commands.arguments"),
    tuple(f"commands.{name}" for name in COMMANDS),
    ("cli",),
    ("__main__",),
)

HEAVY = ("av", "nncf", "openvino", "tensorflow")
ONLY_IN = {"av": "video", "nncf": "quantize", "tensorflow": "freeze"}

PACKAGE = Path(i3d_rgb_tf.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).replace(".__init__", ""): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def _imported(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[str]:
    """Yield the dotted names that import statements ask for, each also with what it takes."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floor"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own(names: Iterator[str]) -> set[str]:
    """Return which modules of the package are among `names`."""
    own = {name.removeprefix("i3d_rgb_tf.") for name in names if name.startswith("i3d_rgb_tf.")}
    modules = own & FILES.keys()
    names_of_package = {name for name in own - modules if name.split(".")[0] not in FILES}
    return modules | ({"__init__"} if names_of_package else set())


def _tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def test_every_module_has_a_floor_and_only_one() -> None:
    listed = [module for floor in FLOORS for module in floor]

    assert sorted(listed) == sorted(FILES)


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module: str) -> None:
    floors = {name: floor for floor, names in enumerate(FLOORS) for name in names}

    imported = _own(_imported(ast.walk(_tree(module))))

    assert [name for name in sorted(imported) if floors[name] >= floors[module]] == []


@pytest.mark.parametrize("module", FILES)
def test_heavy_packages_are_imported_in_functions(module: str) -> None:
    top = {name.split(".")[0] for name in _imported(_tree(module).body)}

    assert top.isdisjoint(HEAVY)


@pytest.mark.parametrize(("package", "place"), ONLY_IN.items())
def test_a_heavy_package_has_one_place(package: str, place: str) -> None:
    users = {
        module
        for module in FILES
        if package in {name.split(".")[0] for name in _imported(ast.walk(_tree(module)))}
    }

    assert users <= {place}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_module_imports_the_standard_library_only(command: str) -> None:
    top = set(_imported(_tree(f"commands.{command}").body))

    light = {"i3d_rgb_tf.errors", "i3d_rgb_tf.spec"}
    others = {name for name in top if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in others if ".".join(name.split(".")[:2]) not in light} == set()
