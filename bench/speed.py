"""Time of one clip in this project and in other frameworks, in one run.

    python bench/speed.py -d TREE [--rounds 7] [--threads N]

TREE has the frozen graph and the IRs. A framework that is not installed is named and left out.
All take the same clip of uint8 frames and must give FP32's prediction for it; every round runs each
of them once, so that other load meets all. Ratios are to TensorFlow's time in the same round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import peers
from machine import machine_line

from i3d_rgb_tf.model import load_model
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.spec import load_spec

_BASE = "TensorFlow f32"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(machine_line())
    print(f"{options.threads} threads, {options.rounds} rounds")
    contestants = _contestants(options.directory, options.threads)
    clip = waves_clip()
    expected = contestants["i3d-rgb-tf FP32 in f32"](clip)
    for name, predict in contestants.items():
        difference = np.abs(predict(clip) - expected).max()
        print(f"{name:28}  differs from FP32 by {difference:.1e}", flush=True)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(options.rounds):
        for name, predict in contestants.items():
            start = time.perf_counter()
            predict(clip)
            seconds[name].append(time.perf_counter() - start)
    base = seconds.get(_BASE)
    for name, every in seconds.items():
        line = f"{name:28}  {statistics.median(every):6.3f} s ({min(every):.3f}..{max(every):.3f})"
        if base:
            ratios = sorted(a / b for a, b in zip(base, every, strict=True))
            line += f"  {statistics.median(ratios):.2f} times {_BASE}"
            line += f" ({ratios[0]:.2f}..{ratios[-1]:.2f})"
        print(line)


def _contestants(root: Path, threads: int) -> dict[str, peers.Predict]:
    spec = load_spec()
    graph = spec.frozen_graph_path(root)
    ir = {name: spec.ir_path(root, name) for name in ("FP32", "FP16", "FP16-INT8")}
    makers: dict[str, Callable[[], peers.Predict]] = {
        _BASE: lambda: peers.tensorflow_model(graph, threads),
        "PyTorch f32": lambda: peers.torch_model(graph, threads),
        "ONNX Runtime f32": lambda: peers.onnxruntime_model(graph, threads),
        "OpenVINO, numpy pixels": lambda: peers.openvino_model(ir["FP16"], threads),
        "i3d-rgb-tf FP32 in f32": lambda: (
            load_model(ir["FP32"], inference_precision="f32", cache=False).predict
        ),
        "the same, direct": lambda: (
            load_model(ir["FP32"], inference_precision="f32", winograd=False, cache=False).predict
        ),
        "i3d-rgb-tf FP16": lambda: load_model(ir["FP16"], cache=False).predict,
    }
    if ir["FP16-INT8"].is_file():
        makers["i3d-rgb-tf FP16-INT8"] = lambda: load_model(ir["FP16-INT8"], cache=False).predict
    contestants = {}
    for name, make in makers.items():
        try:
            contestants[name] = make()
        except ImportError as error:
            print(f"{name:28}  left out: {error}")
    return contestants


if __name__ == "__main__":
    main()
