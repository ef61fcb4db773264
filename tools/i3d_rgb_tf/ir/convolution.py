"""How the convolutions of a model are computed: rewritten only where that was measured to win."""

from __future__ import annotations

import hashlib
import logging
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from i3d_rgb_tf.choices import Convolution, InferencePrecision
from i3d_rgb_tf.errors import NATIVE_ERRORS
from i3d_rgb_tf.ir import winograd as winograd_package
from i3d_rgb_tf.ir.winograd.rewrite import can_rewrite

__all__ = ["ConvolutionChoice", "choose_convolution", "describe"]

_PROCESSORS = {"x86_64", "amd64"}
"""How systems name the architecture of the processors in bench/README.md."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConvolutionChoice:
    """An algorithm, and why it is used."""

    convolution: Convolution
    """The algorithm."""
    reason: str
    """Why."""


_WINOGRAD = ConvolutionChoice("winograd", "it is faster in f32 on x86-64 processors")


def choose_convolution(
    device: str = "CPU",
    inference_precision: InferencePrecision | None = None,
    *,
    model: Any | None = None,
    winograd: bool = True,
) -> ConvolutionChoice:
    """Choose how the convolutions of a model are computed on a device of this machine.

    The rewritten network is faster in float32 on x86-64 processors. In bfloat16 and float16 its
    transforms would multiply the rounding errors.

    Parameters
    ----------
    device
        A device of OpenVINO.
    inference_precision
        The arithmetic of the device, or None for its own choice.
    model
        The ``openvino.Model`` that is to be compiled; it is not changed. None for one in floating
        point with a fixed number of frames.
    winograd
        Whether it may be chosen.
    """
    reason = next(_reasons_for_direct(device, inference_precision, model, winograd), None)
    choice = ConvolutionChoice("direct", reason) if reason else _WINOGRAD
    _logger.info("%s convolution: %s", choice.convolution, choice.reason)
    return choice


def describe(convolution: Convolution) -> str:
    """Return a text that differs where results may: other code makes another graph."""
    return convolution if convolution == "direct" else f"{convolution} {_rewrite_digest()}"


@cache
def _rewrite_digest() -> str:
    sources = sorted(Path(winograd_package.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _reasons_for_direct(
    device: str, inference_precision: InferencePrecision | None, model: Any | None, winograd: bool
) -> Iterator[str]:
    if not winograd:
        yield "winograd is switched off"
    if device.split(".", maxsplit=1)[0] != "CPU":
        yield f"winograd is for CPU only, and the device is {device}"
    processor = platform.machine()
    if processor.lower() not in _PROCESSORS:
        yield f"winograd is not measured on {processor or 'unknown'} processors"
    precision = inference_precision or _default_precision()
    if precision != "f32":
        whose = "the inference precision" if inference_precision else "CPU's own precision"
        yield f"winograd is for f32 only, and {whose} is {precision}"
    if model is not None and not can_rewrite(model):
        yield "the model is quantized or takes a varying number of frames"


def _default_precision() -> str:
    import openvino

    try:
        precision = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    except NATIVE_ERRORS:
        # Compiling for it reports why.
        return "unknown"
    return str(precision.to_string())
