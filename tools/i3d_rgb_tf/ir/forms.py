"""The forms in which the network is compiled: what it takes at once, and what it returns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from i3d_rgb_tf.ir import layouts, positions, streaming

__all__ = ["CLIP", "Form", "chunk_form", "forms_digest", "window_form"]


@dataclass(frozen=True)
class Form:
    """What an IR becomes before it is compiled."""

    name: str
    """Another name is another network, of the same code."""
    adapt: Callable[[Any], Any]
    """Makes it of an ``openvino.Model``, which it may change."""


def _unchanged(model: Any) -> Any:
    return model


CLIP = Form("clip", _unchanged)
"""A clip of 79 frames, (1, 79, 224, 224, 3), to the probabilities of the actions, (1, 400)."""


def chunk_form(num_frames: int) -> Form:
    """Return the form for the next frames of a video; see `i3d_rgb_tf.ir.streaming`."""
    return Form(f"chunk {num_frames}", partial(_chunk, num_frames=num_frames))


def window_form(num_frames: int) -> Form:
    """Return the form for windows that are videos of their own.

    From (1, num_frames, 224, 224, 3) to (1, positions, 1424): of each position in time the 1024
    features, then the 400 logits.
    """
    return Form(f"window {num_frames}", partial(_window, num_frames=num_frames))


def _chunk(model: Any, num_frames: int) -> Any:
    positions.with_positions_as_output(model)
    return streaming.make_streaming(model, num_frames)


def _window(model: Any, num_frames: int) -> Any:
    positions.with_positions_as_output(model)
    layouts.change_layout(model, "NDHWC")
    shape = model.input(0).partial_shape
    shape[1] = num_frames
    model.reshape({model.input(0): shape})
    return model


@cache
def forms_digest() -> str:
    """Return a digest of the code that adapts: other code makes another network."""
    files = [str(module.__file__) for module in (layouts, positions, streaming)]
    sources = [Path(file).read_bytes() for file in (__file__, *files)]
    return hashlib.sha256(b"".join(sources)).hexdigest()
