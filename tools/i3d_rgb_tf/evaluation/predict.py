"""Run the network on each video of a data set by a protocol."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.choices import Convolution, InferencePrecision
from i3d_rgb_tf.evaluation.protocols import Protocol
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.inference.pipeline import read_videos

__all__ = ["Network", "VideoResult", "load_network"]


@dataclass(frozen=True)
class VideoResult:
    """The result for one video."""

    name: str
    """Name of the video."""
    probabilities: NDArray[np.float32] | None
    """(predictions, 400) float32, 0..1, by the protocol; None if the video cannot be read."""
    reason: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True)
class Network:
    """A network compiled for a protocol."""

    compiled: Any
    """``openvino.CompiledModel``."""
    weights: str
    """``rgb_imagenet``, ``rgb_scratch`` or ``unknown``."""
    protocol: Protocol
    """How inputs are made of a video, and predictions of outputs."""
    convolution: Convolution
    """How the convolutions are computed."""

    def predict(
        self, videos: Iterable[tuple[str, Path]], *, workers: int = 1
    ) -> Generator[VideoResult, None, None]:
        """Yield a result for each name and path, in order, reading `workers` videos at once.

        Raises
        ------
        DeviceError
            The device fails.
        """
        protocol = self.protocol

        def read(video: tuple[str, Path]) -> Iterator[tuple[Any, NDArray[Any]]]:
            return protocol.read(video[1])

        with (
            closing(read_videos(videos, read, workers=workers)) as inputs,
            closing(protocol.infer(self.compiled, inputs, protocol.collector)) as inferred,
        ):
            for each in inferred:
                name, _ = each.video
                if each.error:
                    yield VideoResult(name, None, str(each.error))
                else:
                    yield VideoResult(name, protocol.combine(each.outputs))


def load_network(
    path: Path,
    protocol: Protocol,
    *,
    device: str,
    inference_precision: InferencePrecision,
    winograd: bool = True,
    num_threads: int | None = None,
) -> Network:
    """Compile an IR for the inputs of a protocol.

    Parameters
    ----------
    path
        The IR.
    protocol
        What is compiled, and for which inputs.
    device, inference_precision
        As for `i3d_rgb_tf.ir.compile.compile_model`.
    winograd
        Whether convolutions may be computed with fewer multiplications.
    num_threads
        As for `i3d_rgb_tf.model.load_model`.

    Raises
    ------
    ModelError
        There is no IR, or it is not this model's.
    DeviceError
        There is no such device, or it cannot run the model in the precision.
    """
    options = NetworkOptions(
        device, inference_precision, winograd=winograd, num_threads=num_threads
    )
    networks = Networks(path, options)
    network = networks.compile(protocol.form, options.performance_hint, protocol.pixel_type)
    return Network(network.compiled, networks.weights, protocol, network.convolution)
