"""The operations of OpenVINO that graphs are built from, wherever this release keeps them."""

from __future__ import annotations

from typing import Any

__all__ = ["load_operations"]


def load_operations() -> Any:
    """Return the module ``opset13``."""
    try:
        from openvino import opset13
    except ImportError:
        # Before OpenVINO 2025.0.
        from openvino.runtime import opset13
    return opset13
