"""Peak memory of evaluating a long video in one pass beside that of a short one, all of it real.

The protocol `paper` of the command line, in fresh processes. The videos are copies of a real one
after the other, as packets, so that every frame is decoded, scaled and inferred as that of any
long video.

    taskset -c 0,1 python bench/long_evaluate.py -m MODEL.xml [--minutes 1 10] VIDEO
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import av
from machine import machine_line, run_fresh


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-m", "--model", type=Path, required=True)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 10])
    parser.add_argument("video", type=Path, help="H.264 of 25 frames per second")
    options = parser.parse_args()
    print(machine_line())
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as temporary:
        for minutes in options.minutes:
            folder = Path(temporary, f"{minutes}")
            folder.mkdir()
            loop(options.video, folder / "long.mp4", minutes * 60)
            (folder / "list.csv").write_text("path,label\nlong.mp4,abseiling\n", encoding="utf-8")
            command = [sys.executable, "-m", "i3d_rgb_tf"]
            environment = {**os.environ, "XDG_CACHE_HOME": temporary}
            run_fresh([*command, "prepare", folder / "list.csv", "-o", folder], environment)
            (listed,) = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            command += ["evaluate", folder, "-m", options.model, "-o", folder]
            run = run_fresh([*command, "--protocol", "paper"], environment)
            peaks.append(run.megabytes)
            print(
                f"{minutes:3} minutes, {listed['num_frames']} frames: {run.megabytes:.0f} MB at "
                f"most, {run.megabytes / peaks[0]:.3f} times the first, {run.seconds:.0f} s, "
                f"load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


def loop(video: Path, target: Path, seconds: float) -> None:
    """Write the packets of a video again and again until they last as long."""
    with av.open(str(target), "w") as output:
        stream, start = None, 0
        while stream is None or start * stream.time_base < seconds:
            with av.open(str(video)) as source:
                (found,) = source.streams.video
                if stream is None:
                    stream = output.add_stream_from_template(found)
                    stream.time_base = found.time_base
                for packet in source.demux(found):
                    if packet.dts is None:
                        continue
                    packet.dts += start
                    packet.pts = (packet.pts or 0) + start
                    packet.stream = stream
                    output.mux(packet)
                start += found.duration or 0


if __name__ == "__main__":
    main()
