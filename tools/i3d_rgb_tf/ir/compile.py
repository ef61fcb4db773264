"""Compile an IR for a device, with decoded frames as its input: uint8, channels-last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from i3d_rgb_tf.choices import Convolution, InferencePrecision, PerformanceHint
from i3d_rgb_tf.cores import core_quota
from i3d_rgb_tf.errors import (
    NATIVE_ERRORS,
    DeviceError,
    I3DError,
    last_line,
    remedy_or_memory,
)
from i3d_rgb_tf.ir.compiled_cache import compile_cached
from i3d_rgb_tf.ir.convolution import choose_convolution, describe
from i3d_rgb_tf.ir.forms import CLIP, Form, forms_digest
from i3d_rgb_tf.ir.layouts import change_layout
from i3d_rgb_tf.ir.winograd.rewrite import rewrite

__all__ = ["PixelType", "check_device", "compile_model", "device_errors", "inference_errors"]

PixelType = Literal["uint8", "float32"]
"""What a compiled model takes; float32 for pixels that were scaled to fractions."""


def compile_model(
    model: Any,
    device: str = "CPU",
    inference_precision: InferencePrecision | None = None,
    *,
    form: Form = CLIP,
    pixel_type: PixelType = "uint8",
    performance_hint: PerformanceHint = "LATENCY",
    convolution: Convolution | None = None,
    num_threads: int | None = None,
    cache: bool = True,
) -> Any:
    """Compile an ``openvino.Model`` for input (1, frames, 224, 224, 3), RGB, 0..255.

    The model may have any of `choices.LAYOUTS`. The conversion to float and to the network's layout
    becomes part of the compiled graph, where it takes almost no time.

    Parameters
    ----------
    model
        As `i3d_rgb_tf.ir.files.read_ir` gives it; it is changed.
    device
        A device of OpenVINO.
    inference_precision
        The arithmetic of the device, or None for its own choice.
    form
        What is compiled; by default the network for a clip of 79 frames.
    pixel_type
        Type of the input.
    performance_hint
        ``LATENCY``: all cores on one clip at a time; asynchronous requests keep them busy.
        ``THROUGHPUT``: several clips at once, each on some of the cores.
    convolution
        How the convolutions are computed; None for what
        `i3d_rgb_tf.ir.convolution.choose_convolution` chooses.
    num_threads
        Threads of the device ``CPU``; None for all usable cores. Other devices ignore it.
    cache
        Whether to keep the compiled model on disk for the next process.

    Returns
    -------
    openvino.CompiledModel

    Raises
    ------
    DeviceError
        There is no such device, or it does not support the precision, or does not report it.
    """
    import openvino

    check_device(device)
    core = openvino.Core()
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": performance_hint,
        **_thread_properties(device, num_threads),
    }
    if inference_precision:
        properties["INFERENCE_PRECISION_HINT"] = inference_precision
    with device_errors(f"{device} cannot run the model", device):
        if convolution is None:
            convolution = choose_convolution(device, inference_precision, model=model).convolution
        prepare = partial(_prepare, form=form, pixel_type=pixel_type, convolution=convolution)
        if cache:
            preparation = f"{form.name} {forms_digest()} {pixel_type} {describe(convolution)}"
            compiled = compile_cached(core, model, device, properties, prepare, preparation)
        else:
            compiled = core.compile_model(prepare(model), device, properties)
    _check_precision(compiled, device, inference_precision)
    return compiled


def _thread_properties(device: str, num_threads: int | None) -> dict[str, Any]:
    """Return how many threads the processor uses, which the operating system may move.

    OpenVINO would pin them to cores from the first one on, in every process: two processes of one
    thread would share one core. It does not know of a container's quota.
    """
    if device != "CPU":
        return {}
    threads = num_threads or core_quota()
    return {
        "ENABLE_CPU_PINNING": False,
        **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
    }


def check_device(device: str) -> None:
    """Check that OpenVINO sees a device.

    Raises
    ------
    DeviceError
        It does not.
    """
    import openvino

    # HETERO:GPU,CPU or AUTO:GPU name devices behind a colon; OpenVINO checks those itself.
    if ":" in device or device in ("AUTO", "HETERO", "MULTI", "BATCH"):
        return
    available = openvino.Core().available_devices
    # The only GPU is listed as GPU, and is GPU.0 as well; OpenVINO refuses a wrong number.
    if device.split(".", maxsplit=1)[0] not in {name.split(".")[0] for name in available}:
        raise DeviceError(
            f"there is no device {device}; OpenVINO sees here: {', '.join(available)}"
        )


@contextmanager
def device_errors(what: str, device: str = "") -> Iterator[None]:
    """Turn OpenVINO's errors into a `DeviceError` of one line.

    Parameters
    ----------
    what
        What the line begins with.
    device
        Where it happens; empty if that is unknown.
    """
    try:
        yield
    except I3DError:
        raise
    except (*NATIVE_ERRORS, MemoryError) as error:
        raise _device_error(what, error, device) from error


@contextmanager
def inference_errors(compiled: Any) -> Iterator[None]:
    """Turn the errors of an ``openvino.CompiledModel`` that infers into a `DeviceError`."""
    try:
        yield
    except I3DError:
        raise
    except (*NATIVE_ERRORS, MemoryError) as error:
        raise _device_error("the device failed", error, _device_of(compiled)) from error


def _device_error(what: str, error: Exception, device: str) -> DeviceError:
    remedy = "try -D CPU"
    if device.split(".", maxsplit=1)[0] == "CPU":
        remedy = remedy_or_memory(error, "the model may be damaged; convert again")
    return DeviceError(f"{what}: {last_line(error)}; {remedy}")


def _device_of(compiled: Any) -> str:
    """Return the device that a model is compiled for; empty if it does not say."""
    try:
        return ",".join(compiled.get_property("EXECUTION_DEVICES"))
    except NATIVE_ERRORS:
        return ""


def _check_precision(
    compiled: Any, device: str, inference_precision: InferencePrecision | None
) -> None:
    if inference_precision is None:
        return
    try:
        given = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    except RuntimeError as error:
        # They also accept one that none of their devices supports.
        raise DeviceError(
            f"{device} does not report its inference precision, so {inference_precision} cannot be "
            "guaranteed; name one device, such as -D CPU, or leave the precision out"
        ) from error
    if given != inference_precision:
        raise DeviceError(
            f"{device} does not support the inference precision {inference_precision}, it would "
            f"use {given}; leave the precision out to let the device choose"
        )


def _prepare(model: Any, form: Form, pixel_type: PixelType, convolution: Convolution) -> Any:
    prepared = _with_frames_as_input(form.adapt(model), pixel_type)
    return rewrite(prepared) if convolution == "winograd" else prepared


def _with_frames_as_input(model: Any, pixel_type: PixelType) -> Any:
    from openvino import Type
    from openvino.preprocess import PrePostProcessor

    change_layout(model, "NDHWC")
    processor = PrePostProcessor(model)
    element_type = Type.u8 if pixel_type == "uint8" else Type.f32
    processor.input(0).tensor().set_element_type(element_type)
    return processor.build()
