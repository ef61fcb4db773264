"""The model that the arguments of a command name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i3d_rgb_tf.model import Model

__all__ = ["open_model"]


def open_model(arguments: argparse.Namespace, **options: Any) -> Model:
    """Open the model of `add_model` with the options of `add_device`, and others of `load_model`.

    Raises
    ------
    ModelError, DeviceError
        As `load_model` does.
    """
    from i3d_rgb_tf.model import load_model

    return load_model(
        arguments.model,
        directory=arguments.directory,
        device=arguments.device,
        inference_precision=arguments.inference_precision,
        winograd=arguments.winograd,
        num_threads=arguments.threads,
        **options,
    )
