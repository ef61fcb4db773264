"""Peak memory of a long video beside that of a short one, in fresh processes of the command line.

    python bench/long_video.py [--minutes 1 60] [-m MODEL.xml] [--folder DIR]

The videos are synthetic: 256x256, 25 frames per second, a square that wanders, made anew unless
they are in the folder. Without ``-m`` the network is replaced by one that takes the same input and
averages it, because an hour has 1140 clips: decoding, scaling, clips, requests and results are the
real ones, the memory of the activations is not. With ``-m`` everything is real.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from machine import machine_line, run_fresh

from i3d_rgb_tf.labels import NUM_LABELS
from i3d_rgb_tf.spec import load_spec

_SIDE, _RATE = 256, 25


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 60])
    parser.add_argument("-m", "--model", type=Path)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    print(machine_line())
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        model = options.model or write_trivial_network(Path(temporary) / "trivial.xml")
        print("network:", options.model or "trivial, of the same input and output", flush=True)
        command = [sys.executable, "-m", "i3d_rgb_tf", "classify", "-m", model]
        environment = {**os.environ, "XDG_CACHE_HOME": temporary}
        peaks = []
        for minutes in [options.minutes[0], *options.minutes]:
            video = folder / f"{minutes}.mp4"
            if not video.exists():
                write_wandering_square(video, minutes * 60 * _RATE)
            run = run_fresh([*command, video], environment)
            peaks.append(run.megabytes)
            # The first fills the cache of compiled models.
            if len(peaks) > 1:
                ratio = run.megabytes / peaks[1]
                print(
                    f"{minutes:4} minutes: {run.megabytes:.0f} MB at most, {ratio:.3f} times the "
                    f"first, {run.seconds:.0f} s, load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )


def write_trivial_network(path: Path) -> Path:
    """Save an IR with the input and output of the network that averages its input."""
    import openvino
    import openvino.opset13 as operations

    pixels = operations.parameter(list(load_spec().shape), np.float32, name="Placeholder")
    mean = operations.reduce_mean(pixels, np.array([2, 3, 4]), keep_dims=False)
    mean = operations.reduce_mean(mean, np.int64(1), keep_dims=True)
    scores = operations.multiply(mean, np.linspace(0, 1, NUM_LABELS, dtype=np.float32)[np.newaxis])
    result = operations.softmax(scores, axis=1)
    openvino.save_model(openvino.Model([result], [pixels], "trivial"), path)
    return path


def write_wandering_square(path: Path, num_frames: int) -> None:
    """Encode a square that moves by a pixel with every frame."""
    import av

    picture = np.full((_SIDE, _SIDE, 3), 96, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_RATE, options={"preset": "ultrafast"})
        stream.width = stream.height = _SIDE
        stream.pix_fmt = "yuv420p"
        for index in range(num_frames):
            left = index % (_SIDE - 32)
            picture[100:132, left : left + 32] = 220
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            picture[100:132, left : left + 32] = 96
            frame.pts, frame.time_base = index, Fraction(1, _RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
