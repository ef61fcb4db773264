"""Infer requests of a compiled model: wait for them so that Ctrl-C is handled, and end them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from i3d_rgb_tf.ir.compile import inference_errors

__all__ = ["end_requests", "is_done", "wait_for"]

_MILLISECONDS = 100
"""Longest single wait for OpenVINO; Ctrl-C is handled between waits."""


def is_done(request: Any, compiled: Any, milliseconds: int = 0) -> bool:
    """Whether a request is done, after waiting for it no longer than given.

    Raises
    ------
    DeviceError
        The device failed.
    """
    with inference_errors(compiled):
        return bool(request.wait_for(milliseconds))


def wait_for(request: Any, compiled: Any) -> None:
    """Wait until a request is done.

    Raises
    ------
    DeviceError
        The device failed.
    """
    while not is_done(request, compiled, _MILLISECONDS):
        pass


def end_requests(requests: Iterable[Any]) -> None:
    """Cancel running requests and wait for them, because they read their inputs in place."""
    requests = list(requests)
    for act in ("cancel", "wait"):
        for request in requests:
            # A cancelled one raises. The first failure is reported, not those that follow.
            with suppress(RuntimeError):
                getattr(request, act)()
