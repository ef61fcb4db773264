"""Imports go down only, and heavy packages are imported late and in one place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import i3d_rgb_tf
from i3d_rgb_tf.commands import COMMANDS

PACKAGE = Path(i3d_rgb_tf.__file__).parent
ROOMS = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).replace(".__init__", ""): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

GROUND = {
    "version",
    "errors",
    "storage",
    "temporary",
    "locks",
    "hashes",
    "cores",
    "journal",
    "signals",
    "templates",
}
FACTS = {"choices", "spec", "labels", "architecture", "reference"}
TASKS = {"classify", "model", "verify", "benchmark", "measure"}
ENTRANCE = {"__init__", "__main__", "cli"}

# Each wing, and the wings below it that it may import.
WINGS = {
    "ground": set(),
    "facts": {"ground"},
    "video": {"ground"},
    "weights": {"ground", "facts"},
    "ir": {"ground", "facts", "weights"},
    "inference": {"ground", "facts", "ir"},
    "kinetics": {"ground", "facts", "video"},
    "quantization": {"ground", "facts", "video", "ir", "kinetics"},
    "evaluation": {"ground", "facts", "video", "ir", "inference", "kinetics"},
    "features": {"ground", "facts", "video", "ir", "inference"},
    "whole_videos": {"ground", "facts", "video", "ir", "inference"},
    "timeline": {"ground", "facts", "video", "ir", "inference", "whole_videos"},
    "ui": {"ground", "facts", "video", "timeline", "tasks"},
    "zoo": {"ground", "facts", "ir"},
    "tasks": {
        *("ground", "facts", "video", "weights", "ir", "inference", "quantization", "features"),
        *("whole_videos", "timeline"),
    },
    "batch": {"ground", "facts", "video", "inference", "features", "timeline", "tasks"},
    "ray": {"ground", "facts", "features", "timeline", "tasks", "batch"},
    "commands": {
        *("ground", "facts", "video", "weights", "ir", "inference", "kinetics", "quantization"),
        *("evaluation", "features", "timeline", "ui", "zoo", "tasks", "batch"),
    },
    "entrance": {
        *("ground", "facts", "weights", "ir", "quantization", "features", "timeline"),
        *("tasks", "commands"),
    },
}

HEAVY = ("av", "fastapi", "fsspec", "gradio", "nncf", "openvino", "pyarrow", "ray", "tensorflow")
ONLY_IN = {
    "av": "video",
    "fastapi": "ui.server",
    "fsspec": "video.object_stores",
    "gradio": "ui.app",
    "jinja2": "templates",
    "nncf": "quantization.quantize",
    "pyarrow": "batch.parquet",
    "ray": "batch.cluster",
    "tensorflow": "weights.tensorflow",
}


def wing(room: str) -> str:
    """Return the wing of a module of the package."""
    for name, rooms in (
        ("ground", GROUND),
        ("facts", FACTS),
        ("tasks", TASKS),
        ("entrance", ENTRANCE),
    ):
        if room in rooms:
            return name
    return room.partition(".")[0]


def imported(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[str]:
    """Yield the dotted names that import statements ask for, each also with what it takes."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the wing"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_rooms(names: Iterator[str]) -> set[str]:
    """Return the modules of the package that are among `names`; a wing's name stands for none."""
    found = set()
    for name in names:
        if name.startswith("i3d_rgb_tf."):
            room = name.removeprefix("i3d_rgb_tf.")
            if room in ROOMS:
                found.add(room)
            elif room.rpartition(".")[0] not in ROOMS:
                found.add("__init__")
    return found


def tree(room: str) -> ast.Module:
    return ast.parse(ROOMS[room].read_text(encoding="utf-8"))


IMPORTS = {room: own_rooms(imported(ast.walk(tree(room)))) - {room} for room in ROOMS}


def test_every_module_is_in_a_wing() -> None:
    assert {wing(room) for room in ROOMS} == WINGS.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_a_module_imports_only_its_wing_and_those_below(room: str) -> None:
    allowed = {wing(room), *WINGS[wing(room)]}

    assert [each for each in sorted(IMPORTS[room]) if wing(each) not in allowed] == []


@pytest.mark.parametrize("imports", [WINGS, IMPORTS], ids=["wings", "modules"])
def test_imports_have_no_cycle(imports: dict[str, set[str]]) -> None:
    # static_order raises a CycleError that names the cycle.
    assert set(TopologicalSorter(imports).static_order()) == imports.keys()


@pytest.mark.parametrize("room", ["classify", "whole_videos"])
def test_videos_are_read_and_inferred_by_two_wings(room: str) -> None:
    touched = {wing(room) for room in IMPORTS[room]} - {"ground", "facts", "whole_videos"}

    assert touched == {"video", "inference"}


@pytest.mark.parametrize("room", ROOMS)
def test_heavy_packages_are_imported_in_functions(room: str) -> None:
    top = {name.split(".")[0] for name in imported(tree(room).body)}

    assert top.isdisjoint(HEAVY)


@pytest.mark.parametrize(("package", "place"), ONLY_IN.items())
def test_a_heavy_package_has_one_place(package: str, place: str) -> None:
    # The place is a module or a wing.
    users = {
        room
        for room in ROOMS
        if package in {name.split(".")[0] for name in imported(ast.walk(tree(room)))}
    }

    assert {place if room.startswith(f"{place}.") else room for room in users} == {place}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_only_the_standard_library_at_the_top(command: str) -> None:
    top = set(imported(tree(f"commands.{command}").body))

    light = {"i3d_rgb_tf.errors", "i3d_rgb_tf.choices"}
    others = {name for name in top if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in others if ".".join(name.split(".")[:2]) not in light} == set()
