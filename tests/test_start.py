"""A fresh process does not import what its first result does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

_START = """
import sys
from i3d_rgb_tf.classify import classify_while_loading

CONVERTER = "openvino.tools.ovc"

def load():
    import openvino
    print(openvino.Core.__name__, CONVERTER in sys.modules)
    raise ValueError

{before}
try:
    list(classify_while_loading(load, []))
except ValueError:
    from openvino.tools.ovc import convert_model
    print(convert_model.__name__)
"""


@pytest.mark.parametrize(
    ("before", "is_imported"), [("", False), ("import openvino.tools.ovc", True)]
)
def test_the_model_converter_of_openvino_is_imported_only_by_those_who_want_it(before, is_imported):
    code = _START.format(before=before)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == f"Core {is_imported}\nconvert_model\n"
