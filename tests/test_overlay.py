"""The overlay with tools that are written here; the stock ones are in tests/zoo."""

import sys
from pathlib import Path

import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import ZooError
from i3d_rgb_tf.overlay import TOOLS, run_tool
from i3d_rgb_tf.zoo import entry_digests

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


def test_a_tool_sees_the_zoo_with_our_entry_and_the_zoo_stays(tools, capsys):
    (tools / "omz_info_dumper.py").write_text(SHOW_MODELS)

    assert main(["omz", "info_dumper", "--name", "i3d-rgb-tf"]) == 0

    command, ours, other = capsys.readouterr().out.splitlines()
    assert command == "omz_info_dumper --name i3d-rgb-tf"
    assert ours.endswith("/models/public/i3d-rgb-tf/model.yml")
    assert other.endswith("/models/public/other/model.yml")
    assert str(tools) not in ours
    # The copy is gone, and the zoo's own entry is as it was.
    assert not Path(ours).exists()
    assert [path.read_text() for path in tools.rglob("model.yml")] == ["stock\n"] * 2


def test_a_tool_gets_our_whole_entry(tools, monkeypatch):
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
def test_what_a_tool_lacks_is_named(tools, source, message):
    if source:
        (tools / "omz_converter.py").write_text(f"{source}\n")

    with pytest.raises(ZooError, match=message):
        run_tool("converter", [])


def test_the_command_offers_every_tool(capsys):
    with pytest.raises(SystemExit):
        main(["omz", "--help"])

    assert f"{{{','.join(TOOLS)}}}" in capsys.readouterr().out
