"""Videos per hour of `i3d-rgb-tf batch classify` by how the cores of a machine are divided.

    python bench/archives.py VIDEO... -d TREE [--precision FP16] [--videos 60] [--rounds 3]
        [--only processes batches]

Give short videos. FP32 is measured in f32, the others in the device's own precision.

- processes: one process with all cores, which is the default; a process of one thread for each
  core, each `--shard I/N` into the same folder; one process of one thread; and, if the package
  `ray` is installed, `--engine ray`. All of them classify the same list of links to the videos,
  whose names are such that each shard has the same videos. Each turn classifies the first videos of
  the list, n of them, and then the whole list of N, in fresh processes, into fresh folders, with
  the compiled models in the cache. The start is the same in both, so that

      seconds of a video = (seconds of N - seconds of n) / (N - n)
      start-up = seconds of n - n * seconds of a video

  Start-up is importing, reading and loading the compiled model, starting Ray, and ending.
  Under other load it is known roughly, and the time on processors is the better ratio.
- batches: clips that are in memory, 2 and 4 of them in one request, against one at a time, and one
  at a time with the hint `THROUGHPUT`. The clips of a batch are stacked before. Batches have no
  fewer multiplications in f32, which the package has for one clip only.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count, product
from pathlib import Path
from typing import Any

import numpy as np
from machine import load_line, machine_line, ratio_line, seconds_line, time_in_turns
from numpy.typing import NDArray

from i3d_rgb_tf.batch.shards import Shard
from i3d_rgb_tf.choices import PRECISIONS, InferencePrecision
from i3d_rgb_tf.cores import num_usable_cores
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.forms import CLIP
from i3d_rgb_tf.ir.layouts import change_layout
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.video.clips import read_clips

_DEFAULT = "one process, all cores"
_RAY = "Ray"
_ONE_CLIP = "1 clip in a request"
_BATCH_SIZES = (2, 4)
_NUM_CLIPS = 8
"""Clips that are inferred in a turn; a multiple of all batch sizes."""
_PROPERTIES = (
    "NUM_STREAMS",
    "INFERENCE_NUM_THREADS",
    "INFERENCE_PRECISION_HINT",
    "ENABLE_CPU_PINNING",
)
_HOUR_SECONDS = 3600
_COMMAND = [sys.executable, "-m", "i3d_rgb_tf", "batch", "classify"]
_PRECISIONS: dict[str, InferencePrecision | None] = {"FP32": "f32", "FP16": None, "FP16-INT8": None}

_Arguments = list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+", metavar="VIDEO")
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, default="FP16")
    parser.add_argument("--videos", type=int, default=60, help="at least so many in the list")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS))
    options = parser.parse_args()
    print(machine_line())
    print(f"{options.precision}, {num_usable_cores()} cores, {options.rounds} rounds in turns")
    for part in options.only:
        print(f"\n{part}, {load_line()} at the start", flush=True)
        _PARTS[part](options)
        print(f"{part}, {load_line()} at the end", flush=True)


def _processes(options: argparse.Namespace) -> None:
    cores = num_usable_cores()
    num_first = cores * len(options.clips)
    # One copy of each video for each shard begins the list, and there is one more at least.
    copies = max(2, -(-options.videos // num_first))
    candidates = _candidates(cores)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = _link_videos(options.clips, folder / "videos", cores, copies)
        lists = {
            "first": _write_list(folder / "first.txt", videos[:num_first]),
            "whole": _write_list(folder / "whole.txt", videos),
        }
        model = load_spec().ir_path(options.directory, options.precision)
        command = [*_COMMAND, "-m", str(model)]
        if precision := _PRECISIONS[options.precision]:
            command += ["--inference-precision", precision]
        classify = partial(_classify, command, folder)
        for processes in candidates.values():
            # The compiled models get into the cache.
            classify(lists["first"], processes, [])
        used: dict[str, list[float]] = {}
        runs: dict[str, Callable[[], None]] = {}
        for candidate, part in product(candidates, lists):
            key = f"{candidate}, {part}"
            used[key] = []
            runs[key] = partial(classify, lists[part], candidates[candidate], used[key])
        seconds = time_in_turns(runs, options.rounds)
    _print_rates(seconds, used, num_first, len(videos))


def _candidates(cores: int) -> dict[str, list[_Arguments]]:
    """Return what the processes of each candidate are given."""
    one_thread = ["--threads", "1"]
    shards = [[*one_thread, "--shard", f"{index + 1}/{cores}"] for index in range(cores)]
    found: dict[str, list[_Arguments]] = {
        _DEFAULT: [[]],
        f"{cores} processes of one thread": shards,
        "one process of one thread": [one_thread],
    }
    if importlib.util.find_spec("ray"):
        found[_RAY] = [["--engine", "ray"]]
    else:
        print(f"{_RAY}: left out, it is not installed")
    return found


def _link_videos(clips: Sequence[Path], folder: Path, num_shards: int, copies: int) -> list[str]:
    """Return paths of links: of each copy, those of each shard, and of those, each video."""
    folder.mkdir()
    shards = [Shard(index + 1, num_shards) for index in range(num_shards)]
    numbers = count()
    links: list[str] = []
    for _ in range(copies):
        for shard in shards:
            for clip in clips:
                names = (str(folder / f"{number}-{clip.name}") for number in numbers)
                link = next(filter(shard.holds, names))
                Path(link).symlink_to(clip.resolve())
                links.append(link)
    return links


def _write_list(path: Path, videos: Iterable[str]) -> Path:
    path.write_text("".join(f"{video}\n" for video in videos), encoding="utf-8")
    return path


def _classify(
    command: _Arguments,
    folder: Path,
    listed: Path,
    processes: Sequence[_Arguments],
    used: list[float],
) -> None:
    """Run processes at the same time, until the last one ends; they must make all results.

    Their time on processors is appended to `used`, but not that of a cluster which they start.
    """
    run = Path(tempfile.mkdtemp(dir=folder))
    output = run / "output"
    shared = [*command, "--list", str(listed), "--output-dir", str(output)]
    before = _processor_seconds()
    running: list[subprocess.Popen[bytes]] = []
    log = run / "log"
    with log.open("w") as file:
        try:
            for each in processes:
                arguments, environment = [*shared, *each], _environment(folder)
                running.append(
                    subprocess.Popen(arguments, env=environment, stdout=file, stderr=file)
                )
            codes = [process.wait() for process in running]
        finally:
            for process in running:
                process.terminate()
                process.wait()
    used.append(_processor_seconds() - before)
    num_results = sum(path.suffix == ".json" for path in (output / "results").rglob("*"))
    if any(codes) or num_results != len(listed.read_text(encoding="utf-8").splitlines()):
        raise RuntimeError(f"{shared} gave {codes}, {num_results} results:\n{log.read_text()}")


def _processor_seconds() -> float:
    """Return how long child processes that have ended were on processors."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _environment(folder: Path) -> dict[str, str]:
    """Return that of processes which keep nothing outside a folder, not even Ray's."""
    inside = ("XDG_CACHE_HOME", "PYTHONPYCACHEPREFIX", "RAY_TMPDIR")
    environment = {**os.environ, **dict.fromkeys(inside, str(folder))}
    # As after an installation by pip, which compiles what it installs.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _print_rates(
    seconds: Mapping[str, Sequence[float]],
    used: Mapping[str, Sequence[float]],
    num_first: int,
    num_videos: int,
) -> None:
    """Print what each candidate takes without its start-up, and relative to the default."""
    print(f"{num_videos} videos; the start-up is known from the first {num_first}")
    per_video = _without_start(seconds, num_videos - num_first)
    on_processors = _without_start(used, num_videos - num_first)
    for name, every in per_video.items():
        first = seconds[f"{name}, first"]
        start_up = [some - num_first * each for some, each in zip(first, every, strict=True)]
        print(seconds_line(f"{name}, a video", every))
        print(f"  {_HOUR_SECONDS / statistics.median(every):.0f} videos per hour")
        print(seconds_line("  start-up", start_up))
        if name != _DEFAULT:
            print(ratio_line("  as fast as the default", per_video[_DEFAULT], every))
        if name not in (_DEFAULT, _RAY):
            default = on_processors[_DEFAULT]
            print(ratio_line("  in processor time", default, on_processors[name]))
    best = min(per_video, key=lambda name: statistics.median(per_video[name]))
    print(ratio_line(f"the default relative to {best}", per_video[best], per_video[_DEFAULT]))


def _without_start(times: Mapping[str, Sequence[float]], num_others: int) -> dict[str, list[float]]:
    """Return what each video beyond the first ones takes, of each candidate."""
    found = {}
    for key, first in times.items():
        name, _, part = key.rpartition(", ")
        if part == "first":
            pairs = zip(first, times[f"{name}, whole"], strict=True)
            found[name] = [(whole - some) / num_others for some, whole in pairs]
    return found


def _batches(options: argparse.Namespace) -> None:
    path = load_spec().ir_path(options.directory, options.precision)
    chosen = NetworkOptions(inference_precision=_PRECISIONS[options.precision], cache=False)
    networks = Networks(path, chosen)
    clips = _read_clips(options.clips)
    compiled = {_ONE_CLIP: networks.clip.compiled}
    for size in _BATCH_SIZES:
        compiled[f"{size} clips in a request"] = _compile_batch(path, size, networks.clip.compiled)
    compiled[f"{_ONE_CLIP}, THROUGHPUT"] = networks.compile(CLIP, "THROUGHPUT").compiled
    expected = _infer_all(compiled[_ONE_CLIP], clips)
    for name, each in compiled.items():
        difference = float(np.abs(_infer_all(each, clips) - expected).max())
        print(f"{name}: probabilities differ by {difference:.1e} at most", flush=True)
    runs = {name: partial(_infer_all, each, clips) for name, each in compiled.items()}
    used: dict[str, list[float]] = {}
    seconds = time_in_turns(runs, options.rounds, used)
    for name, every in seconds.items():
        rate = _HOUR_SECONDS * len(clips) / statistics.median(every)
        print(f"{seconds_line(name, every)}: {rate:.0f} clips per hour")
        if name != _ONE_CLIP:
            print(ratio_line(f"  as fast as {_ONE_CLIP}", seconds[_ONE_CLIP], every))
            print(ratio_line("  in processor time", used[_ONE_CLIP], used[name]))


def _read_clips(videos: Sequence[Path]) -> NDArray[np.uint8]:
    """Return the first clip of each video, again and again, in one array."""
    spec = load_spec()
    firsts = [
        next(read_clips(video, num_frames=spec.num_frames, size=spec.frame_size)).frames
        for video in videos
    ]
    return np.stack([firsts[number % len(firsts)] for number in range(_NUM_CLIPS)])


def _compile_batch(path: Path, size: int, like: Any) -> Any:
    """Compile an IR for several clips at once, with the properties of another compiled model."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    model = read_ir(path)
    change_layout(model, "NDHWC")
    model.reshape({model.input(0): [size, *load_spec().clip_shape]})
    processor = PrePostProcessor(model)
    processor.input(0).tensor().set_element_type(openvino.Type.u8)
    properties = {name: like.get_property(name) for name in _PROPERTIES}
    return openvino.Core().compile_model(processor.build(), "CPU", properties)


def _infer_all(compiled: Any, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the probabilities of each clip; as in the product, one request more waits."""
    import openvino

    size = compiled.input(0).shape[0]
    found = np.empty((len(clips), *compiled.output(0).shape[1:]), np.float32)

    def keep(request: Any, start: int) -> None:
        found[start : start + size] = request.get_output_tensor(0).data

    count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1
    queue = openvino.AsyncInferQueue(compiled, count)
    queue.set_callback(keep)
    for start in range(0, len(clips), size):
        queue.start_async({0: clips[start : start + size]}, start, share_inputs=True)
    queue.wait_all()
    return found


_PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "processes": _processes,
    "batches": _batches,
}


if __name__ == "__main__":
    main()
