"""Measure the accuracy of an IR on a prepared data set, and keep every clip's answer."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from i3d_rgb_tf.accuracy import (
    Accuracy,
    Confusion,
    class_accuracies,
    find_confusions,
    overall_accuracies,
)
from i3d_rgb_tf.answers import Network, load_network
from i3d_rgb_tf.journal import Row, append_row, holds_only, read_rows, write_rows
from i3d_rgb_tf.listed import ListedVideo, count_left_out, list_videos
from i3d_rgb_tf.protocols import PROTOCOLS
from i3d_rgb_tf.runtime import InferencePrecision
from i3d_rgb_tf.storage import only_writer, replaced_file

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """What one IR achieves under one protocol."""

    protocol: str
    """``zoo``, ``zoo-400``, ``clip`` or ``paper``."""
    description: str
    """The protocol in words."""
    published: str
    """What was published for the protocol; not measured here."""
    model: str
    """Path of the IR."""
    model_sha256: str
    """Of its .xml and .bin."""
    weights: str
    """``rgb_imagenet``, ``rgb_scratch`` or ``unknown``."""
    device: str
    """What it ran on."""
    inference_precision: str
    """What the device calculated in."""
    num_videos: int
    """Videos that count."""
    missing: dict[str, str]
    """Name and path of those that are listed and not there."""
    failed: dict[str, str]
    """Name and reason of those that are there and cannot be used."""
    clip_top1: Accuracy
    """The label has the highest probability."""
    clip_top5: Accuracy
    """It is among the five highest."""
    video_top1: Accuracy
    """The same of the mean over the clips of a video."""
    video_top5: Accuracy
    """And among the five highest."""
    classes: dict[str, Accuracy]
    """Top-1 of the videos of each label that occurs."""
    confusions: tuple[Confusion, ...]
    """Which labels were taken for which, the most frequent first."""
    predictions: str
    """Path of the answers: JSON lines of name, label, source (a digest of sizes and times of what
    was read) and the probabilities of each clip."""
    left_out: int = 0
    """Entries in the report of `prepare`: missing, damaged, duplicate or mislabelled before."""


def evaluate(
    prepared: Path,
    model: Path,
    output: Path,
    *,
    protocol: str = "zoo",
    device: str = "CPU",
    inference_precision: InferencePrecision = "f32",
    workers: int | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Evaluation:
    """Run a protocol; continue where an interrupted run of the same model and protocol stopped.

    Parameters
    ----------
    prepared
        The folder that `i3d_rgb_tf.prepare.prepare` wrote, or one with accuracy_check's tree.
    model
        The IR.
    output
        Folder for the answers and the result, ``<protocol>-<digest>.jsonl`` and ``.json``.
    protocol
        A key of `i3d_rgb_tf.protocols.PROTOCOLS`.
    device, inference_precision
        Of OpenVINO; f32 is what accuracy_check 2023.3 calculates in.
    workers
        How many videos are read at once, beside inference; None for one per four cores that this
        process may use. It changes nothing but the time and the memory: up to 115 MB each.
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
        The output cannot be written or is full, or another run writes the same answers.
    """
    videos, missing = list_videos(prepared, protocol)
    network = load_network(model, protocol, device=device, inference_precision=inference_precision)
    digest = _digest(model)
    stem = _stem(protocol, digest, device, inference_precision, str(prepared.resolve()))
    journal = output / f"{stem}.jsonl"
    workers = workers or max(1, len(os.sched_getaffinity(0)) // 4)
    with only_writer(
        output / f".{stem}.lock", f"another run is writing {journal}; wait for it to end"
    ):
        rows, failed = _answers(videos, network, journal, workers, on_progress or _silent)
        described = PROTOCOLS[protocol]
        evaluation = Evaluation(
            protocol=protocol,
            description=described.description,
            published=described.published,
            model=str(model),
            model_sha256=digest,
            weights=network.weights,
            device=device,
            inference_precision=inference_precision,
            num_videos=len(rows),
            missing=missing,
            failed=failed,
            **overall_accuracies(rows),
            classes=class_accuracies(rows),
            confusions=find_confusions(rows),
            predictions=str(journal),
            left_out=count_left_out(prepared),
        )
        with replaced_file(output / f"{stem}.json") as part:
            part.write_text(json.dumps(asdict(evaluation), indent=1) + "\n", encoding="utf-8")
    return evaluation


def _stem(protocol: str, *what: str) -> str:
    """Return a name for the answers: other models, devices or runtimes have their own."""
    import openvino

    key = " ".join([*what, openvino.__version__])
    return f"{protocol}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _answers(
    videos: list[ListedVideo],
    network: Network,
    journal: Path,
    workers: int,
    on_progress: Callable[[int, int], object],
) -> tuple[list[Row], dict[str, str]]:
    """Return a row for each video, of the journal or new, and why others have none."""
    failed = {video.name: video.reason for video in videos if video.reason}
    usable = {video.name: video for video in videos if not video.reason}
    rows = {row.name: row for row in read_rows(journal) if _is_of(usable.get(row.name), row)}
    if not holds_only(journal, len(rows)):
        write_rows(journal, _in_order(rows, usable))
    todo = [(name, video.path) for name, video in usable.items() if name not in rows]
    on_progress(len(rows) + len(failed), len(videos))
    with closing(network.answer(todo, workers=workers)) as answers:
        for answer in answers:
            if answer.clips is None:
                failed[answer.name] = answer.reason
            else:
                video = usable[answer.name]
                rows[answer.name] = Row(video.name, video.label, video.source, answer.clips)
                append_row(journal, rows[answer.name])
            on_progress(len(rows) + len(failed), len(videos))
    ordered = _in_order(rows, usable)
    if list(rows) != [row.name for row in ordered]:
        write_rows(journal, ordered)
    return ordered, dict(sorted(failed.items()))


def _in_order(rows: dict[str, Row], names: Iterable[str]) -> list[Row]:
    return [rows[name] for name in names if name in rows]


def _is_of(video: ListedVideo | None, row: Row) -> bool:
    return video is not None and (video.label, video.source) == (row.label, row.source)


def _silent(*_: int) -> None:
    pass


def _digest(model: Path) -> str:
    digest = hashlib.sha256()
    for path in (model, model.with_suffix(".bin")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
