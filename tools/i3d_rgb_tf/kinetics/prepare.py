"""Decode every video of a data set once, and write the manifest, the problems and the frames."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from multiprocessing import connection
from pathlib import Path
from threading import Thread

from i3d_rgb_tf.cores import num_usable_cores
from i3d_rgb_tf.errors import I3DError, VideoError
from i3d_rgb_tf.journal import append_entry, read_entries, stamp, write_entries
from i3d_rgb_tf.kinetics.annotations import LabelledVideo, Listing, Problem
from i3d_rgb_tf.kinetics.jpeg_frames import check_pillow, extract_frames
from i3d_rgb_tf.kinetics.manifest import (
    PreparedVideo,
    frames_folder,
    write_annotations,
    write_manifest,
    write_problems,
)
from i3d_rgb_tf.storage import only_writer, storage_errors
from i3d_rgb_tf.temporary import remove_leftovers
from i3d_rgb_tf.video.decode import read_frames

__all__ = ["CheckedVideo", "Prepared", "prepare"]

_MOST_RECORDS = 1000
"""What more is logged about one video is dropped."""


@dataclass(frozen=True)
class CheckedVideo:
    """The result of decoding a video: an entry of the journal."""

    name: str
    """As in the listing."""
    path: str
    """Absolute path."""
    label: str
    """One of the 400 names."""
    stamp: str | None
    """`i3d_rgb_tf.journal.stamp` of the file before it was decoded."""
    num_frames: int = 0
    """Number of frames at 25 per second; 0 if the video cannot be used."""
    reason: str = ""
    """Why the video cannot be used; empty if it can."""


@dataclass(frozen=True)
class Prepared:
    """What `prepare` wrote."""

    manifest_path: Path
    """``manifest.json``: name, path, label, frames and duration of each video that can be used."""
    problems_path: Path
    """``problems.csv``: path, label and reason of everything else."""
    videos: tuple[PreparedVideo, ...]
    """The videos of the manifest, sorted by name."""
    problems: tuple[Problem, ...]
    """The rows of the report."""


_FutureResult = Future[tuple[CheckedVideo, list[logging.LogRecord]]]


def prepare(
    listing: Listing,
    output: Path,
    *,
    frames: bool = False,
    workers: int | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Prepared:
    """Decode every video of a listing once; write the manifest, the problems and the frames.

    Each result is added to a journal at once, and the folder of a video's frames appears when it
    is complete: the next call resumes an interrupted one. A file that has changed since is
    checked again.

    Parameters
    ----------
    listing
        From `i3d_rgb_tf.kinetics.annotations.read_dataset`.
    output
        Folder to write to.
    frames
        Whether to write ``kinetics/frames_val/<label>/<video>/image_00001.jpg`` and so on, 25 per
        second in the video's own size, and ``kinetics/kinetics_400.json``.
    workers
        Number of processes; None for one per core that this process may use.
    on_progress
        Called with the number of videos done and of all.

    Raises
    ------
    StorageError
        The output cannot be written or is full, or another run is writing to it.
    DependencyError
        Frames are wanted and Pillow is not installed.
    """
    if frames:
        check_pillow()
    output = output.absolute()
    busy = f"another run is preparing {output}; wait for it or choose another folder"
    with storage_errors(output), only_writer(output / ".lock", busy):
        tree = frames_folder(output) if frames else None
        try:
            checked = _check_videos(
                listing.videos, output, tree, workers, on_progress or (lambda *_: None)
            )
        finally:
            # Of processes of this pool that were killed, or of an earlier one that lived until now.
            remove_leftovers(frames_folder(output))
        return _write_results(checked, listing, output, frames=frames)


def _check_videos(
    items: tuple[LabelledVideo, ...],
    output: Path,
    tree: Path | None,
    workers: int | None,
    on_progress: Callable[[int, int], object],
) -> list[CheckedVideo]:
    """Return a result for each item, from the journal or new."""
    remove_leftovers(frames_folder(output))
    journal = output / "journal.jsonl"
    known = {video.name: video for video in _read_journal(journal)}
    results = {
        item.name: known[item.name]
        for item in items
        if item.name in known and _is_current(known[item.name], item, tree)
    }
    write_entries(journal, map(asdict, results.values()))
    on_progress(len(results), len(items))
    todo = [item for item in items if item.name not in results]
    with closing(_check_all(todo, tree, workers)) as checked:
        for video in checked:
            append_entry(journal, asdict(video))
            results[video.name] = video
            on_progress(len(results), len(items))
    return [results[item.name] for item in items]


def _read_journal(path: Path) -> Iterator[CheckedVideo]:
    for entry in read_entries(path):
        try:
            video = CheckedVideo(**entry)
        except TypeError:
            continue
        if isinstance(video.name, str):
            yield video


def _is_current(known: CheckedVideo, item: LabelledVideo, tree: Path | None) -> bool:
    """Return whether a result is of the file as it is now, and its frames are there."""
    expected = _unchecked(item)
    same = (known.path, known.label, known.stamp) == (expected.path, item.label, expected.stamp)
    return same and (tree is None or bool(known.reason) or (tree / item.label / item.name).is_dir())


def _check_all(
    items: list[LabelledVideo], tree: Path | None, workers: int | None
) -> Generator[CheckedVideo, None, None]:
    """Yield results as they come; only a few videos are submitted ahead of them."""
    count = min(workers or num_usable_cores(), len(items))
    if count <= 1:
        yield from (_check(item, tree) for item in items)
        return
    # To fork a process that has threads can deadlock.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent) as pool:
        waiting: set[_FutureResult] = set()
        try:
            for item in items:
                waiting.add(pool.submit(_check_and_log, item, tree))
                if len(waiting) > 2 * count:
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from map(_logged_result, finished)
            yield from map(_logged_result, wait(waiting).done)
        except BrokenProcessPool as error:
            raise I3DError(
                "a process that checks videos was killed, perhaps for lack of memory; run again to "
                "resume, with fewer --workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            if tree:
                # A signal has ended the processes, with the frames they were writing.
                remove_leftovers(tree)


def _end_with_parent() -> None:
    """Let a process of the pool end when its parent is killed, instead of waiting for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


class _Records(logging.Handler):
    """Keep the first records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.records) < _MOST_RECORDS:
            self.records.append(record)


def _check_and_log(
    item: LabelledVideo, tree: Path | None
) -> tuple[CheckedVideo, list[logging.LogRecord]]:
    """Check a video in a process of the pool; return what was logged, which is not set up there."""
    logger, handler = logging.getLogger("i3d_rgb_tf"), _Records()
    logger.addHandler(handler)
    try:
        return _check(item, tree), handler.records
    finally:
        logger.removeHandler(handler)


def _logged_result(checking: _FutureResult) -> CheckedVideo:
    """Return a result, and log here what was logged there."""
    video, records = checking.result()
    for record in records:
        logging.getLogger(record.name).handle(record)
    return video


def _check(item: LabelledVideo, tree: Path | None) -> CheckedVideo:
    unchecked = _unchecked(item)
    try:
        num_frames = (
            extract_frames(item.path, tree, f"{item.label}/{item.name}")
            if tree
            else sum(1 for _ in read_frames(item.path))
        )
    except VideoError as error:
        return replace(unchecked, reason=str(error))
    return replace(unchecked, num_frames=num_frames)


def _unchecked(item: LabelledVideo) -> CheckedVideo:
    path = item.path.absolute()
    return CheckedVideo(item.name, str(path), item.label, stamp(path))


def _write_results(
    checked: list[CheckedVideo], listing: Listing, output: Path, *, frames: bool
) -> Prepared:
    usable = tuple(
        PreparedVideo(each.name, Path(each.path), each.label, each.num_frames)
        for each in checked
        if not each.reason
    )
    failed = [Problem(Path(each.path), each.label, each.reason) for each in checked if each.reason]
    problems = (*listing.problems, *failed)
    if frames:
        write_annotations(output, usable)
    report = write_problems(output, problems)
    return Prepared(write_manifest(output, usable), report, usable, problems)
