"""The environment of one release of the zoo's tools, which `make test-zoo` makes and names."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers import FaultyServer, content

collect_ignore = ["kill_registration.py", "score_with_tensorflow.py"]
"""Programs for another environment."""


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
