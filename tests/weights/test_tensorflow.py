"""TensorFlow is imported quietly, or the error says how to install it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from i3d_rgb_tf.errors import DependencyError
from i3d_rgb_tf.weights.tensorflow import require_tensorflow

pytestmark = pytest.mark.slow


def test_importing_tensorflow_prints_nothing_and_keeps_standard_error_open():
    script = (
        "import os; from i3d_rgb_tf.weights.tensorflow import require_tensorflow\n"
        "require_tensorflow(); os.write(2, b'an error')"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "an error")


def test_without_tensorflow_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    with pytest.raises(DependencyError, match=r"pip install 'i3d-rgb-tf\[freeze\]'"):
        require_tensorflow()
