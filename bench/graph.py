"""Changes of the graph that the runtime does not make by itself, and what they win.

    python bench/graph.py -d TREE [--precision FP32] [--rounds 9]

Each change must leave the predictions unchanged, and is timed in turns with the graph as it was:

- merged: one convolution for those of a Mixed block that read the same input.
- separated: each maximum over a window in three steps, one axis at a time.
- folded t, h, w: the first convolution with neighbours in time, height or width as channels.
- batch of 2: two clips in one call, the time per clip.
- streams: as many clips at once as the device wants, the time per clip.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine_line
from numpy.typing import NDArray
from rewrites import fold_first_convolution, merge_convolutions, separate_pools

from i3d_rgb_tf.choices import PRECISIONS
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.spec import load_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, default="FP32")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    path = load_spec().ir_path(options.directory, options.precision)
    base = _compile(read_ir(path))
    print(machine_line())
    clip = waves_clip().transpose(0, 3, 1, 2)[np.newaxis].astype(np.float32)
    expected = base(clip)[0]

    def once() -> Any:
        return base(clip)[0]

    for name, make in _CHANGES.items():
        changed = make(read_ir(path), clip)
        if not changed:
            print(f"{options.precision} {name:14} cannot be done to this model")
            continue
        run, num_clips = changed
        difference = float(np.abs(run() - expected).max())
        ratios = sorted(_seconds(once) * num_clips / _seconds(run) for _ in range(options.rounds))
        print(
            f"{options.precision} {name:14} {statistics.median(ratios):.3f} times as fast "
            f"({ratios[0]:.2f}..{ratios[-1]:.2f}), predictions differ by {difference:.1e}",
            flush=True,
        )


_Run = tuple[Callable[[], Any], int]


def _rewritten(rewrite: Callable[[Any], int]) -> Callable[[Any, NDArray[np.float32]], _Run | None]:
    def make(model: Any, clip: NDArray[np.float32]) -> _Run | None:
        if not rewrite(model):
            return None
        compiled = _compile(model)
        return lambda: compiled(clip)[0], 1

    return make


def _batched(model: Any, clip: NDArray[np.float32]) -> _Run:
    model.reshape([2, *list(model.input(0).shape)[1:]])
    compiled = _compile(model)
    clips = np.concatenate([clip, clip])
    return lambda: compiled(clips)[0], 2


def _streamed(model: Any, clip: NDArray[np.float32]) -> _Run:
    compiled = _compile(model, "THROUGHPUT")
    num_requests = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    requests = [compiled.create_infer_request() for _ in range(num_requests)]

    def run() -> Any:
        for request in requests:
            request.start_async({0: clip}, share_inputs=True)
        for request in requests:
            request.wait()
        return requests[0].get_output_tensor(0).data

    return run, num_requests


_CHANGES: dict[str, Callable[[Any, NDArray[np.float32]], _Run | None]] = {
    "merged": _rewritten(merge_convolutions),
    "separated": _rewritten(separate_pools),
    "folded w": _rewritten(lambda model: fold_first_convolution(model, (1, 1, 2))),
    "folded h, w": _rewritten(lambda model: fold_first_convolution(model, (1, 2, 2))),
    "folded t, h, w": _rewritten(lambda model: fold_first_convolution(model, (2, 2, 2))),
    "batch of 2": _batched,
    "streams": _streamed,
}


def _compile(model: Any, hint: str = "LATENCY") -> Any:
    """Compile a graph as it is, which `i3d_rgb_tf.ir.compile` does not."""
    import openvino

    return openvino.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": hint})


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
