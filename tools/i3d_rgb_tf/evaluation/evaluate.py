"""Measure the accuracy of an IR on a prepared data set, and keep all predictions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from i3d_rgb_tf.choices import Convolution, InferencePrecision, ProtocolName
from i3d_rgb_tf.cores import num_usable_cores
from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.evaluation.accuracy import (
    Accuracy,
    Confusion,
    class_accuracies,
    find_confusions,
    overall_accuracies,
)
from i3d_rgb_tf.evaluation.predict import Network, load_network
from i3d_rgb_tf.evaluation.predictions import (
    VideoPredictions,
    append_predictions,
    read_predictions,
    write_predictions,
)
from i3d_rgb_tf.evaluation.protocols import PROTOCOLS
from i3d_rgb_tf.ir.convolution import describe
from i3d_rgb_tf.journal import has_only
from i3d_rgb_tf.kinetics.manifest import ListedVideo, count_problems, list_videos
from i3d_rgb_tf.storage import only_writer, replaced_file

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """The accuracy of one IR under one protocol."""

    protocol: str
    """A key of `i3d_rgb_tf.evaluation.protocols.PROTOCOLS`."""
    description: str
    """The protocol in words."""
    published: str
    """Published accuracy under the protocol; not measured here."""
    model: str
    """Path of the IR."""
    model_sha256: str
    """Digest of its .xml and .bin."""
    weights: str
    """``rgb_imagenet``, ``rgb_scratch`` or ``unknown``."""
    device: str
    """Device of OpenVINO it ran on."""
    inference_precision: str
    """Arithmetic of the device."""
    convolution: Convolution
    """How the convolutions were computed."""
    num_videos: int
    """Number of videos with predictions."""
    missing: dict[str, str]
    """Name and path of each video that is listed and not there."""
    failed: dict[str, str]
    """Name and reason of each video that is there and cannot be used."""
    clip_top1: Accuracy
    """Clips: the label has the highest probability."""
    clip_top5: Accuracy
    """Clips: the label is among the five highest."""
    video_top1: Accuracy
    """Videos, by the mean over their clips: the label has the highest probability."""
    video_top5: Accuracy
    """Videos, by the mean over their clips: the label is among the five highest."""
    classes: dict[str, Accuracy]
    """Per-class accuracy: top-1 of the videos of each label that occurs."""
    confusions: tuple[Confusion, ...]
    """The confusion matrix without its diagonal, most frequent first."""
    predictions_path: str
    """Path of the predictions: JSON lines of name, label, stamp (of the sizes and modification
    times of what was read) and probabilities."""
    left_out: int = 0
    """Number of entries in the ``problems.csv`` of `prepare`."""


def evaluate(
    prepared: Path,
    model: Path,
    output: Path,
    *,
    protocol: ProtocolName = "zoo",
    device: str = "CPU",
    inference_precision: InferencePrecision = "f32",
    winograd: bool = True,
    num_threads: int | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Evaluation:
    """Measure accuracy by a protocol; an interrupted run of the same model and protocol resumes.

    Parameters
    ----------
    prepared
        The folder that `i3d_rgb_tf.kinetics.prepare.prepare` wrote, or one with the tree of
        frames and annotations that accuracy_check reads.
    model
        The IR.
    output
        Folder for the predictions and the result, ``<protocol>-<digest>.jsonl`` and ``.json``.
    protocol
        A key of `i3d_rgb_tf.evaluation.protocols.PROTOCOLS`.
    device, inference_precision
        Of OpenVINO; f32 is also what the accuracy check of the zoo entry sets.
    winograd
        Whether the convolutions are computed with fewer multiplications where that is faster.
    num_threads
        As for `i3d_rgb_tf.model.load_model`.
    workers
        Number of videos to read at once, beside inference; None for one per four cores that this
        process may use. It changes only the time and the memory, up to 115 MB each.
    on_progress
        Called with the number of videos done and of all.

    Raises
    ------
    DatasetError
        Nothing is prepared, or a needed part of it is missing or damaged.
    ModelError
        There is no IR, or it is not this model's.
    DeviceError
        There is no such device, or it cannot run the model in the precision.
    StorageError
        The output cannot be written or is full, or another run writes the same predictions.
    """
    chosen = PROTOCOLS[protocol]
    videos, missing = list_videos(
        prepared, frames=chosen.reads_frames, most_videos=chosen.most_videos
    )
    if not videos and not missing:
        raise DatasetError(f"{prepared} lists no video; prepare a data set that has some")
    left_out = count_problems(prepared)
    network = load_network(
        model,
        chosen,
        device=device,
        inference_precision=inference_precision,
        winograd=winograd,
        num_threads=num_threads,
    )
    digest = _digest(model)
    what = [digest, device, inference_precision, str(prepared.resolve())]
    # Left out for direct convolution, so that runs of 1.0.0 resume with --no-winograd.
    what += [describe(network.convolution)] if network.convolution != "direct" else []
    stem = _stem(protocol, *what)
    journal = output / f"{stem}.jsonl"
    workers = workers or max(1, num_usable_cores() // 4)
    with only_writer(
        output / f".{stem}.lock", f"another run is writing {journal}; wait for it to end"
    ):
        predictions, failed = _predict_videos(
            videos, network, journal, workers, on_progress or (lambda *_: None)
        )
        evaluation = Evaluation(
            protocol=protocol,
            description=chosen.description,
            published=chosen.published,
            model=str(model),
            model_sha256=digest,
            weights=network.weights,
            device=device,
            inference_precision=inference_precision,
            convolution=network.convolution,
            num_videos=len(predictions),
            missing=missing,
            failed=failed,
            **overall_accuracies(predictions),
            classes=class_accuracies(predictions),
            confusions=find_confusions(predictions),
            predictions_path=str(journal),
            left_out=left_out,
        )
        with replaced_file(output / f"{stem}.json") as part:
            part.write_text(json.dumps(asdict(evaluation), indent=1) + "\n", encoding="utf-8")
    return evaluation


def _stem(protocol: str, *what: str) -> str:
    """Return a file name for predictions: of a protocol, all they depend on, and OpenVINO."""
    import openvino

    key = " ".join([*what, openvino.__version__])
    return f"{protocol}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _predict_videos(
    videos: list[ListedVideo],
    network: Network,
    journal: Path,
    workers: int,
    on_progress: Callable[[int, int], object],
) -> tuple[list[VideoPredictions], dict[str, str]]:
    """Return predictions for each video, from the journal or new, and why others have none."""
    failed = {video.name: video.reason for video in videos if video.reason}
    usable = {video.name: video for video in videos if not video.reason}
    done = {
        each.name: each
        for each in read_predictions(journal)
        if _is_current(each, usable.get(each.name))
    }
    if not has_only(journal, len(done)):
        write_predictions(journal, _in_order(done, usable))
    todo = [(name, video.path) for name, video in usable.items() if name not in done]
    on_progress(len(done) + len(failed), len(videos))
    with closing(network.predict(todo, workers=workers)) as results:
        for result in results:
            if result.probabilities is None:
                failed[result.name] = result.reason
            else:
                video = usable[result.name]
                new = VideoPredictions(video.name, video.label, video.stamp, result.probabilities)
                append_predictions(journal, new)
                done[new.name] = new
            on_progress(len(done) + len(failed), len(videos))
    ordered = _in_order(done, usable)
    if list(done) != [each.name for each in ordered]:
        write_predictions(journal, ordered)
    return ordered, dict(sorted(failed.items()))


def _in_order(done: dict[str, VideoPredictions], names: Iterable[str]) -> list[VideoPredictions]:
    return [done[name] for name in names if name in done]


def _is_current(predictions: VideoPredictions, video: ListedVideo | None) -> bool:
    """Return whether predictions are of the video as it is now."""
    return video is not None and (video.label, video.stamp) == (
        predictions.label,
        predictions.stamp,
    )


def _digest(model: Path) -> str:
    digest = hashlib.sha256()
    for path in (model, model.with_suffix(".bin")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
