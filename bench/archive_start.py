"""How long a batch takes to begin: a long list is read, and what is finished is found.

    python bench/archive_start.py [--lines 1000000] [--finished 100000] [--folder DIR]

A list of so many paths is planned, of which so many have files and results. No model is run: what
is timed is `read_list` and `Run.plan`, in a fresh process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from i3d_rgb_tf.batch.folders import open_folder
from i3d_rgb_tf.batch.listing import read_list
from i3d_rgb_tf.batch.results import Result, VideoFile, result_name, write_result
from i3d_rgb_tf.batch.run import Run
from i3d_rgb_tf.batch.tasks import ClassifySettings

MADE_WITH = {"task": "classify", "settings": {"top_k": 5}}
PREDICTIONS = [{"label": "smoking", "index": 321, "probability": 0.2}] * 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--finished", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    parser.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plan:
        plan(arguments.plan)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        make_archive(folder, arguments.lines, arguments.finished)
        subprocess.run([sys.executable, __file__, "--plan", str(folder)], check=True)


def make_archive(folder: Path, lines: int, finished: int) -> None:
    """Write a list, files for the first videos of it, and their results."""
    videos = [str(folder / "videos" / f"{n // 1000}" / f"video {n}.mp4") for n in range(lines)]
    (folder / "list.txt").write_text("".join(f"{video}\n" for video in videos))
    text = ""
    for video in videos[:finished]:
        path = Path(video)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video")
        file = VideoFile.of(video)
        result = Result(video, file, MADE_WITH, columns={"predictions": PREDICTIONS})
        target = folder / "out" / result_name(video, ".json")
        if not text:
            name = write_result(open_folder(folder / "out"), result, ".json")
            text = (folder / "out" / name).read_text(encoding="utf-8")
        # Directly: what is measured is reading.
        document = {**json.loads(text), "video": video, "file": vars(file)}
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(document, indent=1))


def plan(folder: Path) -> None:
    """Print how long it takes to plan the list in a folder, and the peak memory."""
    start = time.perf_counter()
    videos = read_list(str(folder / "list.txt"))
    read = time.perf_counter()
    # A plan needs no model.
    run = Run("classify", ClassifySettings(), None, open_folder(folder / "out"))  # type: ignore[arg-type]
    found = run.plan(videos, MADE_WITH)
    end = time.perf_counter()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(videos):,} lines read in {read - start:.1f} s")
    print(
        f"{found.num_finished:,} finished and {len(found.pending):,} pending in {end - read:.1f} s"
    )
    print(f"{megabytes:.0f} MB at most")


if __name__ == "__main__":
    main()
