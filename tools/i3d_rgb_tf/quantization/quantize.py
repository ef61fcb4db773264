"""FP32 IR and calibration videos -> INT8 IR that meets the acceptance criteria."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import DependencyError, QuantizationError, last_line
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import read_ir, save_ir
from i3d_rgb_tf.ir.metadata import keep_own_section, read_provenance, write_provenance
from i3d_rgb_tf.quantization.acceptance import (
    HIGHEST_MEAN_KL,
    LOWEST_TOP1_AGREEMENT,
    Agreement,
    QuantizationRecord,
    compare,
    write_record,
)
from i3d_rgb_tf.quantization.bias_correction import correct_biases
from i3d_rgb_tf.quantization.calibration import NUM_CLIPS, find_calibration_videos, sample_clips
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.storage import check_writable

__all__ = [
    "Quantization",
    "quantize",
    "quantize_model",
]

_CONFIDENT = 0.5
_CONFIDENT_SHARE = 0.25
"""Videos that show actions have at least this share of clips with a confident prediction."""
_SPEED_ROUNDS = 3
_logger = logging.getLogger(__name__)

_Clip = NDArray[np.uint8]
_Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Quantization:
    """An INT8 model on disk, and what was measured of it."""

    path: Path
    """The .xml file."""
    record: QuantizationRecord
    """What was measured of it; it is in the model too."""


def quantize(
    directory: str | Path,
    calibration: Sequence[str | Path],
    *,
    output: str | Path | None = None,
    accept: bool = False,
    num_clips: int = NUM_CLIPS,
    on_progress: Callable[[int, int], object] | None = None,
) -> Quantization:
    """Make the INT8 IR of a model tree from its FP32 IR, if it meets the acceptance criteria.

    Parameters
    ----------
    directory
        Root of the tree; ``public/i3d-rgb-tf/FP32/i3d-rgb-tf.xml`` is read.
    calibration
        Videos of actions, folders of them, or .txt files that list them.
    output
        Root of the tree the IR goes to, by default `directory`.
    accept
        Whether to write the model even if it does not meet the criteria.
    num_clips
        Most clips to take from the videos; a third of them is held out for the comparison.
    on_progress
        Called with the number of clips that nncf has seen and of all it calibrates with.

    Returns
    -------
    Quantization
        ``public/i3d-rgb-tf/FP16-INT8/i3d-rgb-tf.xml`` with its record.

    Raises
    ------
    QuantizationError
        There are too few clips, or the predictions differ too much and `accept` is False.
    DependencyError
        nncf is not installed.
    TypeError
        `calibration` is a single path.
    ModelError, VideoError, DatasetError, StorageError
        The FP32 IR or the videos cannot be read, or the new IR not written.
    """
    if isinstance(calibration, str | Path):
        raise TypeError(f"calibration is {calibration!r}, expected a list of paths")
    _require_nncf()
    directory = Path(directory)
    spec = load_spec()
    source = spec.ir_path(directory, "FP32")
    path = spec.ir_path(Path(output or directory), "FP16-INT8")
    provenance = read_provenance(read_ir(source))
    check_writable(path.parent)
    clips = sample_clips(find_calibration_videos(map(Path, calibration)), num_clips=num_clips)
    # Directly, so that the speed ratios of all records have the same meaning.
    float_model = compile_model(
        read_ir(source), inference_precision="f32", convolution="direct", cache=False
    )
    expected = _predict(float_model, clips.held_out)
    warning = _warning(expected)
    if warning:
        _logger.warning("%s", warning)

    model = quantize_model(read_ir(source), clips.calibration, on_progress=on_progress)
    correct_biases(model, read_ir(source), clips.calibration)
    integer_model = compile_model(model.clone(), cache=False)
    agreement = compare(expected, _predict(integer_model, clips.held_out))
    if not accept:
        _check(agreement)
    record = QuantizationRecord(
        num_videos=clips.num_videos,
        num_calibration_clips=len(clips.calibration),
        agreement=agreement,
        speed_ratio=round(_speed_ratio(float_model, integer_model, clips.held_out[0]), 3),
        warning=warning,
    )
    model.set_friendly_name(spec.name)
    keep_own_section(model)
    write_provenance(model, provenance)
    write_record(model, record)
    save_ir(model, path, compress_to_fp16=True)
    return Quantization(path, record)


def quantize_model(
    model: Any,
    clips: Sequence[_Clip],
    *,
    on_progress: Callable[[int, int], object] | None = None,
) -> Any:
    """Return an ``openvino.Model`` in INT8.

    Parameters
    ----------
    model
        In FP32, as `i3d_rgb_tf.ir.files.read_ir` gives it.
    clips
        The calibration set; each (79, 224, 224, 3) uint8, RGB, 0..255.
    on_progress
        Called with the number of clips that nncf has seen and of all.

    Raises
    ------
    DependencyError
        nncf is not installed.
    QuantizationError
        nncf cannot quantize the model.
    """
    # nncf reads each clip several times; only the first pass is slow.
    seen = iter(range(1, len(clips) + 1))
    with _quiet_nncf():
        import nncf

        def batch(clip: _Clip) -> NDArray[np.float32]:
            if on_progress and (done := next(seen, None)):
                on_progress(done, len(clips))
            return np.ascontiguousarray(clip.transpose(0, 3, 1, 2)[np.newaxis], dtype=np.float32)

        try:
            return nncf.quantize(
                model,
                nncf.Dataset(list(clips), batch),
                subset_size=len(clips),
                advanced_parameters=_parameters(),
            )
        except (RuntimeError, ValueError) as error:
            raise QuantizationError(
                f"nncf cannot quantize the model: {last_line(error)}"
            ) from error


def _predict(compiled: Any, clips: Sequence[_Clip]) -> _Probabilities:
    return np.concatenate([compiled(clip[np.newaxis])[0] for clip in clips])


def _warning(expected: _Probabilities) -> str:
    confident = float((expected.max(axis=1) >= _CONFIDENT).mean())
    if confident >= _CONFIDENT_SHARE:
        return ""
    return (
        "the calibration videos show few actions that the network recognises: it is confident on "
        f"{confident:.0%} of the clips, expected {_CONFIDENT_SHARE:.0%}; activation ranges "
        "measured on them may be too narrow, so add videos of Kinetics-400 actions"
    )


def _check(agreement: Agreement) -> None:
    if agreement.is_accepted:
        return
    raise QuantizationError(
        f"INT8 does not keep the predictions: on {agreement.num_clips} held-out clips it agrees on "
        f"{agreement.top1_agreement:.1%}, expected {LOWEST_TOP1_AGREEMENT:.0%}, and its mean KL is "
        f"{agreement.mean_kl:.4f}, expected at most {HIGHEST_MEAN_KL}; calibrate with more videos "
        "that show actions, or accept it as it is with --accept"
    )


def _speed_ratio(slow: Any, fast: Any, clip: _Clip) -> float:
    """Return the ratio of the medians, measured in turns so that other load meets both."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(_SPEED_ROUNDS):
        for compiled, every in zip((slow, fast), seconds, strict=True):
            start = time.perf_counter()
            compiled(clip[np.newaxis])
            every.append(time.perf_counter() - start)
    return float(np.median(seconds[0]) / np.median(seconds[1]))


def _require_nncf() -> None:
    """Raise before minutes are spent on the videos."""
    import importlib.util

    if importlib.util.find_spec("nncf") is None:
        raise DependencyError(
            "quantization needs nncf, which is not installed; "
            "install it with: pip install 'i3d-rgb-tf[quantize]'"
        )


def _parameters() -> Any:
    """Return how to quantize; bench/quantize.py measures the alternatives.

    nncf's default range is the mean of maxima, which cuts off what an action excites when few
    clips show it, and lowers its confidence; so the range is that of all clips. nncf's fast bias
    correction doubles the divergence of this network; `bias_correction` lowers it.
    """
    from nncf import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    return AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        disable_bias_correction=True,
    )


@contextlib.contextmanager
def _quiet_nncf() -> Iterator[None]:
    """Keep nncf's progress off standard output and its reports off the network.

    A report is sent by a forked process, and may hang where there is no network.
    """
    before = os.environ.get("NNCF_CI")
    os.environ["NNCF_CI"] = "1"
    logger = logging.getLogger("nncf")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import nncf  # noqa: F401

            level = logger.level
            # `nncf.set_log_level` would change the handlers too, of which some are the program's.
            logger.setLevel(logging.ERROR)
            try:
                yield
            finally:
                logger.setLevel(level)
    finally:
        if before is None:
            del os.environ["NNCF_CI"]
        else:
            os.environ["NNCF_CI"] = before
