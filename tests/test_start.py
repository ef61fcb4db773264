"""A fresh `classify` does not import what its first result does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

_START = """
import sys
from i3d_rgb_tf import model
from i3d_rgb_tf.cli import main

CONVERTER = "openvino.tools.ovc"

def load(*_, **options):
    import openvino
    print(openvino.Core.__name__, CONVERTER in sys.modules)
    raise SystemExit

model.load_model = load
{before}
try:
    main(["classify", "video.mp4"])
except SystemExit:
    from openvino.tools.ovc import convert_model
    print(convert_model.__name__)
"""


@pytest.mark.parametrize(
    ("before", "is_imported"), [("", False), ("import openvino.tools.ovc", True)]
)
def test_the_model_converter_of_openvino_is_imported_only_by_those_who_want_it(
    before, is_imported, tmp_path
):
    (tmp_path / "video.mp4").write_bytes(b"")
    code = _START.format(before=before)

    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)

    assert done.stdout == f"Core {is_imported}\nconvert_model\n"
