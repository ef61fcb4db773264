"""The ui command: its address, its warning, and what it needs."""

from __future__ import annotations

import os
import socket
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from i3d_rgb_tf import cli, model
from i3d_rgb_tf.ui import server
from i3d_rgb_tf.ui.app import prepare_gradio
from i3d_rgb_tf.ui.sessions import Limits


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> list[Limits]:
    """Announce the address instead of serving it, and give the limits of each call."""
    served: list[Limits] = []

    def serve(_, listener, limits, announce) -> None:
        served.append(limits)
        announce(server.socket_address(listener))

    monkeypatch.setattr(model, "load_model", lambda *_, **__: None)
    monkeypatch.setattr(server, "serve", serve)
    # It is looked for, and not imported.
    gradio = ModuleType("gradio")
    gradio.__spec__ = ModuleSpec("gradio", None)
    monkeypatch.setitem(sys.modules, "gradio", gradio)
    return served


@pytest.fixture
def run(capsys):
    """Give what runs the command and returns its output and the lines of its errors."""

    def run(*arguments: object, status: int = 0) -> tuple[str, list[str]]:
        assert cli.main(["ui", *map(str, arguments)]) == status
        captured = capsys.readouterr()
        return captured.out, captured.err.splitlines()

    return run


@pytest.fixture
def taken():
    """Give a port of loopback that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_it_prints_one_line_with_the_address(run, served):
    output, errors = run()

    host, port = output.strip().removeprefix("http://").removesuffix("/").split(":")
    assert host == "127.0.0.1"
    assert 7860 <= int(port) < 7960
    assert output.count("\n") == 1
    assert errors == []
    assert served == [Limits(200, 30)]


def test_the_limits_are_those_that_are_given(run, served):
    run("--max-megabytes", 5, "--max-minutes", 7)

    assert served == [Limits(5, 7)]


def test_the_next_free_port_is_taken_if_none_is_given(run, taken, monkeypatch):
    monkeypatch.setattr(server, "FIRST_PORT", taken)

    output, _ = run()

    assert output != f"http://127.0.0.1:{taken}/\n"
    assert output.startswith("http://127.0.0.1:")


def test_a_port_that_is_given_and_in_use_is_an_error(run, taken):
    output, errors = run("--port", taken, status=1)

    assert output == ""
    (line,) = errors
    assert line.startswith(f"i3d-rgb-tf: error: cannot serve on 127.0.0.1:{taken}: Address already")
    assert line.endswith("; choose another --host or --port")


def test_a_host_that_is_not_this_machine_is_an_error(run):
    # Of TEST-NET-1, which nobody has.
    _, errors = run("--host", "192.0.2.1", status=1)

    (line,) = errors
    assert line.startswith("i3d-rgb-tf: error: cannot serve on 192.0.2.1: ")


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_what_is_no_port_is_wrong_usage(port):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["ui", "--port", port])


def test_another_host_than_loopback_is_warned_of(run):
    output, errors = run("--host", "0.0.0.0")

    assert output.startswith("http://127.0.0.1:")
    (line,) = errors
    assert line.startswith("i3d-rgb-tf: warning: anybody who reaches 0.0.0.0 can upload videos")


@pytest.mark.parametrize(("package", "extra"), [("gradio", "ui"), ("PIL", "timeline")])
def test_a_package_that_is_missing_is_named_first(run, served, package, extra, monkeypatch):
    loaded: list[object] = []
    monkeypatch.setattr(model, "load_model", lambda *_, **__: loaded.append(1))
    monkeypatch.setitem(sys.modules, package, None)

    output, errors = run("--host", "0.0.0.0", status=1)

    (line,) = errors
    assert line.endswith(f"pip install 'i3d-rgb-tf[{extra}]'")
    assert (output, loaded, served) == ("", [], [])


def test_what_users_have_set_for_gradio_does_not_change_the_app(monkeypatch, tmp_path):
    environment = {"GRADIO_SHARE": "True", "GRADIO_ALLOWED_PATHS": "/", "HOME": "/home"}
    monkeypatch.setattr(os, "environ", environment)

    prepare_gradio(tmp_path)

    gradio = {name: value for name, value in environment.items() if name.startswith("GRADIO_")}
    assert gradio == {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(tmp_path),
    }
    assert environment["HOME"] == "/home"
