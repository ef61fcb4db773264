"""Check every video of a data set once, and write the manifest, the report and the frames."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import connection
from pathlib import Path
from threading import Thread

from i3d_rgb_tf.errors import I3DError, VideoError
from i3d_rgb_tf.frames import PART_PREFIX, check_pillow, extract_frames
from i3d_rgb_tf.kinetics import LabelledVideo, Listing, Problem
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.storage import only_writer, replaced_file, storage_errors
from i3d_rgb_tf.video import FRAMES_PER_SECOND, read_frames

__all__ = ["CheckedVideo", "Prepared", "prepare"]


@dataclass(frozen=True)
class CheckedVideo:
    """What decoding a video found."""

    name: str
    """As in the listing."""
    path: str
    """Absolute."""
    label: str
    """One of the 400 names."""
    num_frames: int
    """At 25 per second; 0 when it cannot be used."""
    reason: str
    """Why it cannot be used; empty when it can."""
    size: int
    """Bytes of the file when it was checked, -1 when it could not be asked for."""
    modified_ns: int
    """Its time of change."""

    @property
    def duration_seconds(self) -> float:
        """Length at 25 frames per second."""
        return self.num_frames / FRAMES_PER_SECOND


@dataclass(frozen=True)
class Prepared:
    """What `prepare` wrote."""

    manifest: Path
    """``manifest.json``: name, path, label, frames and duration of each video that can be used."""
    report: Path
    """``problems.csv``: path, label and reason of everything else."""
    videos: tuple[CheckedVideo, ...]
    """Those of the manifest, sorted by name."""
    problems: tuple[Problem, ...]
    """Those of the report."""


def prepare(
    listing: Listing,
    output: Path,
    *,
    frames: bool = False,
    workers: int | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> Prepared:
    """Decode every video of a listing once; write the manifest, the report and the frames.

    Each result is kept in a journal as soon as it is there, and a video's frames appear under
    their final name when they are complete, so that an interrupted call is continued by the
    next. A file that has changed since is checked again.

    Parameters
    ----------
    listing
        As `i3d_rgb_tf.kinetics.read_dataset` gives it.
    output
        Folder to write to.
    frames
        Whether to write ``kinetics/frames_val/<label>/<video>/image_00001.jpg`` and so on, 25 per
        second in the video's own size, and ``kinetics/kinetics_400.json``.
    workers
        Processes; None for one per core that this process may use.
    on_progress
        Called with the number of videos that have become done.

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
        return _prepare(listing, output, frames, workers, on_progress or (lambda _: None))


def _prepare(
    listing: Listing,
    output: Path,
    frames: bool,
    workers: int | None,
    on_progress: Callable[[int], object],
) -> Prepared:
    tree = output / "kinetics" / "frames_val" if frames else None
    for leftover in output.glob(f"kinetics/frames_val/{PART_PREFIX}*"):
        shutil.rmtree(leftover)
    journal = output / "journal.jsonl"
    done = {
        video.name: video
        for video in _read_journal(journal)
        if tree is None or video.reason or (tree / video.label / video.name).is_dir()
    }
    results = {}
    for item in listing.videos:
        known = done.get(item.name)
        if known and _identity(item) == (known.path, known.label, known.size, known.modified_ns):
            results[item.name] = known
    on_progress(len(results))
    todo = [item for item in listing.videos if item.name not in results]
    # A line that was torn by a kill would swallow the next one.
    _write_journal(journal, results.values())
    with journal.open("a", encoding="utf-8") as file:
        for video in _check_all(todo, tree, workers):
            file.write(_line(video))
            file.flush()
            results[video.name] = video
            on_progress(1)
    return _write_results([results[item.name] for item in listing.videos], listing, output, tree)


def _check_all(
    items: list[LabelledVideo], tree: Path | None, workers: int | None
) -> Iterator[CheckedVideo]:
    """Yield results as they come, with few videos waiting, however many there are."""
    count = min(workers or len(os.sched_getaffinity(0)), len(items))
    if count <= 1:
        yield from (_check(item, tree) for item in items)
        return
    # Forking a process that has threads can deadlock.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent) as pool:
        waiting: set[Future[CheckedVideo]] = set()
        try:
            for item in items:
                waiting.add(pool.submit(_check, item, tree))
                if len(waiting) > 2 * count:
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            yield from (future.result() for future in wait(waiting).done)
        except BrokenProcessPool as error:
            raise I3DError(
                "a process that checks videos was killed, perhaps for want of memory; run again to "
                "continue, with fewer --workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Let a process of the pool end when the one that started it is killed, not wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _check(item: LabelledVideo, tree: Path | None) -> CheckedVideo:
    path, label, size, modified_ns = _identity(item)
    result = partial(CheckedVideo, item.name, path, label, size=size, modified_ns=modified_ns)
    try:
        num_frames = (
            extract_frames(item.path, tree, f"{item.label}/{item.name}")
            if tree
            else sum(1 for _ in read_frames(item.path))
        )
    except VideoError as error:
        return result(num_frames=0, reason=str(error))
    return result(num_frames=num_frames, reason="")


def _identity(item: LabelledVideo) -> tuple[str, str, int, int]:
    path = item.path.absolute()
    try:
        status = path.stat()
    except OSError:
        return str(path), item.label, -1, -1
    return str(path), item.label, status.st_size, status.st_mtime_ns


def _write_results(
    checked: list[CheckedVideo], listing: Listing, output: Path, tree: Path | None
) -> Prepared:
    usable = tuple(video for video in checked if not video.reason)
    failed = [Problem(Path(each.path), each.label, each.reason) for each in checked if each.reason]
    problems = (*listing.problems, *failed)
    document = [
        {
            "name": video.name,
            "path": video.path,
            "label": video.label,
            "num_frames": video.num_frames,
            "duration_seconds": video.duration_seconds,
        }
        for video in usable
    ]
    if tree:
        database = {
            video.name: {"subset": "validation", "annotations": {"label": video.label}}
            for video in usable
        }
        annotation = {"labels": load_labels(), "database": database}
        _write_json(tree.parent / "kinetics_400.json", annotation)
    report = output / "problems.csv"
    # A file's name may be of bytes that no encoding has.
    with (
        replaced_file(report) as part,
        part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "reason"])
        writer.writerows([each.path, each.label, each.reason] for each in problems)
    manifest = output / "manifest.json"
    _write_json(manifest, document)
    return Prepared(manifest, report, usable, problems)


def _write_json(path: Path, document: object) -> None:
    with replaced_file(path) as part:
        part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _read_journal(path: Path) -> Iterator[CheckedVideo]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield CheckedVideo(**json.loads(line))
        except (ValueError, TypeError):
            continue


def _write_journal(path: Path, videos: Iterable[CheckedVideo]) -> None:
    with replaced_file(path) as part:
        part.write_text("".join(map(_line, videos)), encoding="utf-8")


def _line(video: CheckedVideo) -> str:
    return json.dumps(asdict(video)) + "\n"
