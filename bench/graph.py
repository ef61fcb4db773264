"""Changes of the graph that the runtime does not make by itself, and what they win.

    python bench/graph.py -d TREE [--precision FP32] [--rounds 9]

Each change is checked to leave the answer as it is, and timed in turns with the graph as it was:

- merged: the 1x1x1 convolutions that read the same input in a Mixed block become one, split after.
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

from i3d_rgb_tf.ir import read_ir
from i3d_rgb_tf.runtime import compile_for_clips
from i3d_rgb_tf.spec import PRECISIONS, load_spec
from i3d_rgb_tf.verify import waves_clip

_POINT = [1, 1, 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, default="FP32")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    path = load_spec().ir_path(options.directory, options.precision)
    base = compile_for_clips(read_ir(path), cache=False)
    print(machine_line())
    clip = waves_clip()[np.newaxis]
    expected = base(clip)[0]

    def once() -> Any:
        return base(clip)[0]

    for name, make in (("merged", _merged), ("batch of 2", _batched), ("streams", _streamed)):
        run, num_clips = make(read_ir(path), clip)
        difference = float(np.abs(run() - expected).max())
        ratios = sorted(_seconds(once) * num_clips / _seconds(run) for _ in range(options.rounds))
        print(
            f"{options.precision} {name:12} {statistics.median(ratios):.3f} times as fast "
            f"({ratios[0]:.2f}..{ratios[-1]:.2f}), answers differ by {difference:.1e}",
            flush=True,
        )


_Run = tuple[Callable[[], Any], int]


def _merged(model: Any, clip: NDArray[np.uint8]) -> _Run:
    by_source: dict[Any, list[Any]] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution":
            source = node.input_value(0)
            key = (source.get_node().get_friendly_name(), source.get_index())
            if list(node.input_value(1).shape)[2:] == _POINT:
                by_source.setdefault(key, []).append(node)
    for nodes in by_source.values():
        if len(nodes) > 1:
            _merge(nodes)
    model.validate_nodes_and_infer_types()
    compiled = compile_for_clips(model, cache=False)
    return lambda: compiled(clip)[0], 1


def _merge(convolutions: list[Any]) -> None:
    from openvino import opset8 as opset

    adds = [_only_reader(node) for node in convolutions]
    relus = [_only_reader(node) for node in adds]
    weights = [node.input_value(1) for node in convolutions]
    joined = opset.convolution(
        convolutions[0].input_value(0),
        opset.concat(weights, 0),
        _POINT,
        [0, 0, 0],
        [0, 0, 0],
        _POINT,
    )
    biased = opset.add(joined, opset.concat([node.input_value(1) for node in adds], 1))
    sizes = np.array([each.shape[0] for each in weights])
    split = opset.variadic_split(opset.relu(biased), np.array(1), sizes)
    for relu, part in zip(relus, split.outputs(), strict=True):
        relu.output(0).replace(part)


def _only_reader(node: Any) -> Any:
    (reader,) = node.output(0).get_target_inputs()
    return reader.get_node()


def _batched(model: Any, clip: NDArray[np.uint8]) -> _Run:
    model.reshape([2, *list(model.input(0).shape)[1:]])
    compiled = compile_for_clips(model, cache=False)
    clips = np.concatenate([clip, clip])
    return lambda: compiled(clips)[0], 2


def _streamed(model: Any, clip: NDArray[np.uint8]) -> _Run:
    compiled = compile_for_clips(model, performance_hint="THROUGHPUT", cache=False)
    num_requests = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    requests = [compiled.create_infer_request() for _ in range(num_requests)]

    def run() -> Any:
        for request in requests:
            request.start_async({0: clip}, share_inputs=True)
        for request in requests:
            request.wait()
        return requests[0].get_output_tensor(0).data

    return run, num_requests


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
