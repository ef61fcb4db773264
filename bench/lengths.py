"""What do videos of many lengths cost: compiled for each, one dynamic shape, or equal chunks?

Each way runs in a process of its own and takes its turn: one whole-video pass for each length.

    taskset -c 0,1 python bench/lengths.py -m MODEL.xml
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from machine import machine_line, ratio_line

from i3d_rgb_tf.inference.dense import cut_chunks, plan_chunks, with_logits_as_output
from i3d_rgb_tf.inference.pipeline import infer_in_order
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import read_ir

_Measured = dict[str, float]

_WAYS = ("dynamic", "compiled", "kept", "chunks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", type=Path, required=True)
    parser.add_argument("--lengths", type=int, nargs="+", default=[243, 244, 245, 246, 247, 248])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--way", choices=_WAYS)
    arguments = parser.parse_args()
    if arguments.way:
        _run(arguments.model, arguments.way, arguments.lengths)
        return
    print(machine_line())
    command = [sys.executable, __file__, "-m", arguments.model, "--lengths", *arguments.lengths]
    found: dict[str, list[_Measured]] = {way: [] for way in _WAYS}
    for _ in range(arguments.rounds):
        for way in _WAYS:
            output = subprocess.check_output([*map(str, command), "--way", way], text=True)
            found[way].append(json.loads(output.splitlines()[-1]))
            print(f"  {way}: {found[way][-1]}", flush=True)
    for kind in ("seconds", "processor_seconds", "megabytes"):
        for way in _WAYS[1:]:
            values = [[each[kind] for each in found[which]] for which in (way, "dynamic")]
            print(ratio_line(f"{kind} of {way} against dynamic", *values))


def _run(path: Path, way: str, lengths: list[int]) -> None:
    """Infer one video of each length; `kept` keeps every compiled model, in case it comes back."""
    start = time.perf_counter()
    frames = np.random.default_rng(0).integers(0, 256, (max(lengths), 224, 224, 3), np.uint8)
    dynamic = with_logits_as_output(read_ir(path))
    most_frames = 184 if way == "chunks" else max(lengths)
    compiled = None
    kept = []
    for num_frames in lengths:
        if compiled is None or way in ("compiled", "kept"):
            model = (
                dynamic if way in ("dynamic", "chunks") else with_logits_as_output(read_ir(path))
            )
            if way in ("compiled", "kept"):
                model.reshape([1, num_frames, 224, 224, 3])
            compiled = compile_model(model, "CPU", "f32", convolution="direct", cache=False)
            kept.append(compiled if way == "kept" else None)
        chunks = plan_chunks(num_frames, most_frames)
        parts = ((None, part) for part in cut_chunks(frames, chunks))
        for _ in infer_in_order(compiled, parts):
            pass
    measured = {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time(),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps({kind: round(value, 1) for kind, value in measured.items()}))


if __name__ == "__main__":
    main()
