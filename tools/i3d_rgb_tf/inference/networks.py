"""One IR, compiled for each kind of input when that is first needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from i3d_rgb_tf.choices import Convolution, InferencePrecision, PerformanceHint
from i3d_rgb_tf.cores import limit_cores
from i3d_rgb_tf.inference.dense import CHUNK_FRAMES
from i3d_rgb_tf.ir.compile import PixelType, check_device, compile_model, device_errors
from i3d_rgb_tf.ir.convolution import choose_convolution
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.forms import CLIP, Form, chunk_form, window_form
from i3d_rgb_tf.ir.metadata import read_provenance

__all__ = ["Network", "NetworkFacts", "NetworkOptions", "Networks"]


@dataclass(frozen=True)
class NetworkOptions:
    """How a network is compiled; see `i3d_rgb_tf.ir.compile.compile_model`."""

    device: str = "CPU"
    """A device of OpenVINO."""
    inference_precision: InferencePrecision | None = None
    """The arithmetic of the device; None for its own choice."""
    performance_hint: PerformanceHint = "LATENCY"
    """One clip at a time, or several at once. Chunks of a video are always inferred in turn, and
    several windows at once."""
    winograd: bool = True
    """Whether convolutions may be computed with fewer multiplications."""
    num_threads: int | None = None
    """Threads of the device ``CPU``, and the most for decoding; None for all usable cores."""
    cache: bool = True
    """Whether to keep the compiled networks on disk."""


@dataclass(frozen=True)
class Network:
    """A compiled network."""

    compiled: Any
    """``openvino.CompiledModel``."""
    convolution: Convolution
    """How the convolutions are computed."""

    @property
    def inference_precision(self) -> str:
        """Arithmetic of the device, as OpenVINO names it; ``unknown`` if it does not report it."""
        try:
            precision: str = self.compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        except RuntimeError:
            # HETERO and the like.
            return "unknown"
        return precision


@dataclass(frozen=True)
class NetworkFacts:
    """What the outputs of a network depend on besides the frames."""

    weights: str
    """Weight set: ``rgb_imagenet``, ``rgb_scratch``, or ``unknown``."""
    weights_sha384: str
    """Digest of the frozen graph that the IR was converted from; empty when not recorded."""
    model: str
    """Path of the IR."""
    convolution: Convolution
    """How the convolutions were computed."""
    inference_precision: str
    """Arithmetic of the device, as OpenVINO names it."""
    device: str
    """Device of OpenVINO."""


class Networks:
    """The networks of one IR.

    Parameters
    ----------
    path
        The IR.
    options
        How it is compiled.

    Raises
    ------
    ModelError
        There is no IR, or it is not this model's.
    DeviceError
        There is no such device. When a network is first needed: the device cannot compile it, or
        does not support the precision.
    """

    def __init__(self, path: Path, options: NetworkOptions) -> None:
        self.path = path
        self.options = options
        self._model = read_ir(path)
        provenance = read_provenance(self._model)
        self.weights = provenance.weights
        self.weights_sha384 = provenance.source_sha384
        check_device(options.device)
        if options.num_threads:
            limit_cores(options.num_threads)
        self._windows: dict[int, Network] = {}

    @cached_property
    def convolution(self) -> Convolution:
        """How the convolutions are computed."""
        options = self.options
        with device_errors(f"{options.device} cannot run the model", options.device):
            return choose_convolution(
                options.device,
                options.inference_precision,
                model=self._model,
                winograd=options.winograd,
            ).convolution

    @cached_property
    def clip(self) -> Network:
        """For clips of 79 frames: probabilities of the actions, (400,)."""
        return self.compile(CLIP, self.options.performance_hint)

    @cached_property
    def dense(self) -> Network:
        """For videos of any length, as `i3d_rgb_tf.inference.dense.infer_dense` takes it."""
        return self.compile(chunk_form(CHUNK_FRAMES), "LATENCY")

    def window(self, num_frames: int) -> Network:
        """Return the network for windows of so many frames: (positions, 1424)."""
        if num_frames not in self._windows:
            form = window_form(num_frames)
            self._windows[num_frames] = self.compile(form, "THROUGHPUT")
        return self._windows[num_frames]

    def facts(self, network: Network) -> NetworkFacts:
        """Return what the outputs of one of the networks depend on besides the frames."""
        return NetworkFacts(
            weights=self.weights,
            weights_sha384=self.weights_sha384,
            model=str(self.path),
            convolution=network.convolution,
            inference_precision=network.inference_precision,
            device=self.options.device,
        )

    def compile(
        self, form: Form, performance_hint: PerformanceHint, pixel_type: PixelType = "uint8"
    ) -> Network:
        """Compile a form of the network; it is not kept."""
        compiled = compile_model(
            self._model.clone(),
            self.options.device,
            self.options.inference_precision,
            form=form,
            pixel_type=pixel_type,
            performance_hint=performance_hint,
            convolution=self.convolution,
            num_threads=self.options.num_threads,
            cache=self.options.cache,
        )
        return Network(compiled, self.convolution)
