"""Networks that are quick to compile, and whose features say which frames they saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as operations

from i3d_rgb_tf.inference.networks import Network, Networks
from i3d_rgb_tf.inference.pipeline import Collector, VideoInput, VideoOutputs
from i3d_rgb_tf.inference.receptive_field import count_logits

COLUMNS = np.linspace(1, 2, 1424, dtype=np.float32)
"""Each of the 1024 features and 400 logits is the brightness of frames times one of these."""


@dataclass
class FakeNetworks:
    """Its features are the mean brightness of 8 frames of a window."""

    path: Path
    weights: str = "rgb_scratch"
    weights_sha384: str = "3" * 96
    options: Any = field(default_factory=lambda: SimpleNamespace(device="CPU"))
    compiled: list[int] = field(default_factory=list)
    """The windows that were compiled."""
    facts = Networks.facts

    def __post_init__(self) -> None:
        self.path.write_text("<net model/>")
        self.path.with_suffix(".bin").write_bytes(b"weights")

    @cached_property
    def dense(self) -> Network:
        return self.window(16)

    def window(self, num_frames: int) -> Network:
        self.compiled.append(num_frames)
        count = num_frames // 8
        pixels = operations.parameter([1, num_frames, 224, 224, 3], np.uint8)
        used = operations.slice(pixels, [0], [8 * count], [1], [1])
        groups = operations.reshape(used, [1, count, -1], special_zero=False)
        floats = operations.convert(groups, "f32")
        rows = operations.reduce_mean(floats, np.array([2]), keep_dims=True)
        output = operations.multiply(rows, COLUMNS.reshape(1, 1, -1))
        properties = {"INFERENCE_PRECISION_HINT": "f32"}
        model = openvino.Model([output], [pixels], "window")
        return Network(openvino.Core().compile_model(model, "CPU", properties), "direct")


def infer_dense(
    compiled: Any,
    inputs: Iterable[VideoInput[Any, int]],
    collector: Callable[[], Collector],
    *,
    num_crops: int = 1,
) -> Iterator[VideoOutputs[Any, Any]]:
    """Give each position the brightness of the first of its 8 frames, for each crop."""
    frames: list[np.ndarray] = []
    for each in inputs:
        if each.frames is not None:
            frames += list(each.frames)
            continue
        outputs = collector()
        for position in range(count_logits(len(frames)) if frames else 0):
            crops = frames[8 * position].reshape(num_crops, -1)
            outputs.add(position, crops.mean(axis=1, keepdims=True).astype(np.float32) * COLUMNS)
        yield VideoOutputs(each.video, outputs, each.error)
        frames = []
