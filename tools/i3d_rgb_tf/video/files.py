"""Find the videos in folders, and check the files that are read and written."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from i3d_rgb_tf.errors import DatasetError, VideoError
from i3d_rgb_tf.video.remote import RemoteVideo

__all__ = [
    "ANNOTATED_SUFFIX",
    "VIDEO_SUFFIXES",
    "VideoFile",
    "check_file",
    "check_file_names",
    "check_readable",
    "file_size",
    "find_videos",
    "video_file",
]

VideoFile = Path | RemoteVideo
"""Where a video is read: both have `open`, and `str` gives the name for messages."""

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    }
)
"""Files in a folder with one of these suffixes are videos."""

ANNOTATED_SUFFIX = ".annotated.mp4"
"""Ending of the videos that timelines write; in a folder, they are left out."""


_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
"""How a URL begins; a scheme of one letter would be a drive of Windows."""


def video_file(video: str | Path) -> VideoFile:
    """Return where a video is read; a text with a scheme is a URL, everything else a local path.

    Parameters
    ----------
    video
        A path, or a URL of a scheme that fsspec knows. A `Path` is never a URL, and a ``file://``
        URL is the local path that it names.

    Raises
    ------
    VideoError
        It looks like a URL, and is none.

    Examples
    --------
    >>> print(video_file("s3://bucket/clips/a.mp4"), video_file("clips/a.mp4"))
    s3://bucket/clips/a.mp4 clips/a.mp4
    """
    found = _URL.match(video) if isinstance(video, str) else None
    if isinstance(video, Path) or not found:
        return Path(video)
    if found[1].lower() != "file":
        return RemoteVideo(video)
    parts = urlsplit(video)
    if parts.netloc not in {"", "localhost"}:
        raise VideoError(
            f"{video} is on another host, expected file:///PATH; name it by a path or its own URL"
        )
    return Path(url2pathname(parts.path))


def file_size(path: VideoFile) -> int:
    """Return the bytes of a video file.

    Raises
    ------
    OSError, VideoError
        It cannot be read.
    """
    return path.size if isinstance(path, RemoteVideo) else path.stat().st_size


def find_videos(paths: Iterable[Path]) -> list[Path]:
    """Return the given files, and the videos in the given folders and their subfolders.

    The videos of each folder are sorted; hidden files and folders, and annotated videos, are
    skipped. A path that is not a folder is returned whatever its suffix is, and even if there is no
    such file: the error is raised when it is read.

    Raises
    ------
    VideoError
        A folder holds no video, or it cannot be listed.
    """
    videos: list[Path] = []
    for path in paths:
        if not path.is_dir():
            videos.append(path)
            continue
        found = sorted(_videos_below(path))
        if not found:
            suffixes = " ".join(sorted(VIDEO_SUFFIXES))
            raise VideoError(f"{path} holds no video; expected files ending with {suffixes}")
        videos += found
    return videos


def _videos_below(folder: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        raise VideoError(
            f"cannot list {error.filename}: {error.strerror}; make it readable or leave it out"
        ) from error

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(place, name)
            # macOS adds a file `._name.mp4` for every file it copies to another file system.
            is_skipped = name.startswith(".") or name.endswith(ANNOTATED_SUFFIX)
            if file.suffix.lower() in VIDEO_SUFFIXES and not is_skipped:
                yield file


def check_file(path: VideoFile) -> None:
    """Raise unless `path` is a regular file that can be read and is not empty.

    A pipe or a device is refused: its end cannot be checked, and opening one may block.

    Raises
    ------
    VideoError
        It is missing, a folder, a pipe, empty, or not readable.
    """
    check_readable(path)
    if not file_size(path):
        raise VideoError(f"{path} is empty (0 bytes), expected a video; get the file again")


def check_readable(path: VideoFile) -> None:
    """Raise unless `path` is a regular file that can be read, or its server states its size.

    Raises
    ------
    VideoError
        It is missing, a folder, a pipe, or not readable.
    """
    if isinstance(path, RemoteVideo):
        file_size(path)
        return
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
    except FileNotFoundError as error:
        raise VideoError(f"there is no video {path}; check the path") from error
    except OSError as error:
        raise VideoError(
            f"cannot read {path}: {error.strerror}; expected a file you may read"
        ) from error
    except ValueError as error:
        # A NUL byte, or a character that the file system cannot encode.
        raise VideoError(f"{str(path)!r} is not a path: {error}; check the path") from error
    if stat.S_ISDIR(status.st_mode):
        raise VideoError(f"{path} is a folder, expected a video file; name the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(
            f"{path} is a pipe or a device, expected a video file; save the video first"
        )


def check_file_names(videos: Sequence[str | Path], endings: Iterable[str]) -> None:
    """Raise unless the files that are made of each video have names of their own.

    Parameters
    ----------
    videos
        Each one's files have its name without its ending, and one of `endings`.
    endings
        Such as ``_rgb.npy``.

    Raises
    ------
    DatasetError
        Two videos would be written to the same file.

    Examples
    --------
    >>> check_file_names(["a/cricket.mp4", "b/cricket.avi"], ["_rgb.npy"])
    Traceback (most recent call last):
        ...
    i3d_rgb_tf.errors.DatasetError: a/cricket.mp4 and b/cricket.avi would both be written to \
cricket_rgb.npy; run them with two output folders, or rename one
    """
    endings = tuple(endings)
    seen: dict[str, str | Path] = {}
    for video in videos:
        for name in (f"{Path(video).stem}{ending}" for ending in endings):
            # Some file systems do not distinguish capitals.
            key = name.casefold()
            if key in seen:
                raise DatasetError(
                    f"{seen[key]} and {video} would both be written to {name}; run them with two "
                    "output folders, or rename one"
                )
            seen[key] = video
