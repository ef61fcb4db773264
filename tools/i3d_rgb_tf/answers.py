"""What the network answers on each video of a data set; the next is read while one is inferred."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.ahead import read_ahead
from i3d_rgb_tf.errors import DatasetError, DeviceError, VideoError
from i3d_rgb_tf.ir import read_ir, read_provenance
from i3d_rgb_tf.labels import NUM_LABELS
from i3d_rgb_tf.protocols import middle_clip, whole_video, zoo_clips
from i3d_rgb_tf.runtime import (
    CLIP_LAYOUT,
    InferencePrecision,
    compile_for_clips,
    device_errors,
    infer_in_turn,
)
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.whole import average_logits, give_logits

__all__ = ["Answer", "Network", "load_network"]

_Inputs = Iterator[tuple[NDArray[Any], slice]]
_Outputs = list[tuple[NDArray[np.float32], slice]]


@dataclass(frozen=True)
class Answer:
    """What came of one video."""

    name: str
    """Of the video."""
    clips: NDArray[np.float32] | None
    """(clips, 400) probabilities; None when the video could not be read."""
    reason: str = ""
    """Why not."""


@dataclass(frozen=True)
class Network:
    """A network that is compiled for what a protocol gives it."""

    compiled: Any
    """``openvino.CompiledModel``."""
    weights: str
    """``rgb_imagenet``, ``rgb_scratch`` or ``unknown``."""
    read: Callable[[Path], _Inputs]
    """The inputs that a protocol makes of a video, and what counts of the output of each."""
    combine: Callable[[_Outputs], NDArray[np.float32]]
    """The probabilities of a video's clips, from the outputs and what counts of each."""

    def answer(
        self, videos: Iterable[tuple[str, Path]], *, workers: int = 1
    ) -> Generator[Answer, None, None]:
        """Yield an answer for each name and path, in order, reading `workers` videos at once."""
        sources = (partial(self._inputs, name, path) for name, path in videos)
        counting: _Outputs = []
        # Threads that read must be told when nobody wants more, not when it is forgotten.
        with (
            closing(read_ahead(sources, workers)) as inputs,
            closing(infer_in_turn(self.compiled, inputs)) as outputs,
        ):
            for (name, part, reason), output in outputs:
                if output is not None:
                    counting.append((output, part))
                    continue
                yield Answer(name, None if reason else self.combine(counting), reason)
                counting = []

    def _inputs(
        self, name: str, path: Path
    ) -> Iterator[tuple[tuple[str, slice, str], NDArray[Any] | None]]:
        """Yield the inputs of a video, then a mark of its end without one."""
        reason = ""
        try:
            for frames, part in self.read(path):
                yield (name, part, ""), frames
        except (DatasetError, VideoError) as error:
            reason = str(error)
        yield (name, slice(0), reason), None


def load_network(
    path: Path, protocol: str, *, device: str, inference_precision: InferencePrecision
) -> Network:
    """Compile an IR for what a protocol gives it.

    Raises
    ------
    ModelError
        There is no IR, or it is not this model's.
    DeviceError
        There is no such device, or it cannot run the model in the precision.
    """
    model = read_ir(path)
    weights = read_provenance(model).weights
    with device_errors(f"{device} cannot run {path}"):
        if protocol == "paper":
            compiled = compile_for_clips(give_logits(model), device, inference_precision)
            return Network(compiled, weights, whole_video, _average)
        if protocol == "clip":
            compiled = compile_for_clips(model, device, inference_precision)
            return Network(compiled, weights, _entirely(middle_clip), _gather)
        compiled = _compile_for_pixels(model, device, inference_precision)
        return Network(compiled, weights, _entirely(zoo_clips), _gather)


def _entirely(clips: Callable[[Path], Iterator[NDArray[Any]]]) -> Callable[[Path], _Inputs]:
    return lambda path: ((clip, slice(None)) for clip in clips(path))


def _gather(outputs: _Outputs) -> NDArray[np.float32]:
    return np.stack([output for output, _ in outputs])


def _average(outputs: _Outputs) -> NDArray[np.float32]:
    # Which axis is time depends on the converter; no chunk has as many logits as labels.
    rows = [logits.T if len(logits) == NUM_LABELS else logits for logits, _ in outputs]
    parts = [row[part] for row, (_, part) in zip(rows, outputs, strict=True)]
    return average_logits(parts).astype(np.float32)[np.newaxis]


def _compile_for_pixels(model: Any, device: str, inference_precision: str) -> Any:
    """Compile for clips of float32: the zoo's stretched pixels are fractions."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    processor = PrePostProcessor(model)
    processor.input(0).tensor().set_layout(openvino.Layout(CLIP_LAYOUT))
    processor.input(0).model().set_layout(openvino.Layout(load_spec().layout))
    properties = {"INFERENCE_PRECISION_HINT": inference_precision}
    compiled = openvino.Core().compile_model(processor.build(), device, properties)
    given = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if given != inference_precision:
        raise DeviceError(
            f"{device} cannot calculate in {inference_precision}, it would take {given}; choose "
            f"--inference-precision {given}"
        )
    return compiled
