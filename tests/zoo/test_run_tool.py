"""`zoo run` with tools that are written here; tests/zoo_tools runs the zoo's own."""

import sys
from pathlib import Path

import pytest

from i3d_rgb_tf.choices import ZOO_TOOLS
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import ZooError
from i3d_rgb_tf.spec import entry_folder
from i3d_rgb_tf.zoo.installation import entry_digests
from i3d_rgb_tf.zoo.run_tool import run_tool

SHOW_MODELS = """
import sys
from omz_tools import _common

def main():
    print(*sys.argv)
    for path in sorted(_common.MODEL_ROOT.glob("**/model.yml")):
        print(path)
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Give the folder of installed tools, with a zoo of two models and no tool."""
    folder = tmp_path / "site-packages" / "omz_tools"
    for name in ("i3d-rgb-tf", "other"):
        (folder / "models" / "public" / name).mkdir(parents=True)
        (folder / "models" / "public" / name / "model.yml").write_text("stock\n")
    (folder / "__init__.py").touch()
    (folder / "_common.py").write_text(
        "from pathlib import Path\nMODEL_ROOT = Path(__file__).parent / 'models'\n"
    )
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(sys, "argv", ["pytest"])
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "omz_tools"]:
        del sys.modules[name]


def test_a_tool_sees_our_entry_and_the_zoo_is_unchanged(tools, capsys):
    (tools / "omz_info_dumper.py").write_text(SHOW_MODELS)

    assert main(["zoo", "run", "info_dumper", "--name", "i3d-rgb-tf"]) == 0

    command, ours, other = capsys.readouterr().out.splitlines()
    assert command == "omz_info_dumper --name i3d-rgb-tf"
    assert ours.endswith("/models/public/i3d-rgb-tf/model.yml")
    assert other.endswith("/models/public/other/model.yml")
    assert str(tools) not in ours
    # The copy is removed, and the zoo's own entry is unchanged.
    assert not Path(ours).exists()
    assert [path.read_text() for path in tools.rglob("model.yml")] == ["stock\n"] * 2


def test_a_tool_gets_our_complete_entry(tools, monkeypatch):
    (tools / "omz_converter.py").write_text(
        "from omz_tools import _common\n"
        "def main(): seen(_common.MODEL_ROOT / 'public' / 'i3d-rgb-tf')\n"
    )
    found = []
    monkeypatch.setattr(
        "builtins.seen", lambda folder: found.append(entry_digests(folder)), raising=False
    )

    run_tool("converter", [])

    assert found == [entry_digests()]


def test_where_links_are_not_allowed_the_models_are_copied(tools, monkeypatch):
    def refuse(*_):
        # As Windows does for most users.
        raise OSError("a required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    (tools / "omz_converter.py").write_text(
        "from omz_tools import _common\n"
        "def main(): seen(sorted(_common.MODEL_ROOT.glob('**/model.yml')))\n"
    )
    found = []
    monkeypatch.setattr(
        "builtins.seen", lambda paths: found.extend(p.read_text() for p in paths), raising=False
    )

    run_tool("converter", [])

    assert found == [(entry_folder() / "model.yml").read_text(), "stock\n"]


@pytest.mark.parametrize(("status", "expected"), [("", 0), ("0", 0), ("3", 3)])
def test_the_exit_status_is_that_of_the_tool(tools, status, expected):
    (tools / "omz_downloader.py").write_text(f"import sys\ndef main(): sys.exit({status})\n")

    assert run_tool("downloader", []) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "^the zoo installed here has no omz_converter; openvino-dev 2023.3 has"),
        ("import sys\ndef main(): sys.exit('No models')", "^omz_converter: No models$"),
        (
            "import networkz",
            "^omz_converter cannot start: No module named 'networkz'; .* pip check",
        ),
        ("from omz_tools import gone", "^omz_converter cannot start: cannot import name 'gone'"),
        ("import openvino.gone", "^omz_converter cannot start: No module named 'openvino.gone'"),
    ],
)
def test_why_a_tool_cannot_run_is_reported(tools, source, message):
    if source:
        (tools / "omz_converter.py").write_text(f"{source}\n")

    with pytest.raises(ZooError, match=message):
        run_tool("converter", [])


def test_the_command_offers_every_tool(capsys):
    with pytest.raises(SystemExit):
        main(["zoo", "run", "--help"])

    assert f"{{{','.join(ZOO_TOOLS)}}}" in capsys.readouterr().out
