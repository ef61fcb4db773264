"""What each way to quantize does to the predictions, on held-out videos.

    python bench/quantize.py -d TREE --calibration VIDEO... --validation VIDEO...

TREE has the FP32 IR. For each recipe: top-1 agreement with FP32, mean and worst Kullback-Leibler
divergence in nats, worst difference of a probability, and how many times faster than FP32.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine_line
from numpy.typing import NDArray

from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.quantization.acceptance import compare
from i3d_rgb_tf.quantization.bias_correction import correct_biases
from i3d_rgb_tf.quantization.calibration import distinct_clips, find_calibration_videos
from i3d_rgb_tf.quantization.quantize import quantize_model
from i3d_rgb_tf.spec import load_spec

_Clips = Sequence[NDArray[np.uint8]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, nargs="+", required=True)
    parser.add_argument("--validation", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    source = load_spec().ir_path(options.directory, "FP32")
    calibration, validation = (
        [clip for video in find_calibration_videos(paths) for clip in distinct_clips(video)]
        for paths in (options.calibration, options.validation)
    )
    reference = compile_model(
        read_ir(source), inference_precision="f32", convolution="direct", cache=False
    )
    expected, float_seconds = _predict(reference, validation)
    sure = np.sort(expected.max(axis=1))
    print(machine_line())
    print(f"{len(calibration)} clips to calibrate, {len(validation)} to compare")
    print("top-1 of FP32 on those:", " ".join(f"{value:.2f}" for value in sure), flush=True)
    for name, recipe in _RECIPES.items():
        model = recipe(source, calibration)
        found, seconds = _predict(compile_model(model, cache=False), validation)
        agreement = compare(expected, found)
        worst = max(
            compare(*pair).mean_kl for pair in zip(expected[:, None], found[:, None], strict=True)
        )
        print(
            f"{name:34}  top-1 {agreement.top1_agreement:6.1%}  KL {agreement.mean_kl:.4f} "
            f"(worst {worst:.3f})  probability {agreement.worst_difference:.3f}  "
            f"{float_seconds / seconds:.2f} times FP32",
            flush=True,
        )


def _ours(source: Path, clips: _Clips) -> Any:
    model = quantize_model(read_ir(source), clips)
    correct_biases(model, read_ir(source), clips)
    return model


def _without_correction(source: Path, clips: _Clips) -> Any:
    return quantize_model(read_ir(source), clips)


def _nncf(*, min_max: bool) -> Callable[[Path, _Clips], Any]:
    def recipe(source: Path, clips: _Clips) -> Any:
        import nncf
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        nncf.set_log_level(logging.ERROR)
        parameters = nncf.AdvancedQuantizationParameters()
        if min_max:
            parameters.activations_range_estimator_params = RangeEstimatorParametersSet.MINMAX
        dataset = nncf.Dataset(
            list(clips), lambda clip: clip.transpose(0, 3, 1, 2)[None].astype(np.float32)
        )
        return nncf.quantize(
            read_ir(source), dataset, subset_size=len(clips), advanced_parameters=parameters
        )

    return recipe


_RECIPES: dict[str, Callable[[Path, _Clips], Any]] = {
    "i3d-rgb-tf quantize": _ours,
    "the same without bias correction": _without_correction,
    "min-max, nncf's bias correction": _nncf(min_max=True),
    "nncf.quantize as it comes": _nncf(min_max=False),
}


def _predict(compiled: Any, clips: _Clips) -> tuple[NDArray[np.float32], float]:
    """Return the probabilities and the median seconds of a clip."""
    compiled(clips[0][None])
    seconds, rows = [], []
    for clip in clips:
        start = time.perf_counter()
        rows.append(compiled(clip[None])[0][0].copy())
        seconds.append(time.perf_counter() - start)
    return np.stack(rows), statistics.median(seconds)


if __name__ == "__main__":
    main()
