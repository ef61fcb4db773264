"""The timelines that the app shows, and their files, which are written on demand."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import replace
from pathlib import Path

from i3d_rgb_tf.choices import TimelineFormat
from i3d_rgb_tf.errors import I3DError
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.timeline.output.files import output_path, write_timeline
from i3d_rgb_tf.timeline.output.writers import WRITERS
from i3d_rgb_tf.timeline.result import Timeline

__all__ = ["RESULTS_PATH", "Results"]

RESULTS_PATH = "/results"
"""Where the server has the files of results: ``/results/NAME/FILE``."""

_NAME_BYTES = 16


class Results:
    """Videos and their timelines in a folder, each with its files in a folder of its own.

    The name of that folder cannot be guessed: who knows it can read all of the result.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._videos: dict[str, Path] = {}
        self._timelines: dict[str, Timeline] = {}

    def keep(self, source: Path) -> str:
        """Take a link to a video, and return the name of a result without a timeline.

        Raises
        ------
        StorageError
            The video cannot be linked or copied.
        """
        name = secrets.token_urlsafe(_NAME_BYTES)
        video = self.folder(name) / source.name
        with storage_errors(video):
            video.parent.mkdir(mode=0o700)
            _link(source, video)
        self._videos[name] = video
        return name

    def add(self, timeline: Timeline) -> str:
        """Take a timeline and a link to its video, and return the name of the result.

        Raises
        ------
        StorageError
            The video cannot be linked or copied.
        """
        name = self.keep(Path(timeline.video))
        # Where the server keeps models says nothing to the user.
        model = Path(*Path(timeline.network.model).parts[-2:])
        network = replace(timeline.network, model=str(model))
        self._timelines[name] = replace(timeline, video=str(self._videos[name]), network=network)
        return name

    def folder(self, name: str) -> Path:
        """Return the folder of a result, whether it is there or not."""
        return self._folder / name

    def remove(self, name: str) -> None:
        """Remove a result, if it is there."""
        self._timelines.pop(name, None)
        if self._videos.pop(name, None):
            shutil.rmtree(self.folder(name), ignore_errors=True)

    def timeline(self, name: str) -> Timeline:
        """Return the timeline of a result.

        Raises
        ------
        KeyError
            There is none, or not yet.
        """
        return self._timelines[name]

    def video(self, name: str) -> Path:
        """Return the video of a result; `KeyError` if there is none."""
        return self._videos[name]

    def write(self, name: str, output_format: TimelineFormat) -> Path:
        """Return the file of a result in a format, which is written when it is first asked for.

        It has the contents that ``i3d-rgb-tf timeline`` writes in the folder of the video, but for
        the path of the model, of which there are the last two parts.

        Raises
        ------
        KeyError
            There is no such result.
        VideoError, StorageError, DependencyError
            The file cannot be written.
        """
        timeline = self._timelines[name]
        path = output_path(self.folder(name), timeline.video, output_format)
        if not path.exists():
            if WRITERS[output_format].render:
                # Texts name the video; only pictures open it.
                timeline = replace(timeline, video=Path(timeline.video).name)
            self._write(name, timeline, output_format)
        return path

    def _write(self, name: str, timeline: Timeline, output_format: TimelineFormat) -> None:
        try:
            write_timeline(timeline, self.folder(name), output_format)
        except I3DError:
            if name in self._timelines:
                raise
        if name not in self._timelines:
            # It was removed meanwhile, and its folder was made again.
            shutil.rmtree(self.folder(name), ignore_errors=True)
            raise KeyError(name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, target)
