"""Import TensorFlow, which only freezing and checkpoints need, quietly and on the CPU."""

from __future__ import annotations

import os
from typing import Any

from i3d_rgb_tf.errors import DependencyError, silent_standard_error

__all__ = ["require_tensorflow"]


def require_tensorflow() -> Any:
    """Import TensorFlow, quietly and on the CPU.

    Raises
    ------
    DependencyError
        It is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        # Its libraries print before its log level is in force.
        with silent_standard_error():
            import tensorflow
    except ImportError as error:
        raise DependencyError(
            f"freezing needs TensorFlow, which cannot be imported ({error}); "
            "install it with: pip install 'i3d-rgb-tf[freeze]'"
        ) from error
    return tensorflow
