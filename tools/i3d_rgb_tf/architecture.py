"""The network as a table: blocks, channels, kernels, strides, checkpoint names; no framework.

Inception-v1 inflated to three dimensions, section 2.4 of arXiv 1705.07750; names as in
DeepMind's ``i3d.py`` and its checkpoints. Every convolution but the last is followed by a
batch norm without gamma and a ReLU; all paddings but that of the average pool are
TensorFlow's ``SAME``. Sizes are (time, height, width).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from i3d_rgb_tf.labels import NUM_LABELS

__all__ = [
    "AVERAGE_POOL",
    "BATCH_NORM_EPSILON",
    "CHECKPOINT_SCOPE",
    "LOGITS",
    "NUM_COLOURS",
    "OUTPUT_NAME",
    "STAGES",
    "Branch",
    "Conv",
    "MaxPool",
    "Mixed",
    "Stage",
    "convolutions",
    "tensor_shapes",
]

Size = tuple[int, int, int]

CHECKPOINT_SCOPE = "RGB/inception_i3d"
BATCH_NORM_EPSILON = 1e-3
NUM_COLOURS = 3
OUTPUT_NAME = "Softmax"
AVERAGE_POOL: Size = (2, 7, 7)


@dataclass(frozen=True)
class Conv:
    """A convolution with batch norm and ReLU."""

    name: str
    """Name in its scope."""
    out_channels: int
    """Number of filters."""
    kernel: Size
    """Extent of a filter."""
    stride: Size = (1, 1, 1)
    """Step of a filter."""


@dataclass(frozen=True)
class MaxPool:
    """A max pool."""

    name: str
    """Name in its scope."""
    kernel: Size
    """Extent of the window."""
    stride: Size
    """Step of the window."""


Branch = tuple[Conv | MaxPool, ...]


@dataclass(frozen=True)
class Mixed:
    """An Inception block: branches over the same input, concatenated by channel."""

    name: str
    """Name in the network."""
    branches: tuple[Branch, ...]
    """What each branch applies, in order."""


Stage = Conv | MaxPool | Mixed


def _mixed(
    name: str,
    branch_0: int,
    branch_1: tuple[int, int],
    branch_2: tuple[int, int],
    branch_3: int,
    *,
    branch_2_name: str = "Conv3d_0b_3x3",
) -> Mixed:
    one, three = (1, 1, 1), (3, 3, 3)
    return Mixed(
        name,
        (
            (Conv("Conv3d_0a_1x1", branch_0, one),),
            (Conv("Conv3d_0a_1x1", branch_1[0], one), Conv("Conv3d_0b_3x3", branch_1[1], three)),
            (Conv("Conv3d_0a_1x1", branch_2[0], one), Conv(branch_2_name, branch_2[1], three)),
            (MaxPool("MaxPool3d_0a_3x3", three, one), Conv("Conv3d_0b_1x1", branch_3, one)),
        ),
    )


STAGES: tuple[Stage, ...] = (
    Conv("Conv3d_1a_7x7", 64, (7, 7, 7), (2, 2, 2)),
    MaxPool("MaxPool3d_2a_3x3", (1, 3, 3), (1, 2, 2)),
    Conv("Conv3d_2b_1x1", 64, (1, 1, 1)),
    Conv("Conv3d_2c_3x3", 192, (3, 3, 3)),
    MaxPool("MaxPool3d_3a_3x3", (1, 3, 3), (1, 2, 2)),
    _mixed("Mixed_3b", 64, (96, 128), (16, 32), 32),
    _mixed("Mixed_3c", 128, (128, 192), (32, 96), 64),
    MaxPool("MaxPool3d_4a_3x3", (3, 3, 3), (2, 2, 2)),
    _mixed("Mixed_4b", 192, (96, 208), (16, 48), 64),
    _mixed("Mixed_4c", 160, (112, 224), (24, 64), 64),
    _mixed("Mixed_4d", 128, (128, 256), (24, 64), 64),
    _mixed("Mixed_4e", 112, (144, 288), (32, 64), 64),
    _mixed("Mixed_4f", 256, (160, 320), (32, 128), 128),
    MaxPool("MaxPool3d_5a_2x2", (2, 2, 2), (2, 2, 2)),
    # DeepMind's checkpoints spell this one name differently.
    _mixed("Mixed_5b", 256, (160, 320), (32, 128), 128, branch_2_name="Conv3d_0a_3x3"),
    _mixed("Mixed_5c", 384, (192, 384), (48, 128), 128),
)

LOGITS = Conv("Logits/Conv3d_0c_1x1", NUM_LABELS, (1, 1, 1))
"""The classifier: a bias instead of batch norm and ReLU."""


def convolutions() -> Iterator[tuple[str, Conv, int]]:
    """Yield every convolution with its scope and number of input channels, classifier last.

    >>> [(scope, conv.kernel, channels) for scope, conv, channels in convolutions()][0]
    ('RGB/inception_i3d/Conv3d_1a_7x7', (7, 7, 7), 3)
    >>> len(list(convolutions()))
    58
    """
    channels = NUM_COLOURS
    for stage in STAGES:
        if isinstance(stage, Conv):
            yield f"{CHECKPOINT_SCOPE}/{stage.name}", stage, channels
            channels = stage.out_channels
        elif isinstance(stage, Mixed):
            scope = f"{CHECKPOINT_SCOPE}/{stage.name}"
            joined = 0
            for index, branch in enumerate(stage.branches):
                inner = channels
                for layer in branch:
                    if isinstance(layer, Conv):
                        yield f"{scope}/Branch_{index}/{layer.name}", layer, inner
                        inner = layer.out_channels
                joined += inner
            channels = joined
    yield f"{CHECKPOINT_SCOPE}/{LOGITS.name}", LOGITS, channels


def tensor_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each of the 230 float32 tensors of a checkpoint, by name, sorted.

    >>> tensor_shapes()["RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w"]
    (7, 7, 7, 3, 64)
    >>> len(tensor_shapes())
    230
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for scope, conv, in_channels in convolutions():
        shapes[f"{scope}/conv_3d/w"] = (*conv.kernel, in_channels, conv.out_channels)
        if conv is LOGITS:
            shapes[f"{scope}/conv_3d/b"] = (conv.out_channels,)
        else:
            for statistic in ("beta", "moving_mean", "moving_variance"):
                shapes[f"{scope}/batch_norm/{statistic}"] = (conv.out_channels,)
    return dict(sorted(shapes.items()))
