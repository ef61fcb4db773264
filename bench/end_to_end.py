"""Time from a video file to its labels, here and the way it is done by hand.

    python bench/end_to_end.py VIDEO -d TREE [--rounds 5] [--threads N]

By hand: OpenCV decodes every frame, resizes it and turns BGR to RGB, numpy stacks clips, and the
network gets one after the other; with TensorFlow on the frozen graph and with OpenVINO on the IR.
Give a video of 25 frames per second: by hand nothing resamples, and the clips would differ.
``inference`` is the time of the clips alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import peers
from machine import machine_line
from numpy.typing import NDArray

from i3d_rgb_tf.classify import Model, load_model
from i3d_rgb_tf.clips import center_crop, split_clips
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.spec import PRECISIONS, load_spec
from i3d_rgb_tf.verify import waves_clip
from i3d_rgb_tf.video import SHORT_SIDE

_BY_HAND = "by hand, TensorFlow"
_Classify = Callable[[Path], NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(machine_line())
    spec = load_spec()
    models = {
        precision: load_model(spec.ir_path(options.directory, precision), cache=False)
        for precision in PRECISIONS
        if spec.ir_path(options.directory, precision).is_file()
    }
    contestants: dict[str, _Classify] = _by_hand(options.directory, options.threads)
    for precision, model in models.items():
        contestants[f"i3d-rgb-tf {precision}"] = _classify_with(model)
    labels = load_labels()
    for name, classify in contestants.items():
        probabilities = classify(options.video)
        best = int(probabilities.argmax())
        print(f"{name:24}  {labels[best]} {probabilities[best]:.3f}", flush=True)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    inference: dict[str, list[float]] = {f"i3d-rgb-tf {name}": [] for name in models}
    num_clips = next(iter(models.values())).classify(options.video).num_clips
    clip = waves_clip()
    for _ in range(options.rounds):
        for name, classify in contestants.items():
            seconds[name].append(_seconds(lambda classify=classify: classify(options.video)))
        for precision, model in models.items():
            one = statistics.median(
                _seconds(lambda model=model: model.predict(clip)) for _ in range(num_clips)
            )
            inference[f"i3d-rgb-tf {precision}"].append(num_clips * one)
    print(f"{num_clips} clips, {options.rounds} rounds")
    for name, every in seconds.items():
        line = f"{name:24}  {statistics.median(every):6.2f} s ({min(every):.2f}..{max(every):.2f})"
        if _BY_HAND in seconds:
            line += f"  {_ratio(seconds[_BY_HAND], every)} times {_BY_HAND}"
        if name in inference:
            line += f"  {_ratio(every, inference[name])} times its inference"
        print(line)


def _by_hand(root: Path, threads: int) -> dict[str, _Classify]:
    spec = load_spec()
    makers: dict[str, Callable[[], peers.Predict]] = {
        _BY_HAND: lambda: peers.tensorflow_model(spec.frozen_graph_path(root), threads),
        "by hand, OpenVINO": lambda: peers.openvino_model(spec.ir_path(root, "FP16"), threads),
    }
    found: dict[str, _Classify] = {}
    for name, make in makers.items():
        try:
            predict = make()
            import cv2  # noqa: F401
        except ImportError as error:
            print(f"{name:24}  left out: {error}")
            continue
        found[name] = _one_after_the_other(predict)
    return found


def _one_after_the_other(predict: peers.Predict) -> _Classify:
    def classify(video: Path) -> NDArray[np.float32]:
        clips = list(split_clips(iter(list(_opencv_frames(video)))))
        mean: NDArray[np.float32] = np.mean([predict(clip) for clip in clips], axis=0)
        return mean

    return classify


def _opencv_frames(video: Path) -> Iterator[NDArray[np.uint8]]:
    import cv2

    capture = cv2.VideoCapture(str(video))
    size = load_spec().frame_size
    while True:
        found, frame = capture.read()
        if not found:
            break
        scale = SHORT_SIDE / min(frame.shape[:2])
        resized = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        yield center_crop(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), size)
    capture.release()


def _classify_with(model: Model) -> _Classify:
    return lambda video: model.classify(video).probabilities


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _ratio(slow: list[float], fast: list[float]) -> str:
    ratios = sorted(a / b for a, b in zip(slow, fast, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})"


if __name__ == "__main__":
    main()
