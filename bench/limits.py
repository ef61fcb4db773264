"""The limits of this machine, measured: a matrix product, and a copy."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.ir.opset import load_operations

__all__ = ["Copy", "Matmul"]

_PROPERTIES = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
_BYTES = 4
"""Of a float32."""


class Matmul:
    """Matrix products large enough that only the multiplications take time."""

    _SHAPES = ((2048, 2048, 2048), (4096, 512, 512))

    def __init__(self) -> None:
        self._products = [_compile_product(*shape) for shape in self._SHAPES]
        self.rate = 0.0
        """GFLOP/s of the fastest."""

    def run(self) -> None:
        """Multiply several times."""
        for _ in range(5):
            for shape, (request, values) in zip(self._SHAPES, self._products, strict=True):
                start = time.perf_counter()
                request.infer({0: values}, share_inputs=True)
                rate = 2 * prod(shape) / 1e9 / (time.perf_counter() - start)
                self.rate = max(self.rate, rate)


def _compile_product(rows: int, common: int, columns: int) -> tuple[Any, NDArray[np.float32]]:
    """Return a request of OpenVINO that multiplies by a constant matrix, and what to multiply."""
    import openvino

    operations = load_operations()
    random = np.random.default_rng(0)
    source = operations.parameter([rows, common], np.float32)
    weights = operations.constant(random.standard_normal((common, columns), np.float32))
    product = operations.matmul(source, weights, False, False)
    model = openvino.Model([product], [source], "product")
    compiled = openvino.Core().compile_model(model, "CPU", _PROPERTIES)
    return compiled.create_infer_request(), random.standard_normal((rows, common), np.float32)


class Copy:
    """A copy of more than any cache holds, each core its part."""

    def __init__(self, megabytes: int = 512) -> None:
        self._cores = len(os.sched_getaffinity(0))
        shape = (self._cores, megabytes * 10**6 // self._cores // _BYTES)
        # Both are written once, so that every page is there.
        self._source, self._target = np.ones(shape, np.float32), np.zeros(shape, np.float32)
        self._pool = ThreadPoolExecutor(self._cores)
        self.rate = 0.0
        """GB/s of the fastest, read and written together."""

    def run(self) -> None:
        """Copy several times."""
        for _ in range(5):
            start = time.perf_counter()
            # numpy lets other threads run while it copies.
            list(self._pool.map(np.copyto, self._target, self._source))
            rate = 2 * self._source.nbytes / 1e9 / (time.perf_counter() - start)
            self.rate = max(self.rate, rate)
