"""The reference clip is the one that the original stack was run on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from i3d_rgb_tf.reference import waves_clip, waves_probabilities

DATA = Path(__file__).parent / "data"


def test_the_waves_clip_is_the_one_the_original_stack_was_run_on():
    stages = json.loads((DATA / "stages.json").read_text())

    clip = waves_clip()

    assert (clip.shape, clip.dtype) == ((79, 224, 224, 3), np.uint8)
    assert hashlib.sha256(clip.tobytes()).hexdigest() == stages["waves"]["frames_sha256"]


def test_the_bundled_probabilities_are_those_of_the_original_stack():
    golden = np.load(DATA / "waves.npz")["probabilities"]

    assert waves_probabilities().dtype == np.float32
    assert (waves_probabilities() == golden).all()
