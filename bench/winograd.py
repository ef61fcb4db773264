"""The network with fewer multiplications: is it faster, and does it compute the same?

    taskset -c 0,1 python bench/winograd.py -d TREE [VIDEO...] [--cricket GIF] [--only speed ...]

All parts compare the FP32 IR in f32 with and without the rewrite of `i3d_rgb_tf.ir.winograd`:

- speed: seconds of a clip, also in TensorFlow and in OpenVINO with the plain IR.
- hints: seconds of a clip with either performance hint, clips one after the other.
- predictions: the largest difference to the golden probabilities (those of the second clip need
  the GIF of it), and, on clips of the videos, to the network without the rewrite.
- lengths: other numbers of frames, both compiled for that number: differences and times.
- memory: fresh processes that infer one clip, without and with a compiled model in the cache.
- quantized: the operations of the compiled INT8 model, which must stay as they are.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain, islice, zip_longest
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import peers
from machine import (
    load_line,
    machine_line,
    ratio_line,
    seconds_line,
    time_in_turns,
    wait_for_idle_cores,
)
from numpy.typing import NDArray

from i3d_rgb_tf.choices import PERFORMANCE_HINTS
from i3d_rgb_tf.inference.dense import MeanLogits
from i3d_rgb_tf.inference.pipeline import infer_in_order
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.forms import window_form
from i3d_rgb_tf.ir.positions import NUM_FEATURES
from i3d_rgb_tf.model import Model, load_model
from i3d_rgb_tf.reference import waves_clip, waves_probabilities
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import loop_frames, read_clips
from i3d_rgb_tf.video.decode import read_frames

Frames = NDArray[np.uint8]

_GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "data" / "cricket.npz"
_WINOGRAD = {"direct": False, "rewritten": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", type=Path, nargs="*")
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--cricket", type=Path, help="the GIF of the second golden clip")
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clips", type=int, default=20, help="clips of the videos")
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 79, 80, 250, 400])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(machine_line())
    print(f"{options.threads} threads, {options.rounds} rounds in turns")
    for part in options.only:
        print(f"\n{part}, {load_line()} at the start", flush=True)
        _PARTS[part](options)
        print(f"{part}, {load_line()} at the end", flush=True)


def _speed(options: argparse.Namespace) -> None:
    graph, ir = _paths(options)
    makers: dict[str, Callable[[], peers.Predict]] = {
        "TensorFlow f32": lambda: peers.tensorflow_model(graph, options.threads),
        "OpenVINO, plain IR": lambda: peers.openvino_model(ir, options.threads, "f32"),
        "direct": lambda: _load(ir, "direct").predict,
        "rewritten": lambda: _load(ir, "rewritten").predict,
    }
    clip = waves_clip()
    candidates: dict[str, Callable[[], object]] = {}
    for name, make in makers.items():
        try:
            predict = make()
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue
        difference = np.abs(predict(clip) - waves_probabilities()).max()
        print(f"{name}: differs from the golden probabilities by {difference:.1e}", flush=True)
        candidates[name] = partial(predict, clip)
    seconds = time_in_turns(candidates, options.rounds)
    for name, every in seconds.items():
        print(seconds_line(name, every))
    for base in (each for each in seconds if each not in _WINOGRAD):
        for name in _WINOGRAD:
            print(ratio_line(f"{name} as fast as {base}", seconds[base], seconds[name]))
    print(ratio_line("rewritten as fast as direct", seconds["direct"], seconds["rewritten"]))


def _hints(options: argparse.Namespace) -> None:
    _, ir = _paths(options)
    clip = waves_clip()
    for hint in PERFORMANCE_HINTS:
        models = {name: _load(ir, name, performance_hint=hint) for name in _WINOGRAD}
        counts = {_at_once(model) for model in models.values()}
        # As many clips for both, and no request that waits for the last ones.
        num_clips = 2 * max(counts)
        candidates = {
            name: partial(_infer_all, model, clip, num_clips) for name, model in models.items()
        }
        for warm_up in candidates.values():
            warm_up()
        print(f"{hint}: {max(counts)} clips at once, {num_clips} in a round")
        seconds = time_in_turns(candidates, options.rounds)
        for name, every in seconds.items():
            print(seconds_line(f"{hint}, {name}, a clip", [each / num_clips for each in every]))
        print(ratio_line(f"{hint}, rewritten as fast as direct", *seconds.values()), flush=True)


def _predictions(options: argparse.Namespace) -> None:
    _, ir = _paths(options)
    models = {name: _load(ir, name) for name in _WINOGRAD}
    golden = {"waves": (waves_clip(), waves_probabilities())}
    if options.cricket:
        frames = read_frames(options.cricket, frames_per_second=None, short_side=None)
        golden["cricket"] = (np.stack(list(frames)), np.load(_GOLDEN)["probabilities"])
    for clip_name, (clip, expected) in golden.items():
        for name, model in models.items():
            difference = np.abs(model.predict(clip) - expected).max()
            print(f"{clip_name}, {name}: differs from the golden by {difference:.1e}", flush=True)
    differences, tops, confidences = [], [], []
    for clip in islice(_real_clips(options.videos), options.clips):
        direct, rewritten = (model.predict(clip) for model in models.values())
        differences.append(float(np.abs(direct - rewritten).max()))
        tops.append(direct.argmax() == rewritten.argmax())
        confidences.append(float(direct.max()))
    if differences:
        print(
            f"{len(differences)} clips of {len(options.videos)} videos: rewritten differs from "
            f"direct by {max(differences):.1e}, median {statistics.median(differences):.1e}; top-1 "
            f"the same for {sum(tops)}; highest probabilities {min(confidences):.2f}.."
            f"{max(confidences):.2f}"
        )


def _lengths(options: argparse.Namespace) -> None:
    _, ir = _paths(options)
    clips = list(_real_clips(options.videos)) or [waves_clip()]
    frames = loop_frames(np.concatenate(clips), max(options.lengths))
    for length in options.lengths:
        video = frames[np.newaxis, :length]
        models = {
            name: _compile_length(ir, length, winograd) for name, winograd in _WINOGRAD.items()
        }
        direct, rewritten = (_logits(model, video) for model in models.values())
        difference = np.abs(_probabilities(direct) - _probabilities(rewritten)).max()
        print(
            f"{length} frames: probabilities differ by {difference:.1e}, logits by "
            f"{np.abs(direct - rewritten).max():.1e} of {np.abs(direct).max():.0f}"
        )
        candidates = {name: partial(_logits, model, video) for name, model in models.items()}
        seconds = time_in_turns(candidates, options.rounds)
        for name, every in seconds.items():
            print(seconds_line(f"{length} frames, {name}", every))
        ratio = ratio_line(f"{length} frames, rewritten as fast as direct", *seconds.values())
        print(ratio, flush=True)


class _Fresh(NamedTuple):
    """What a fresh process needs for one clip."""

    load_seconds: float
    """To read and compile the model, or to load it from the cache; OpenVINO is imported before."""
    megabytes: float
    """Peak memory of the process."""


def _memory(options: argparse.Namespace) -> None:
    _, ir = _paths(options)
    found: dict[tuple[str, str], list[_Fresh]] = {}
    for number in range(options.rounds):
        for name in list(_WINOGRAD)[:: -1 if number % 2 else 1]:
            with TemporaryDirectory() as cache, patch.dict(os.environ, XDG_CACHE_HOME=cache):
                for state in ("cold", "warm"):
                    wait_for_idle_cores()
                    fresh = _in_fresh_process(_infer_one, ir, name)
                    found.setdefault((name, state), []).append(fresh)
    for (name, state), every in found.items():
        megabytes = [each.megabytes for each in every]
        print(seconds_line(f"{name}, {state}, to load", [each.load_seconds for each in every]))
        print(
            f"{name}, {state}, peak memory: {statistics.median(megabytes):.0f} MB "
            f"({min(megabytes):.0f}..{max(megabytes):.0f})"
        )
    for state in ("cold", "warm"):
        peaks = [[each.megabytes for each in found[name, state]] for name in _WINOGRAD]
        print(ratio_line(f"{state}, peak memory of rewritten relative to direct", *peaks[::-1]))


def _quantized(options: argparse.Namespace) -> None:
    path = load_spec().ir_path(options.directory, "FP16-INT8")
    if not path.is_file():
        print(f"left out: there is no {path.parent.name} in the tree")
        return
    for winograd in (True, False):
        compiled = compile_model(
            read_ir(path), cache=False, convolution=None if winograd else "direct"
        )
        count = len(compiled.get_runtime_model().get_ops())
        print(f"FP16-INT8, winograd={winograd}: {count} operations")


_PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "speed": _speed,
    "hints": _hints,
    "predictions": _predictions,
    "lengths": _lengths,
    "memory": _memory,
    "quantized": _quantized,
}


def _paths(options: argparse.Namespace) -> tuple[Path, Path]:
    """Return the frozen graph and the FP32 IR."""
    spec = load_spec()
    return spec.frozen_graph_path(options.directory), spec.ir_path(options.directory, "FP32")


def _load(ir: Path, name: str, **choices: Any) -> Model:
    choices = {"cache": False, **choices}
    return load_model(ir, inference_precision="f32", winograd=_WINOGRAD[name], **choices)


def _at_once(model: Model) -> int:
    return int(model.networks.clip.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))


def _infer_all(model: Model, clip: Frames, num_clips: int) -> None:
    for _ in infer_in_order(model.networks.clip.compiled, ((None, clip) for _ in range(num_clips))):
        pass


def _real_clips(videos: list[Path]) -> Iterator[Frames]:
    """Yield the first clip of each video, then the second of each that has one."""
    spec = load_spec()
    read = (read_clips(path, num_frames=spec.num_frames, size=spec.frame_size) for path in videos)
    turns = chain.from_iterable(zip_longest(*read))
    return (clip.frames for clip in turns if clip)


def _compile_length(ir: Path, length: int, winograd: bool) -> Any:
    return compile_model(
        read_ir(ir),
        "CPU",
        "f32",
        form=window_form(length),
        cache=False,
        convolution=None if winograd else "direct",
    )


def _logits(compiled: Any, video: Frames) -> NDArray[np.float32]:
    """Return the logits of a video, (positions, 400)."""
    logits: NDArray[np.float32] = compiled(video, share_inputs=True)[0][0, :, NUM_FEATURES:].copy()
    return logits


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = MeanLogits()
    for row in logits:
        mean.add(0, np.concatenate([np.empty(NUM_FEATURES, np.float32), row])[np.newaxis])
    return mean.probabilities()


def _in_fresh_process(function: Callable[..., _Fresh], *arguments: Any) -> _Fresh:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


def _infer_one(ir: Path, name: str) -> _Fresh:
    import openvino  # noqa: F401 - its time is not that of the model

    # No clip that takes more memory to make than the network needs.
    clip = np.random.default_rng(0).integers(0, 256, load_spec().clip_shape, np.uint8)
    start = time.perf_counter()
    model = _load(ir, name, cache=True)
    _ = model.networks.clip
    load_seconds = time.perf_counter() - start
    model.predict(clip)
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return _Fresh(load_seconds, int(peak.split()[1]) / 1024)


if __name__ == "__main__":
    main()
