"""What one dense pass over a long video costs: time, memory, decoding.

    taskset -c 0,1 python bench/dense.py VIDEO... -d TREE --folder DIR [--only time ...]

The videos, real ones, are joined and repeated; what is made of them stays in the folder. TREE has
the IRs. FP32 is measured in f32, FP16-INT8 in the device's own precision.

- time: seconds of the dense pass over ten minutes, of clips of 79 frames that do not overlap, and
  of a sample of the windows of 79 frames that begin every 8. The same IR, cut at the same place, in
  the same arithmetic. The frames are in memory: decoding would add the same to all. Every half
  minute they take turns: the dense pass, which resumes, the clips of the same frames,
  and the windows.
- file: seconds from the video file to all features of both, decoding included.
- memory: peak of fresh processes of the command line, on a short and a long video.
- decoding: frames decoded for each frame of the video.
- chunks: seconds for a frame with other numbers of frames in a chunk, in the middle of a video.
- chunk-memory: peak of fresh processes that infer 960 frames with them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from dense_turns import Turns
from long_videos import make_long_video
from machine import (
    load_line,
    machine_line,
    ratio_line,
    run_fresh,
    time_in_turns,
)
from numpy.typing import NDArray

from i3d_rgb_tf.choices import InferencePrecision
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.inference.dense import MeanLogits, frame_blocks, infer_dense
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.inference.pipeline import OutputList, infer_videos, read_videos
from i3d_rgb_tf.model import Model
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.timeline.infer import infer_timelines
from i3d_rgb_tf.video.clips import read_clips, read_cropped
from i3d_rgb_tf.video.length import count_frames

_Frames = NDArray[np.uint8]

_CLIP, _SIZE = load_spec().num_frames, load_spec().frame_size
_PRECISIONS: dict[str, InferencePrecision | None] = {"FP32": "f32", "FP16-INT8": None}
_CHUNKS = (40, 80, 160, 240)
_CHUNK_RUN = 480
"""Frames that each length of chunks infers in a turn, whole chunks of all."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--precisions", nargs="+", choices=_PRECISIONS, default=list(_PRECISIONS))
    parser.add_argument("--minutes", type=float, default=10, help="of time and file")
    parser.add_argument("--windows", type=int, default=5, help="sample of windows in each turn")
    parser.add_argument("--rounds", type=int, default=5, help="of file and chunks")
    parser.add_argument("--memory-minutes", type=float, nargs="+", default=[1, 60])
    parser.add_argument("--commands", nargs="+", choices=_COMMANDS, default=list(_COMMANDS))
    parser.add_argument("--before", type=Path, help="tools of an older version, to compare with")
    options = parser.parse_args()
    print(machine_line())
    for part in options.only:
        for precision in options.precisions:
            print(f"\n{part}, {precision}, {load_line()} at the start", flush=True)
            _PARTS[part](options, precision)
            print(f"{part}, {precision}, {load_line()} at the end", flush=True)


def _time(options: argparse.Namespace, precision: str) -> None:
    frames = _read_all(_long_video(options, options.minutes))
    networks = _networks(options, precision)
    turns = Turns(frames, networks.window(_CLIP).compiled, options.windows)
    compiled = networks.dense.compiled
    print(f"{len(frames)} frames, {_how(networks)}", flush=True)
    # All are warm before the first turn.
    _infer_dense(compiled, iter(frames[:160]), 160)
    turns.infer_clips([0, _CLIP])
    _infer_dense(compiled, turns.read(), len(frames))
    turns.take(len(frames))
    for kind in ("seconds", "processor_seconds"):
        said = kind.replace("_", " ")
        dense, clips, windows = (turns.per_frame(name, kind) for name in turns.spent)
        whole = {name: turns.mean(name, kind) for name in turns.spent}
        for name, mean in whole.items():
            print(f"{said} of {name}: {1000 * mean:.2f} ms a frame")
        print(ratio_line(f"{said}, dense relative to clips", dense, clips))
        print(f"  of all frames: {whole['dense'] / whole['clips']:.3f}")
        print(ratio_line(f"{said}, windows relative to dense", windows, dense))
        print(f"  of all frames: {whole['windows'] / whole['dense']:.2f}", flush=True)


def _file(options: argparse.Namespace, precision: str) -> None:
    video = _long_video(options, options.minutes)
    networks = _networks(options, precision)
    dense, window = networks.dense.compiled, networks.window(_CLIP).compiled

    def read_blocks(path: Path) -> Iterator[tuple[int, _Frames]]:
        return frame_blocks(read_cropped(path, _SIZE), count_frames(path))

    def read(path: Path) -> Iterator[tuple[None, _Frames]]:
        return ((None, each.frames) for each in read_clips(path, num_frames=_CLIP, size=_SIZE))

    candidates: dict[str, Callable[[], object]] = {
        "dense": lambda: list(infer_dense(dense, read_videos([video], read_blocks), MeanLogits)),
        "clips": lambda: list(infer_videos(window, read_videos([video], read), OutputList)),
        "timeline": lambda: list(infer_timelines(networks, [video])),
    }
    on_processors: dict[str, list[float]] = {}
    seconds = time_in_turns(candidates, options.rounds, on_processors)
    for name, every in seconds.items():
        print(f"{name}, from the file: {', '.join(f'{each:.1f}' for each in every)} s")
    for kind, spent in (("seconds", seconds), ("processor seconds", on_processors)):
        print(ratio_line(f"{kind}, dense relative to clips", spent["dense"], spent["clips"]))
        print(ratio_line(f"{kind}, timeline relative to dense", spent["timeline"], spent["dense"]))


_COMMANDS = {
    "classify": ["classify"],
    "features": ["features"],
    "timeline": ["timeline"],
    "before": ["classify"],
}


def _memory(options: argparse.Namespace, precision: str) -> None:
    path, own = _ir(options, precision), _PRECISIONS[precision]
    for name in options.commands:
        if name == "before" and not options.before:
            continue
        peaks: list[float] = []
        with tempfile.TemporaryDirectory() as temporary:
            command = [sys.executable, "-m", "i3d_rgb_tf", *_COMMANDS[name]]
            command += ["-m", path, *(["--inference-precision", own] if own else [])]
            environment = {**os.environ, "XDG_CACHE_HOME": temporary}
            if name == "before":
                environment["PYTHONPATH"] = str(options.before)
            # The first fills the cache of compiled models.
            for minutes in (options.memory_minutes[0], *options.memory_minutes):
                # Features that are there already would not be made again.
                output = ["--output-dir", f"{temporary}/{len(peaks)}"] if name == "features" else []
                video = _long_video(options, minutes)
                run = run_fresh([*command, *output, video], environment)
                peaks.append(run.megabytes)
                print(
                    f"{name}, {minutes:g} minutes: {run.megabytes:.0f} MB at most, "
                    f"{run.megabytes / peaks[min(1, len(peaks) - 1)]:.3f} times the first, "
                    f"{run.seconds:.0f} s, {run.processor_seconds:.0f} s on processors, "
                    f"{load_line()}{' (fills the cache)' if len(peaks) == 1 else ''}",
                    flush=True,
                )


def _decoding(options: argparse.Namespace, precision: str) -> None:
    from i3d_rgb_tf.video import decode

    video, model = _long_video(options, 1), Model(_networks(options, precision))
    decoded = 0
    whole = decode.decode_stream  # Where the frames that are inferred are decoded.

    def counted(*arguments: Any) -> Iterator[Any]:
        nonlocal decoded
        for frame in whole(*arguments):
            decoded += 1
            yield frame

    ways: dict[str, Callable[[], object]] = {
        "classify": lambda: model.classify(video),
        "timeline": lambda: model.timeline(video),
        "features, dense": lambda: model.features(video),
        "features, 16 every 16": lambda: model.features(video, FeatureSettings(window=16)),
    }
    num_frames = count_frames(video, frames_per_second=None)
    with patch.object(decode, "decode_stream", counted):
        for name, run in ways.items():
            decoded = 0
            run()
            print(f"{name}: {decoded} frames decoded of {num_frames}", flush=True)


def _chunks(options: argparse.Namespace, precision: str) -> None:
    frames = _read_all(_long_video(options, 1))
    window = _networks(options, precision).window(_CLIP).compiled
    num_clips = _CHUNK_RUN // _CLIP
    infer_clips = Turns(frames, window, 0).infer_clips
    runs: dict[str, Callable[[], object]] = {
        "clips": partial(infer_clips, [_CLIP * index for index in range(num_clips)])
    }
    for length in _CHUNKS:
        with patch("i3d_rgb_tf.inference.networks.CHUNK_FRAMES", length):
            compiled = _networks(options, precision).dense.compiled
        runs[f"chunks of {length}"] = partial(_infer_chunks, compiled, frames, _CHUNK_RUN // length)
    num_frames = {name: _CHUNK_RUN if name != "clips" else num_clips * _CLIP for name in runs}
    for each in runs.values():
        each()
    on_processors: dict[str, list[float]] = {}
    seconds = time_in_turns(runs, options.rounds, on_processors)
    for what, every in (("seconds", seconds), ("processor seconds", on_processors)):
        per_frame = {
            name: [each / num_frames[name] for each in found] for name, found in every.items()
        }
        for name, found in per_frame.items():
            lowest, median = 1000 * min(found), 1000 * statistics.median(found)
            print(f"{what}, {name}: {median:.2f} ms a frame, lowest {lowest:.2f}")
            if name != "clips":
                print(ratio_line("  relative to clips", found, per_frame["clips"]), flush=True)


def _chunk_memory(options: argparse.Namespace, precision: str) -> None:
    for length in _CHUNKS:
        with tempfile.TemporaryDirectory() as cache, patch.dict(os.environ, XDG_CACHE_HOME=cache):
            # The first fills the cache of compiled models.
            peaks = [_in_fresh_process(_peak, options, precision, length) for _ in range(2)]
        print(
            f"chunks of {length}: {peaks[1]:.0f} MB at most ({peaks[0]:.0f} to fill the cache)",
            flush=True,
        )


def _infer_chunks(compiled: Any, frames: _Frames, count: int) -> None:
    """Infer chunks as in the middle of a video, each as if after the same one."""
    request = compiled.create_infer_request()
    inputs: dict[int, NDArray[Any]] = {
        index: np.zeros(port.shape, np.float32) for index, port in enumerate(compiled.inputs)
    }
    inputs[0] = frames[np.newaxis, : compiled.input(0).shape[1]]
    inputs[1] = np.ones(compiled.input(1).shape, np.float32)
    for _ in range(count):
        request.infer(inputs, share_inputs=True)


def _peak(options: argparse.Namespace, precision: str, length: int) -> float:
    """Return the peak memory in megabytes of a process that infers 960 frames."""
    video = _long_video(options, 1)
    with patch("i3d_rgb_tf.inference.networks.CHUNK_FRAMES", length):
        dense = _networks(options, precision, cache=True).dense.compiled
    _infer_dense(dense, islice(read_cropped(video, _SIZE), 960), 960)
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def _in_fresh_process(function: Callable[..., float], *arguments: Any) -> float:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


_PARTS: dict[str, Callable[[argparse.Namespace, str], None]] = {
    "time": _time,
    "file": _file,
    "memory": _memory,
    "decoding": _decoding,
    "chunks": _chunks,
    "chunk-memory": _chunk_memory,
}


def _long_video(options: argparse.Namespace, minutes: float) -> Path:
    return make_long_video(options.folder, options.videos, minutes)


def _ir(options: argparse.Namespace, precision: str) -> Path:
    return load_spec().ir_path(options.directory, precision)


def _networks(options: argparse.Namespace, precision: str, *, cache: bool = False) -> Networks:
    chosen = NetworkOptions(inference_precision=_PRECISIONS[precision], cache=cache)
    return Networks(_ir(options, precision), chosen)


def _how(networks: Networks) -> str:
    return f"{networks.convolution}, inference precision {networks.dense.inference_precision}"


def _read_all(video: Path) -> _Frames:
    frames = np.empty((count_frames(video), _SIZE, _SIZE, 3), np.uint8)
    for index, frame in enumerate(read_cropped(video, _SIZE)):
        frames[index] = frame
    return frames


def _infer_dense(compiled: Any, frames: Iterator[_Frames], num_frames: int) -> None:
    inputs = read_videos([None], lambda _: frame_blocks(frames, num_frames))
    for _ in infer_dense(compiled, inputs, MeanLogits):
        pass


if __name__ == "__main__":
    main()
