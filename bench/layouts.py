"""What does the transpose cost that gives a model another layout?

    python bench/layouts.py -d TREE [--rounds 15]

TREE has the IRs of every layout. Plain OpenVINO runs them as they are, in turns, on the same clip
of float32 in their own layout. The model of the zoo's layout is compiled twice: the ratio of the
two shows how far compiled models of the same graph differ.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine_line, ratio_line

from i3d_rgb_tf.choices import LAYOUTS, PRECISIONS, Layout, Precision
from i3d_rgb_tf.ir.layouts import input_shape
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.spec import load_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument(
        "--precisions", choices=PRECISIONS, nargs="+", default=["FP32", "FP16-INT8"]
    )
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(f"{machine_line()}; {options.rounds} rounds")
    for precision in options.precisions:
        _measure(options.directory, precision, options.rounds)


def _measure(root: Path, precision: Precision, rounds: int) -> None:
    base, *others = LAYOUTS
    runs = {
        base: _Run(root, precision, base),
        f"{base} again": _Run(root, precision, base),
        **{layout: _Run(root, precision, layout) for layout in others},
    }
    expected = runs[base].infer()
    for name, run in runs.items():
        difference = float(np.abs(run.infer() - expected).max())
        print(f"{precision} {name}: predictions differ from {base} by {difference:.1e}", flush=True)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        # The order is reversed each round.
        names = list(runs)[:: 1 if number % 2 else -1]
        for name in names:
            start = time.perf_counter()
            runs[name].infer()
            seconds[name].append(time.perf_counter() - start)
    for name in list(runs)[1:]:
        print(
            ratio_line(
                f"{precision} {name} takes, relative to {base}", seconds[name], seconds[base]
            )
        )


class _Run:
    def __init__(self, root: Path, precision: Precision, layout: Layout) -> None:
        import openvino

        path = load_spec().ir_path(root, precision, layout)
        config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = openvino.Core().compile_model(path, "CPU", config)
        clip = waves_clip().astype(np.float32)
        axes = (0, 3, 1, 2) if layout == "NDCHW" else (0, 1, 2, 3)
        self._clip = np.ascontiguousarray(clip.transpose(axes)).reshape(input_shape(layout))

    def infer(self) -> Any:
        return self._compiled(self._clip, share_inputs=True)[0]


if __name__ == "__main__":
    main()
