"""Videos per hour to features of windows of 16 frames: with this package, and by hand in PyTorch.

    taskset -c 0,1 python bench/features.py VIDEO... -d TREE [--rounds 5] [--threads N]

Both read the same files, each frame once, and make the features of `--window 16 --stride 16`. By
hand: PyAV decodes, scales and converts to RGB, numpy crops and stacks, and PyTorch infers one
window after the other. Starting the processes and loading the networks is not counted. TREE has the
frozen graph and the IRs; FP32 is measured in f32, the others in the device's own precision.

- videos: each round goes through all files once with each of them.
- hints: windows that are in memory, with either performance hint.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import peers
from machine import load_line, machine_line, ratio_line, seconds_line, time_in_turns
from numpy.typing import NDArray

from i3d_rgb_tf.choices import PERFORMANCE_HINTS, InferencePrecision, PerformanceHint
from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.features.extract import extract_features
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.inference.pipeline import infer_in_order
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import center_crop
from i3d_rgb_tf.video.decode import SHORT_SIDE

_Features = NDArray[np.float32]

_WINDOW = 16
_SETTINGS = FeatureSettings(window=_WINDOW, stride=_WINDOW, frames_per_second=None)
_PRECISIONS: dict[str, InferencePrecision | None] = {"FP32": "f32", "FP16": None, "FP16-INT8": None}
_BY_HAND = "PyTorch f32 and PyAV"
_NUM_WINDOWS = 24
"""Windows that each hint infers in a turn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--precisions", nargs="+", choices=_PRECISIONS, default=list(_PRECISIONS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(machine_line())
    print(f"{options.threads} threads, {options.rounds} rounds in turns")
    for part in options.only:
        print(f"\n{part}, {load_line()} at the start", flush=True)
        _PARTS[part](options)
        print(f"{part}, {load_line()} at the end", flush=True)


def _videos(options: argparse.Namespace) -> None:
    videos: list[Path] = options.videos
    candidates: dict[str, Callable[[list[Path]], list[_Features]]] = {}
    try:
        graph = load_spec().frozen_graph_path(options.directory)
        predict = peers.torch_features(graph, options.threads)
        candidates[_BY_HAND] = partial(_by_hand, predict)
    except ImportError as error:
        print(f"{_BY_HAND}: left out, {error}")
    for precision in options.precisions:
        networks = _networks(options, precision, "LATENCY")
        if networks:
            candidates[f"i3d-rgb-tf {_name(networks)}"] = partial(_ours, networks)
    base = next(iter(candidates))
    expected = candidates[base](videos)
    num_windows = sum(map(len, expected))
    print(f"{len(videos)} videos, {num_windows} windows of {_WINDOW} frames")
    for name, run in candidates.items():
        cosines = [_lowest_cosine(*each) for each in zip(run(videos), expected, strict=True)]
        print(f"{name}: cosine to {base} at least {min(cosines):.5f}", flush=True)
    runs = {name: partial(run, videos) for name, run in candidates.items()}
    used: dict[str, list[float]] = {}
    seconds = time_in_turns(runs, options.rounds, used)
    for name, every in seconds.items():
        median = statistics.median(every)
        print(
            f"{seconds_line(name, every)}: {3600 * len(videos) / median:.0f} videos an hour, "
            f"{num_windows / median:.2f} windows a second"
        )
        print(seconds_line("  on processors", used[name]))
        if name != base:
            print(ratio_line(f"  as fast as {base}", seconds[base], every))
            print(ratio_line("  in processor time", used[base], used[name]), flush=True)


def _ours(networks: Networks, videos: list[Path]) -> list[_Features]:
    found = []
    for result in extract_features(networks, videos, _SETTINGS):
        if isinstance(result, VideoError):
            raise result
        found.append(result.features)
    return found


def _by_hand(predict: peers.Predict, videos: list[Path]) -> list[_Features]:
    return [np.stack([predict(window) for window in _windows_by_hand(video)]) for video in videos]


def _windows_by_hand(video: Path) -> Iterator[NDArray[np.uint8]]:
    import av

    held: list[NDArray[np.uint8]] = []
    with av.open(str(video)) as container:
        for frame in container.decode(container.streams.best("video")):
            scale = SHORT_SIDE / min(frame.width, frame.height)
            width, height = round(frame.width * scale), round(frame.height * scale)
            pixels = frame.to_ndarray(
                format="rgb24", width=width, height=height, interpolation="BILINEAR"
            )
            held.append(center_crop(pixels, load_spec().frame_size))
            if len(held) == _WINDOW:
                yield np.stack(held)
                held.clear()


def _lowest_cosine(ours: _Features, theirs: _Features) -> float:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((ours * theirs).sum(axis=1) / lengths).min())


def _hints(options: argparse.Namespace) -> None:
    windows = np.concatenate([list(_windows_by_hand(video)) for video in options.videos])
    for precision in options.precisions:
        candidates = {}
        for hint in PERFORMANCE_HINTS:
            networks = _networks(options, precision, hint)
            if networks:
                compiled = networks.window(_WINDOW).compiled
                count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
                print(f"{_name(networks)}, {hint}: {count} windows at once")
                candidates[hint] = partial(_infer_all, compiled, windows)
                candidates[hint]()
        seconds = time_in_turns(candidates, options.rounds)
        for hint, every in seconds.items():
            per_window = [each / _NUM_WINDOWS for each in every]
            print(seconds_line(f"{precision}, {hint}, a window", per_window))
        if seconds:
            by_hint = (seconds["LATENCY"], seconds["THROUGHPUT"])
            print(ratio_line(f"{precision}, THROUGHPUT as fast as LATENCY", *by_hint), flush=True)


def _infer_all(compiled: Any, windows: NDArray[np.uint8]) -> None:
    inputs = ((None, windows[index % len(windows)]) for index in range(_NUM_WINDOWS))
    for _ in infer_in_order(compiled, inputs):
        pass


_PARTS: dict[str, Callable[[argparse.Namespace], None]] = {"videos": _videos, "hints": _hints}


def _networks(
    options: argparse.Namespace, precision: str, hint: PerformanceHint
) -> Networks | None:
    path = load_spec().ir_path(options.directory, precision)
    if not path.is_file():
        print(f"{precision}: left out, there is no {path}")
        return None
    chosen = NetworkOptions(
        inference_precision=_PRECISIONS[precision], performance_hint=hint, cache=False
    )
    return Networks(path, chosen)


def _name(networks: Networks) -> str:
    network = networks.window(_WINDOW)
    precision = network.inference_precision
    return f"{networks.path.parent.name} in {precision}, {network.convolution}"


if __name__ == "__main__":
    main()
