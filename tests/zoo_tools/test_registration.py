"""Register and unregister in the installed zoo of each release, with interruptions."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

NAME = ("--name", "i3d-rgb-tf")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def state(tools) -> str:
    return tools.run("i3d-rgb-tf", "zoo", "status").stdout.split(":")[0]


def put_graph(root: Path, frozen_graph: Path) -> None:
    folder = root / "public" / "i3d-rgb-tf"
    folder.mkdir(parents=True)
    (folder / "i3d-rgb.frozen.pb").symlink_to(frozen_graph)


@pytest.fixture(autouse=True)
def original(entry):
    """Every test starts and ends with the zoo's own bytes, and leaves no file of ours."""
    model_root = entry.parents[1]
    before = snapshot(model_root)
    assert "NDCHW" not in (entry / "model.yml").read_text()
    yield before
    assert snapshot(model_root) == before
    assert not (model_root.parent / ".i3d-rgb-tf").exists()


def test_twice_is_once(tools):
    for command, expected in [
        ("register", "ours"),
        ("register", "ours"),
        ("unregister", "stock"),
        ("unregister", "stock"),
    ]:
        tools.run("i3d-rgb-tf", "zoo", command)
        assert state(tools) == expected


def test_an_edited_entry_is_restored_too(tools, entry):
    tools.run("i3d-rgb-tf", "zoo", "register")
    model = entry / "model.yml"
    model.write_text(model.read_text().replace("https://", "http://127.0.0.1/"))

    assert state(tools) == "edited"
    tools.run("i3d-rgb-tf", "zoo", "unregister")


@pytest.mark.parametrize("action", ["register", "unregister"])
def test_killed_at_every_file_operation(tools, action):
    program = Path(__file__).with_name("kill_registration.py")

    operations = int(tools.run("python", program, action).stdout)

    assert operations > 20


def test_two_processes_at_once(tools, entry):
    program = (
        "from i3d_rgb_tf.zoo.register import register, unregister\n"
        "from i3d_rgb_tf.zoo.installation import find_zoo\n"
        "for _ in range(30): register(find_zoo()); unregister(find_zoo())\n"
    )
    command = [tools.path("python"), "-c", program]
    processes = [subprocess.Popen(command) for _ in range(2)]

    shown = 0
    while any(process.poll() is None for process in processes) or not shown:
        assert '"name": "i3d-rgb-tf"' in tools.run("omz_info_dumper", *NAME).stdout
        shown += 1

    assert [process.returncode for process in processes] == [0, 0]


def test_a_read_only_zoo_is_unchanged_and_its_tools_run_on_our_entry(
    tools, entry, frozen_graph, tmp_path
):
    package = entry.parents[2]
    read_only = f"mount --bind {package} {package} && mount -o remount,bind,ro {package}"
    if os.geteuid() or subprocess.run(["unshare", "--mount", "sh", "-c", read_only]).returncode:
        pytest.skip("needs the right to mount a folder read-only, as root has")
    put_graph(tmp_path, frozen_graph)
    converter = "i3d-rgb-tf zoo run converter --name i3d-rgb-tf --precisions FP32"
    if tools.release == "2026.4.1":
        converter += ' --mo "$(i3d-rgb-tf info --mo)"'
    script = tmp_path / "script.sh"
    script.write_text(
        f"{read_only}\ni3d-rgb-tf zoo register\necho exited with $?\n"
        f"i3d-rgb-tf zoo run info_dumper --name i3d-rgb-tf\n{converter}\ni3d-rgb-tf verify\n"
    )
    output = tools.run("unshare", "--mount", "sh", script, cwd=tmp_path).stdout

    assert "error: cannot change" in output
    assert "exited with 1" in output
    assert "i3d-rgb-tf zoo run downloader --name i3d-rgb-tf" in output
    assert '"layout": "NDHWC->NDCHW"' in output
    assert "passed  FP32 waves" in output


def test_a_new_installation_of_the_zoo_is_detected(tools, entry, frozen_graph, tmp_path):
    if tools.release == "2026.4.1":
        pytest.skip("installing openvino-dev again would break openvino there")
    put_graph(tmp_path, frozen_graph)
    tools.run("i3d-rgb-tf", "zoo", "register")
    package = f"openvino-dev=={tools.release}"
    tools.run("python", "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", package)

    assert state(tools) == "overwritten"
    # Until it is registered again the zoo's entry is active, beside files that only we added.
    assert (entry / "pre-convert.py").exists()
    output = tools.run("omz_converter", *NAME, "--precisions=FP16", cwd=tmp_path).stdout
    assert "pre-convert" in output
    assert "NDCHW" not in output

    tools.run("i3d-rgb-tf", "zoo", "register")
    assert state(tools) == "ours"
    tools.run("i3d-rgb-tf", "zoo", "unregister")
