"""Compile an IR for a device so that it takes frames as they come, uint8, colours last; run it."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.blobs import drop_damaged, seal
from i3d_rgb_tf.errors import DeviceError, I3DError, StorageError, last_line
from i3d_rgb_tf.spec import load_spec

__all__ = [
    "CLIP_LAYOUT",
    "InferencePrecision",
    "PerformanceHint",
    "compile_for_clips",
    "device_errors",
    "infer_in_turn",
]

InferencePrecision = Literal["f32", "bf16", "f16"]
PerformanceHint = Literal["LATENCY", "THROUGHPUT"]

CLIP_LAYOUT = "NDHWC"
"""Axes of what a compiled model takes: batch, frames, height, width, colours."""

_MILLISECONDS = 100
"""How long OpenVINO may wait at a time, because Ctrl-C is not seen meanwhile."""

_Tag = TypeVar("_Tag")

_logger = logging.getLogger(__name__)


def compile_for_clips(
    model: Any,
    device: str = "CPU",
    inference_precision: InferencePrecision | None = None,
    *,
    performance_hint: PerformanceHint = "LATENCY",
    cache: bool = True,
) -> Any:
    """Compile an ``openvino.Model`` for input (1, 79, 224, 224, 3) uint8, RGB, 0..255.

    The conversion to float and to the network's layout becomes part of the compiled graph,
    where it costs next to nothing.

    Parameters
    ----------
    model
        As `i3d_rgb_tf.ir.read_ir` gives it; it is changed.
    device
        A device of OpenVINO.
    inference_precision
        What the device calculates in, or None for its own choice.
    performance_hint
        ``LATENCY``: all cores on one clip at a time; asynchronous requests keep them busy.
        ``THROUGHPUT``: several clips at once, each on some of the cores.
    cache
        Whether to keep the compiled model on disk for the next process.

    Returns
    -------
    openvino.CompiledModel

    Raises
    ------
    DeviceError
        There is no such device, or it cannot calculate in the precision, or does not tell.
    """
    import openvino

    core = openvino.Core()
    _check_device(core, device)
    properties: dict[str, Any] = {"PERFORMANCE_HINT": performance_hint}
    if inference_precision:
        properties["INFERENCE_PRECISION_HINT"] = inference_precision
    model = _with_frames_as_input(model)
    with device_errors(f"{device} cannot run the model"):
        compiled = _compile(core, model, device, properties, cache=cache)
    _check_precision(compiled, device, inference_precision)
    return compiled


def infer_in_turn(
    compiled: Any, inputs: Iterable[tuple[_Tag, NDArray[Any] | None]]
) -> Generator[tuple[_Tag, NDArray[np.float32] | None], None, None]:
    """Infer in order while `inputs` makes the next ones.

    The device always has one input more than it works on at once, so it does not wait while
    `inputs` works, in the thread of the caller; nothing else is kept.

    Parameters
    ----------
    compiled
        An ``openvino.CompiledModel``.
    inputs
        What belongs to an input, and the input without its batch axis; None for none, then there
        is no output either.

    Yields
    ------
    tuple
        What belongs to the input, and the output without its batch axis.

    Raises
    ------
    DeviceError
        The device fails.
    """
    # OpenVINO's AsyncInferQueue would do, but its callbacks take the interpreter's lock on
    # OpenVINO's threads, and a model that is freed meanwhile waits for them for ever.
    count = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1
    idle = [compiled.create_infer_request() for _ in range(count)]
    # A request reads its input in place, so somebody has to hold on to it.
    running: deque[tuple[_Tag, Any, NDArray[Any] | None]] = deque()

    def finish_first() -> tuple[_Tag, NDArray[np.float32] | None]:
        tag, request, _ = running.popleft()
        if request is None:
            return tag, None
        while not _is_done(request, _MILLISECONDS):
            pass
        output: NDArray[np.float32] = request.get_output_tensor(0).data[0].copy()
        idle.append(request)
        return tag, output

    try:
        for tag, array in inputs:
            request = None
            if array is not None:
                while not idle:
                    yield finish_first()
                request = idle.pop()
                array = array[np.newaxis]  # noqa: PLW2901
                with device_errors("the device failed"):
                    request.start_async({0: array}, share_inputs=True)
            running.append((tag, request, array))
            # What is done is given before the next input is made.
            while running and _is_done(running[0][1]):
                yield finish_first()
        while running:
            yield finish_first()
    finally:
        _end([request for _, request, _ in running if request is not None])


@contextmanager
def device_errors(what: str) -> Iterator[None]:
    """Turn OpenVINO's errors into a `DeviceError` of one line that begins with `what`."""
    try:
        yield
    except I3DError:
        raise
    except RuntimeError as error:
        raise DeviceError(f"{what}: {last_line(error)}; try -D CPU") from error


def _end(requests: list[Any]) -> None:
    """Give up what runs, and wait until its inputs are no longer read."""
    for act in ("cancel", "wait"):
        for request in requests:
            # A cancelled one raises; and what failed first is told, not what fails after it.
            with suppress(RuntimeError):
                getattr(request, act)()


def _is_done(request: Any, milliseconds: int = 0) -> bool:
    if request is None:
        return True
    with device_errors("the device failed"):
        return bool(request.wait_for(milliseconds))


def _compile(core: Any, model: Any, device: str, properties: dict[str, Any], *, cache: bool) -> Any:
    if not cache:
        return core.compile_model(model, device, properties)
    folder = _cache_folder() / _kind(model, device, properties)
    try:
        drop_damaged(folder)
        compiled = core.compile_model(model, device, {**properties, "CACHE_DIR": str(folder)})
        seal(folder)
    except (StorageError, RuntimeError) as error:
        # A damaged or unwritable cache costs time, never the answer. Where this fails as well,
        # it was not the cache.
        compiled = core.compile_model(model, device, properties)
        _logger.warning(
            "not using the cache of compiled models in %s: %s", folder, last_line(error)
        )
    return compiled


def _cache_folder() -> Path:
    """Return this user's folder for models compiled by this version of OpenVINO."""
    import openvino
    from platformdirs import user_cache_path

    return user_cache_path("i3d-rgb-tf") / f"compiled-{openvino.__version__.split('-')[0]}"


def _kind(model: Any, device: str, properties: dict[str, Any]) -> str:
    """Return a name for what compiles to much the same, so that few files must be proven."""
    operations = (
        f"{each.get_type_name()} {each.output(0).element_type} {each.output(0).partial_shape}"
        for each in model.get_ordered_ops()
    )
    key = "\n".join([device, str(sorted(properties.items())), *operations])
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _check_device(core: Any, device: str) -> None:
    # HETERO:GPU,CPU or AUTO:GPU name devices behind a colon; OpenVINO checks those itself.
    if ":" in device or device in ("AUTO", "HETERO", "MULTI", "BATCH"):
        return
    available = core.available_devices
    # The only GPU is listed as GPU, and is GPU.0 as well; OpenVINO refuses a wrong number.
    if device.split(".", maxsplit=1)[0] not in {name.split(".")[0] for name in available}:
        raise DeviceError(
            f"there is no device {device}; OpenVINO sees here: {', '.join(available)}"
        )


def _check_precision(
    compiled: Any, device: str, inference_precision: InferencePrecision | None
) -> None:
    if inference_precision is None:
        return
    try:
        given = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    except RuntimeError as error:
        # They also take one that no device of theirs has, without a word.
        raise DeviceError(
            f"{device} does not tell what it calculates in, so {inference_precision} cannot be "
            "had for sure; name one device, such as -D CPU, or leave the precision out"
        ) from error
    if given != inference_precision:
        raise DeviceError(
            f"{device} cannot calculate in {inference_precision}, it would take {given}; "
            "leave the precision out to let the device choose"
        )


def _with_frames_as_input(model: Any) -> Any:
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    processor = PrePostProcessor(model)
    tensor = processor.input(0)
    tensor.tensor().set_element_type(Type.u8).set_layout(Layout(CLIP_LAYOUT))
    tensor.model().set_layout(Layout(load_spec().layout))
    return processor.build()
