"""The environment of one release of the zoo's tools, which nox makes: make test-zoo."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from i3d_rgb_tf.ir.convert import convert
from processes import Environment
from servers import FaultyServer, content

collect_ignore = ["kill_registration.py", "read_predictions.py", "score_with_tensorflow.py"]
"""Programs for the environment of the tools."""


@dataclass(frozen=True)
class Tools(Environment):
    """The environment of a release; where its Python is too old for our commands, ours are used."""

    release: str

    def command(self, command: str, *arguments: str) -> list[str]:
        path = self.path(command)
        if (command, path) != ("i3d-rgb-tf", "i3d-rgb-tf"):
            return [path, *arguments]
        ours = [sys.executable, "-m", "i3d_rgb_tf", *arguments]
        if arguments[0] != "zoo" or arguments[1] == "run":
            return ours
        packages = [*self.folder.glob("lib/*/site-packages/omz_tools/_common.py")]
        packages += self.folder.glob("lib/*/site-packages/openvino/model_zoo/_common.py")
        return [*ours, "--zoo", str(packages[0].parent)]

    def check_accuracy(
        self, config: Path, model: Path, data: Path, folder: Path, *options: object
    ) -> dict[str, dict[str, float]]:
        """Run accuracy_check in a new folder; return each metric's value for each data set."""
        folder.mkdir()
        results = folder / "results.csv"
        command = ["-c", config, "-m", model.parent, "-s", data, "-td", "CPU", *options]
        self.run("accuracy_check", *command, "--csv_result", results, cwd=folder)
        found: dict[str, dict[str, float]] = {}
        with results.open() as file:
            for row in csv.DictReader(file):
                found.setdefault(row["dataset"], {})[row["metric_name"]] = float(
                    row["metric_value"]
                )
        return found


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """Return the environment that the nox session made."""
    if "ZOO_ENVIRONMENT" not in os.environ:
        pytest.fail("needs an environment of the zoo's tools; run: make test-zoo")
    found = Tools(
        release=os.environ["ZOO_RELEASE"],
        folder=Path(os.environ["ZOO_ENVIRONMENT"]),
        home=tmp_path_factory.mktemp("home"),
    )
    # Without a network the tools' telemetry can wait forever.
    found.run("opt_in_out", "--opt_out")
    return found


@pytest.fixture(scope="session")
def entry(tools: Tools) -> Path:
    """Return the folder of the model's entry in the installed zoo."""
    status = tools.run("i3d-rgb-tf", "zoo", "status").stdout
    return Path(re.search(r"^\w+: (.*)$", status, re.MULTILINE)[1])


@pytest.fixture(scope="session")
def accuracy_check(tools: Tools) -> Tools:
    """Return the environment of the release that has accuracy_check."""
    if tools.release != "2023.3.0":
        pytest.skip("accuracy_check and omz_quantizer are in openvino-dev 2023.3, not in 2024.6")
    return tools


@pytest.fixture(scope="session")
def config(accuracy_check: Tools) -> Path:
    """Return the path of our accuracy-check.yml."""
    return Path(accuracy_check.run("i3d-rgb-tf", "info", "--accuracy-check").stdout.strip())


@pytest.fixture(scope="session")
def converted(
    accuracy_check: Tools, frozen_graph: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the tree that the zoo's converter and Model Optimizer make from our entry.

    The other layouts are beside it, so each test shows that the zoo's tools find the right file.
    """
    root = tmp_path_factory.mktemp("converted")
    graph = root / "public" / "i3d-rgb-tf" / "i3d-rgb.frozen.pb"
    graph.parent.mkdir(parents=True)
    shutil.copy(frozen_graph, graph)
    accuracy_check.run("i3d-rgb-tf", "zoo", "register")
    accuracy_check.run("omz_converter", "--name", "i3d-rgb-tf", cwd=root)
    accuracy_check.run("i3d-rgb-tf", "zoo", "unregister")
    for layout in ("NDHWC", "NSTHWC"):
        convert(graph, root, layout=layout)
    return root


@pytest.fixture
def registered(tools: Tools, entry: Path) -> Iterator[Path]:
    """Give the entry with ours registered; unregister it afterwards."""
    tools.run("i3d-rgb-tf", "zoo", "register")
    yield entry
    tools.run("i3d-rgb-tf", "zoo", "unregister")


@pytest.fixture
def published(registered: Path, frozen_graph: Path, server: FaultyServer) -> Iterator[FaultyServer]:
    """Give a loopback server that publishes the rgb_scratch graph, for the registered entry.

    The entry differs only in the URL, size and checksum of the file.
    """
    body = frozen_graph.read_bytes()
    server.responses["/rgb.frozen.pb"] = [content(body)]
    model = registered / "model.yml"
    ours = model.read_text()
    changed = re.sub(r"(source): https.*", rf"\1: {server.url}/rgb.frozen.pb", ours)
    changed = re.sub(r"size: \d+", f"size: {len(body)}", changed)
    changed = re.sub(r"checksum: \w+", f"checksum: {hashlib.sha384(body).hexdigest()}", changed)
    model.write_text(changed)
    yield server
    model.write_text(ours)
