"""How much of pure inference's throughput does evaluate reach on the same videos?

Three ways take turns: inference alone on inputs that are in memory, reading alone (decoding,
resizing, cropping), and evaluate's loop, which reads beside inference and writes the predictions.
Reading needs processor time that inference then lacks: the best possible is inference and reading
spread over all cores without a pause.

    taskset -c 0,1 python bench/evaluate.py -m MODEL.xml --protocol clip VIDEO...
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import machine_line

from i3d_rgb_tf.choices import PROTOCOL_NAMES
from i3d_rgb_tf.evaluation.predict import Network, load_network
from i3d_rgb_tf.evaluation.predictions import VideoPredictions, append_predictions
from i3d_rgb_tf.evaluation.protocols import PROTOCOLS
from i3d_rgb_tf.inference.pipeline import read_videos
from i3d_rgb_tf.kinetics.jpeg_frames import extract_frames

_Video = tuple[str, Path]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", type=Path, required=True)
    parser.add_argument("--protocol", choices=PROTOCOL_NAMES, default="clip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("videos", type=Path, nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = [(path.stem, path) for path in arguments.videos]
        protocol = PROTOCOLS[arguments.protocol]
        if protocol.reads_frames:
            for stem, path in videos:
                extract_frames(path, folder, stem)
            videos = [(stem, folder / stem) for stem, _ in videos]
        network = load_network(arguments.model, protocol, device="CPU", inference_precision="f32")
        print(machine_line())
        print(f"{arguments.model}, protocol {arguments.protocol}, {len(videos)} videos")
        _compare(network, videos, folder / "journal.jsonl", arguments.rounds)


def _compare(network: Network, videos: list[_Video], journal: Path, rounds: int) -> None:
    protocol = network.protocol
    inputs = [[(tag, frames.copy()) for tag, frames in protocol.read(path)] for _, path in videos]
    num_frames = sum(len(frames) for video in inputs for _, frames in video)

    def infer() -> None:
        held = read_videos(range(len(inputs)), lambda index: iter(inputs[index]))
        for _ in protocol.infer(network.compiled, held, protocol.collector):
            pass

    def read() -> None:
        for _, path in videos:
            for _ in protocol.read(path):
                pass

    def evaluate() -> None:
        for result in network.predict(videos):
            rows = result.probabilities
            if rows is None:
                rows = np.empty((0, 400), np.float32)
            append_predictions(journal, VideoPredictions(result.name, "", "", rows))

    infer()
    shares, in_processor_time, bounds = [], [], []
    for _ in range(rounds):
        pure, pure_used = _timed(infer)
        _, reading_used = _timed(read)
        whole, whole_used = _timed(evaluate)
        shares.append(pure / whole)
        in_processor_time.append(pure_used / whole_used)
        bounds.append(pure_used / (pure_used + reading_used))
        print(f"  {num_frames / pure:.1f} frames/s inferred, {num_frames / whole:.1f} evaluated")
    costs = [1 / bound - 1 for bound in bounds]
    print(_line("evaluate's throughput as a share of pure inference's", shares))
    print(_line("the same in processor time, which other load changes less", in_processor_time))
    print(_line("reading needs of the processor time of pure inference", costs))
    print(_line("so the best possible share is", bounds))


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return the wall-clock and the processor time."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - used


def _line(what: str, values: list[float]) -> str:
    return f"{what}: {statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


if __name__ == "__main__":
    main()
