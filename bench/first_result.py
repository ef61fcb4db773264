"""Time of a fresh `i3d-rgb-tf classify` to its first result, beyond the inference of a short video.

    python bench/first_result.py VIDEO -m MODEL.xml [--inference-precision f32] [--rounds 7]

The video has at most 79 frames, so it is one clip. Each round starts the command, with the compiled
model in the cache, and then infers the clip in this process, which is warm. The result is there
when its first line is. The time to the end of the process and the time on the processors, both
beyond the inference, are printed as well: on a busy machine a new process mostly waits.
``--phases`` also prints the time of each step, in a process that does one after the other.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine_line, run_fresh

from i3d_rgb_tf.choices import INFERENCE_PRECISIONS
from i3d_rgb_tf.model import load_model
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import read_clips

_PHASES = """
import sys, time
from pathlib import Path
start = last = time.perf_counter()
def said(what):
    global last
    now = time.perf_counter()
    print(f"  {what} {now - last:.3f} s")
    last = now
from i3d_rgb_tf.cli import build_parser
build_parser()
said("arguments")
import numpy
said("import numpy")
# As classify does: without the model converter.
sys.modules["openvino.tools.ovc"] = None
import openvino
said("import openvino")
from i3d_rgb_tf.model import load_model
from i3d_rgb_tf.video.decode import read_frames
import i3d_rgb_tf.classify
said("import i3d_rgb_tf")
model = load_model(sys.argv[1], inference_precision=sys.argv[3] or None)
# It is compiled when it is first needed.
model.networks.clip
said("read and compile, cached")
import av
said("import av")
for _ in read_frames(Path(sys.argv[2])):
    pass
said("decode and scale")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("-m", "--model", type=Path, required=True)
    parser.add_argument("--inference-precision", choices=INFERENCE_PRECISIONS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--phases", action="store_true")
    options = parser.parse_args()
    print(machine_line())
    spec = load_spec()
    read = read_clips(options.video, num_frames=spec.num_frames, size=spec.frame_size)
    clip, *others = (clip.frames for clip in read)
    if others:
        parser.error(f"{options.video} is longer than the {spec.num_frames} frames of a clip")
    precision = options.inference_precision
    model = load_model(options.model, inference_precision=precision, cache=False)
    model.predict(clip)
    command = [sys.executable, "-m", "i3d_rgb_tf", "classify", "-m", options.model, options.video]
    if precision:
        command += ["--inference-precision", precision]
    with tempfile.TemporaryDirectory() as cache:
        # As after an installation by pip, which compiles what it installs.
        environment = {**os.environ, "XDG_CACHE_HOME": cache, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        run_fresh(command, environment)
        beyond, beyond_end, busy = [], [], []
        for _ in range(options.rounds):
            run = run_fresh(command, environment)
            start, processor_start = time.perf_counter(), time.process_time()
            model.predict(clip)
            alone, processor = time.perf_counter() - start, time.process_time() - processor_start
            beyond.append(run.first_line_seconds - alone)
            beyond_end.append(run.seconds - alone)
            busy.append(run.processor_seconds - processor)
            print(
                f"{run.first_line_seconds:.2f} s, inference {alone:.2f} s, "
                f"beyond it {beyond[-1]:.2f} s, to its end {beyond_end[-1]:.2f} s, on processors "
                f"{busy[-1]:.2f} s, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        for what, seconds in (
            ("beyond", beyond),
            ("to its end", beyond_end),
            ("on processors", busy),
        ):
            median = statistics.median(seconds)
            print(f"{what}: {median:.2f} s ({min(seconds):.2f}..{max(seconds):.2f})")
        if options.phases:
            arguments = [
                sys.executable,
                "-c",
                _PHASES,
                options.model,
                options.video,
                precision or "",
            ]
            subprocess.run(arguments, env=environment, check=True)


if __name__ == "__main__":
    main()
