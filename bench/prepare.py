"""How many frames a second does prepare extract, against ffmpeg's own command line?

Both write JPEG files at 25 per second in the video's own size. ffmpeg's scale of quality is its
own: it is given the number whose files are nearest in size to ours, which are of quality 95. Both
use all the cores there are: `prepare` as many processes, ffmpeg as many threads, one video after
the other, and once more as many processes with one thread each (it has more for its filters).

Processor time is what counts on a machine that has other work: there, a program gets the more of
it the more threads it has.

    taskset -c 0,1 python bench/prepare.py --ffmpeg FFMPEG VIDEO...
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from machine import machine_line, ratio_line

from i3d_rgb_tf.cores import num_usable_cores
from i3d_rgb_tf.kinetics.annotations import LabelledVideo, Listing
from i3d_rgb_tf.kinetics.prepare import prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ffmpeg", required=True, help="its program; imageio-ffmpeg brings one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=4, help="how often each video is extracted")
    parser.add_argument("videos", type=Path, nargs="+")
    arguments = parser.parse_args()
    given = [path.absolute() for path in arguments.videos]
    videos = {f"{path.stem}-{n}": path for path in given for n in range(arguments.copies)}
    cores = num_usable_cores()
    quality, theirs, ours = _match_quality(arguments.ffmpeg, {path.stem: path for path in given})
    print(machine_line())
    print(_first_line(arguments.ffmpeg))
    print(f"{len(videos)} videos; of a copy ours {ours / 1e6:.1f} MB, theirs {theirs / 1e6:.1f} MB")

    def serial(folder: Path) -> None:
        for name, video in videos.items():
            _ffmpeg(arguments.ffmpeg, video, folder / name, quality, threads=cores)

    def parallel(folder: Path) -> None:
        with ThreadPoolExecutor(cores) as pool:
            work = [
                pool.submit(_ffmpeg, arguments.ffmpeg, video, folder / name, quality, threads=1)
                for name, video in videos.items()
            ]
            for each in work:
                each.result()

    ways = {
        "prepare": lambda folder: _prepare(videos, folder),
        "ffmpeg, many threads": serial,
        "ffmpeg, many processes": parallel,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    counts = {}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            before = _processor_seconds()
            taken, counts[name], _ = _measure(way)
            seconds[name].append(taken)
            busy[name].append(_processor_seconds() - before)
    for name, taken in seconds.items():
        rate = counts[name] / statistics.median(taken)
        per_core = counts[name] / statistics.median(busy[name])
        print(
            f"{name}: {counts[name]} frames, {rate:.0f} a second, {per_core:.0f} a second of a core"
        )
    for name in list(ways)[1:]:
        print(ratio_line(f"prepare against {name}", seconds[name], seconds["prepare"]))
        print(ratio_line("  of a core", busy[name], busy["prepare"]))


def _measure(way: Callable[[Path], None]) -> tuple[float, int, int]:
    """Return the seconds, the files and their bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        way(folder)
        seconds = time.perf_counter() - start
        sizes = [path.stat().st_size for path in folder.rglob("*.jpg")]
    return seconds, len(sizes), sum(sizes)


def _processor_seconds() -> float:
    """Return what this process and all that it has started and waited for have used."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _match_quality(ffmpeg: str, videos: dict[str, Path]) -> tuple[int, int, int]:
    """Return the quality of ffmpeg whose files are nearest to ours, their bytes and ours."""
    _, _, ours = _measure(lambda folder: _prepare(videos, folder))
    found = {}
    for quality in (1, 2, 3, 4):

        def write(folder: Path, quality: int = quality) -> None:
            for name, video in videos.items():
                _ffmpeg(ffmpeg, video, folder / name, quality, threads=0)

        found[quality] = _measure(write)[2]
    best = min(found, key=lambda quality: abs(found[quality] - ours))
    return best, found[best], ours


def _prepare(videos: dict[str, Path], folder: Path) -> None:
    listed = tuple(LabelledVideo(name, path, "abseiling") for name, path in videos.items())
    prepare(Listing(listed, ()), folder, frames=True)


def _ffmpeg(ffmpeg: str, video: Path, target: Path, quality: int, *, threads: int) -> None:
    target.mkdir()
    command = [ffmpeg, "-v", "error", "-threads", threads, "-i", video, "-vf", "fps=25"]
    # Below 2 the encoder keeps to 2 unless it is told otherwise.
    command += ["-qmin", 1, "-q:v", quality, "-threads", threads, target / "image_%05d.jpg"]
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL)


def _first_line(ffmpeg: str) -> str:
    said = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0]


if __name__ == "__main__":
    main()
