"""Measure the accuracy of an IR on a prepared data set, and keep every clip's answer."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i3d_rgb_tf.errors import DatasetError, DeviceError, StorageError, VideoError, last_line
from i3d_rgb_tf.ir import read_ir, read_provenance
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.protocols import PROTOCOLS, middle_clip, zoo_clips
from i3d_rgb_tf.storage import replaced_file, storage_errors

__all__ = ["Accuracy", "Evaluation", "evaluate", "interval"]

_TOP = 5
_NORMAL_95 = 1.959963984540054
"""Standard deviations on either side of the mean that hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class Accuracy:
    """How many answers were right."""

    correct: int
    """Of the label's rank below the first or the fifth."""
    count: int
    """Of all."""
    fraction: float
    """correct / count; 0 when there are none."""
    low: float
    """Lower end of the 95 % interval of Wilson, which takes answers for independent."""
    high: float
    """Its upper end."""


@dataclass(frozen=True)
class Evaluation:
    """What one IR achieves under one protocol."""

    protocol: str
    """``zoo``, ``zoo-400`` or ``clip``."""
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
    failed: dict[str, str]
    """Name and reason of those that do not."""
    clip_top1: Accuracy
    """The label has the highest probability."""
    clip_top5: Accuracy
    """It is among the five highest."""
    video_top1: Accuracy
    """The same of the mean over the clips of a video."""
    video_top5: Accuracy
    """And among the five highest."""
    predictions: str
    """Path of the answers: JSON lines of name, label and the probabilities of each clip."""


def evaluate(
    prepared: Path,
    model: Path,
    output: Path,
    *,
    protocol: str = "zoo",
    device: str = "CPU",
    inference_precision: str = "f32",
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
    on_progress
        Called with the number of videos done and of all.

    Raises
    ------
    DatasetError
        Nothing is prepared, or a needed part of it is missing.
    StorageError
        The output cannot be written, or another run writes the same answers.
    """
    from filelock import FileLock, Timeout

    videos = _videos(prepared, protocol)
    digest = _digest(model)
    key = f"{digest} {device} {inference_precision} {prepared.resolve()}"
    stem = f"{protocol}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    with storage_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    lock = FileLock(output / f".{stem}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StorageError(f"another run is writing {output / stem}.jsonl; wait for it") from error
    with lock, storage_errors(output):
        compiled, weights = _compile(model, device, inference_precision)
        journal = output / f"{stem}.jsonl"
        rows, failed = _answers(videos, protocol, compiled, journal, on_progress or _silent)
        described = PROTOCOLS[protocol]
        evaluation = Evaluation(
            protocol=protocol,
            description=described.description,
            published=described.published,
            model=str(model),
            model_sha256=digest,
            weights=weights,
            device=device,
            inference_precision=inference_precision,
            num_videos=len(rows),
            failed=failed,
            **_accuracies(rows),
            predictions=str(journal),
        )
        with replaced_file(output / f"{stem}.json") as part:
            part.write_text(json.dumps(asdict(evaluation), indent=1) + "\n", encoding="utf-8")
    return evaluation


def interval(correct: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a fraction after Wilson.

    >>> tuple(round(end, 4) for end in interval(268, 400))
    (0.6225, 0.7143)
    """
    if not count:
        return 0.0, 1.0
    square = _NORMAL_95**2
    fraction = correct / count
    middle = fraction + square / (2 * count)
    half = _NORMAL_95 * math.sqrt(fraction * (1 - fraction) / count + square / (4 * count**2))
    scale = 1 + square / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def _videos(prepared: Path, protocol: str) -> list[tuple[str, str, Path]]:
    """Return name, label and the file or the folder of frames of each video, by name."""
    described = PROTOCOLS[protocol]
    name = "kinetics/kinetics_400.json" if described.reads_frames else "manifest.json"
    path = prepared / name
    option = " --frames" if described.reads_frames else ""
    if not path.is_file():
        raise DatasetError(
            f"there is no {path}, which the protocol {protocol} needs; make it with: "
            f"i3d-rgb-tf prepare{option} SOURCE -o {prepared}"
        )
    document = json.loads(path.read_text(encoding="utf-8"))
    if described.reads_frames:
        labels = {key: row["annotations"]["label"] for key, row in document["database"].items()}
        tree = prepared / "kinetics" / "frames_val"
        videos = [(key, label, tree / label / key) for key, label in labels.items()]
    else:
        videos = [(row["name"], row["label"], Path(row["path"])) for row in document]
    # accuracy_check takes the first that are there, in the order of the file, and then sorts.
    return sorted(videos[: described.most_videos])


def _answers(
    videos: list[tuple[str, str, Path]],
    protocol: str,
    compiled: Any,
    journal: Path,
    on_progress: Callable[[int, int], object],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    done = {row["name"]: row for row in _read(journal)}
    rows = {name: done[name] for name, label, _ in videos if _is_of(done.get(name), label)}
    with replaced_file(journal) as part:
        part.write_text("".join(json.dumps(row) + "\n" for row in rows.values()), encoding="utf-8")
    clips = zoo_clips if PROTOCOLS[protocol].reads_frames else middle_clip
    failed: dict[str, str] = {}
    with journal.open("a", encoding="utf-8") as file:
        for name, label, path in videos:
            if name not in rows:
                try:
                    answers = [_predict(compiled, clip) for clip in clips(path)]
                except (DatasetError, VideoError) as error:
                    failed[name] = str(error)
                else:
                    rows[name] = {"name": name, "label": label, "clips": answers}
                    file.write(json.dumps(rows[name]) + "\n")
                    file.flush()
            on_progress(len(rows) + len(failed), len(videos))
    return [rows[name] for name, _, _ in videos if name in rows], failed


def _silent(*_: int) -> None:
    pass


def _is_of(row: dict[str, Any] | None, label: str) -> bool:
    return row is not None and row["label"] == label


def _predict(compiled: Any, clip: Any) -> list[float]:
    answer: list[float] = compiled(clip.transpose(0, 3, 1, 2)[np.newaxis])[0][0].tolist()
    return answer


def _read(journal: Path) -> Iterator[dict[str, Any]]:
    if not journal.exists():
        return
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            # A killed run leaves half a line; its video is run again.
            continue


def _accuracies(rows: list[dict[str, Any]]) -> dict[str, Accuracy]:
    indices = {label: index for index, label in enumerate(load_labels())}
    clips: list[int] = []
    videos: list[int] = []
    for row in rows:
        answers, index = np.array(row["clips"]), indices[row["label"]]
        clips += [int((answer > answer[index]).sum()) for answer in answers]
        mean = answers.mean(axis=0)
        videos.append(int((mean > mean[index]).sum()))
    return {
        f"{kind}_top{top}": _accuracy(sum(rank < top for rank in ranks), len(ranks))
        for kind, ranks in (("clip", clips), ("video", videos))
        for top in (1, _TOP)
    }


def _accuracy(correct: int, count: int) -> Accuracy:
    return Accuracy(correct, count, correct / count if count else 0.0, *interval(correct, count))


def _digest(model: Path) -> str:
    digest = hashlib.sha256()
    for path in (model, model.with_suffix(".bin")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _compile(model: Path, device: str, inference_precision: str) -> tuple[Any, str]:
    import openvino

    network = read_ir(model)
    weights = read_provenance(network).weights
    properties = {"INFERENCE_PRECISION_HINT": inference_precision}
    try:
        return openvino.Core().compile_model(network, device, properties), weights
    except RuntimeError as error:
        raise DeviceError(f"{device} cannot run {model}: {last_line(error)}; try CPU") from error
