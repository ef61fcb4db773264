"""Time from a video file to its labels, here and the way it is done by hand.

    python bench/end_to_end.py VIDEO -d TREE [--rounds 3] [--threads N] [--hints latency throughput]
        [--precisions FP16 FP16-INT8] [--by-hand TensorFlow OpenVINO]

By hand: OpenCV decodes every frame, resizes it and turns BGR to RGB, numpy stacks clips, and then
the network gets one after the other; with TensorFlow on the frozen graph and with OpenVINO on the
IR. Give a video of more than 79 frames, 25 per second: by hand nothing resamples. Every round runs
each of them, ours once and then its inference alone: the same frames, decoded before.
What a round gave is printed at once, so that a run can be cut short.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import peers
from machine import machine_line, ratio_line
from numpy.typing import NDArray

from i3d_rgb_tf.choices import PRECISIONS
from i3d_rgb_tf.inference.dense import MeanLogits, frame_blocks, infer_dense
from i3d_rgb_tf.inference.pipeline import read_videos
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.model import Model, load_model
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import center_crop, split_clips
from i3d_rgb_tf.video.decode import SHORT_SIDE, read_frames

_BY_HAND = ("TensorFlow", "OpenVINO")
_BASE = "by hand, TensorFlow"
_INFERENCE = "its inference"
_Run = Callable[[], NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--hints", nargs="+", default=["latency"])
    parser.add_argument("--precisions", nargs="+", default=["FP16", "FP16-INT8"])
    parser.add_argument("--by-hand", nargs="*", default=list(_BY_HAND))
    options = parser.parse_args()
    print(machine_line())
    frames = [frame.copy() for frame in _cropped(read_frames(options.video))]
    if len(frames) <= load_spec().num_frames:
        parser.error(f"{options.video} has {len(frames)} frames, expected more than a clip")
    ours = _ours(options.directory, options.precisions, options.hints)
    runs = _by_hand(options.by_hand, options.directory, options.threads, options.video)
    for name, model in ours.items():
        runs[name] = lambda model=model: model.classify(options.video).probabilities
        runs[f"{name}, {_INFERENCE}"] = lambda model=model: _inferred(model, frames)
    print(f"{len(frames)} frames, {options.threads} threads; once to warm up:")
    for name, run in runs.items():
        if name.endswith(_INFERENCE):
            continue
        probabilities = run()
        best = int(probabilities.argmax())
        print(f"  {name:42}  {load_labels()[best]} {probabilities[best]:.3f}", flush=True)
    seconds = _in_turns(runs, options.rounds)
    for name, every in seconds.items():
        print(f"{name:44}  {statistics.median(every):6.2f} s ({min(every):.2f}..{max(every):.2f})")
    for name in ours:
        alone = seconds[f"{name}, {_INFERENCE}"]
        print(ratio_line(f"{name} to its inference", seconds[name], alone))
        if _BASE in seconds:
            print(ratio_line(f"{_BASE} to {name}", seconds[_BASE], seconds[name]))


def _in_turns(runs: dict[str, _Run], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
        every = ", ".join(f"{each[-1]:.2f}" for each in seconds.values())
        print(f"round {number + 1}, load {os.getloadavg()[0]:.1f}: {every}", flush=True)
    return seconds


def _ours(root: Path, precisions: list[str], hints: list[str]) -> dict[str, Model]:
    spec = load_spec()
    paths = {name: spec.ir_path(root, name) for name in PRECISIONS if name in precisions}
    return {
        f"i3d-rgb-tf {name} {hint}": load_model(
            path, performance_hint="THROUGHPUT" if hint == "throughput" else "LATENCY", cache=False
        )
        for (name, path), hint in product(paths.items(), hints)
        if path.is_file()
    }


def _inferred(model: Model, frames: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    inputs = read_videos([frames], lambda video: frame_blocks(video, len(video)))
    (result,) = infer_dense(model.networks.dense.compiled, inputs, MeanLogits)
    return result.outputs.probabilities()


def _by_hand(names: list[str], root: Path, threads: int, video: Path) -> dict[str, _Run]:
    spec = load_spec()
    makers: dict[str, Callable[[], peers.Predict]] = {
        "TensorFlow": lambda: peers.tensorflow_model(spec.frozen_graph_path(root), threads),
        "OpenVINO": lambda: peers.openvino_model(spec.ir_path(root, "FP16"), threads),
    }
    found: dict[str, _Run] = {}
    for name in names:
        try:
            predict = makers[name]()
            import cv2  # noqa: F401
        except ImportError as error:
            print(f"by hand, {name}: left out, {error}")
            continue
        found[f"by hand, {name}"] = _one_after_the_other(predict, video)
    return found


def _one_after_the_other(predict: peers.Predict, video: Path) -> _Run:
    def classify() -> NDArray[np.float32]:
        clips = [
            clip.frames for clip in split_clips(list(_opencv_frames(video)), load_spec().num_frames)
        ]
        mean: NDArray[np.float32] = np.mean([predict(clip) for clip in clips], axis=0)
        return mean

    return classify


def _opencv_frames(video: Path) -> Iterator[NDArray[np.uint8]]:
    import cv2

    capture = cv2.VideoCapture(str(video))
    while True:
        found, frame = capture.read()
        if not found:
            break
        scale = SHORT_SIDE / min(frame.shape[:2])
        resized = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        yield from _cropped([cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)])
    capture.release()


def _cropped(frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    return (center_crop(frame, load_spec().frame_size) for frame in frames)


if __name__ == "__main__":
    main()
