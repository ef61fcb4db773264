"""The files of timelines in a folder: checked before the work, written when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from i3d_rgb_tf.choices import TimelineFormat
from i3d_rgb_tf.errors import DatasetError
from i3d_rgb_tf.storage import check_writable, replaced_file
from i3d_rgb_tf.timeline.output.writers import WRITERS, check_packages
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.video.files import check_file_names

__all__ = ["check_outputs", "output_path", "write_timeline"]


def output_path(folder: Path, video: str | Path, name: TimelineFormat) -> Path:
    """Return the file of a video in a format.

    >>> output_path(Path("out"), "clips/cricket.mp4", "mp4").as_posix()
    'out/cricket.annotated.mp4'
    """
    return folder / f"{Path(video).stem}{WRITERS[name].suffix}"


def check_outputs(
    videos: Sequence[str | Path], folder: Path, formats: Sequence[TimelineFormat]
) -> None:
    """Raise unless the files of all videos can be written, before minutes are spent on the videos.

    Raises
    ------
    DatasetError
        Two videos would be written to the same file, or a video would be replaced.
    DependencyError
        A package is not installed.
    StorageError
        The folder cannot be written.
    """
    check_packages(formats)
    check_file_names(videos, [WRITERS[name].suffix for name in formats])
    _check_videos_stay(
        videos, [output_path(folder, each, name) for each in videos for name in formats]
    )
    check_writable(folder)


def _check_videos_stay(videos: Iterable[str | Path], paths: Iterable[Path]) -> None:
    # A file may have several paths: links, and capitals on some file systems.
    inputs = {_identity(video): video for video in videos}
    for path in paths:
        identity = _identity(path)
        if identity and identity in inputs:
            raise DatasetError(
                f"{path} would replace the video {inputs[identity]}; choose another output folder"
            )


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Return what two paths of one file have in common; None if there is no such file."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def write_timeline(timeline: Timeline, folder: str | Path, output_format: TimelineFormat) -> Path:
    """Write a timeline as ``i3d-rgb-tf timeline`` does, atomically, and return the file.

    Parameters
    ----------
    timeline
        Of `Model.timeline`.
    folder
        Made if it does not exist. The file has the name of the video, and the ending of the format.
    output_format
        One of ``i3d-rgb-tf timeline --output-format``, without ``all``.

    Raises
    ------
    VideoError
        The format needs the video again, and it cannot be read.
    DatasetError
        The video would be replaced.
    DependencyError
        A package is not installed.
    StorageError
        The file cannot be written.
    ValueError
        The format is unknown.
    """
    if output_format not in WRITERS:
        raise ValueError(f"unknown format {output_format!r}, expected one of {', '.join(WRITERS)}")
    folder = Path(folder)
    check_outputs([timeline.video], folder, [output_format])
    path = output_path(folder, timeline.video, output_format)
    with replaced_file(path) as temporary:
        WRITERS[output_format].write(timeline, temporary)
    return path
