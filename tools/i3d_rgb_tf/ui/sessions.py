"""What the users of the app see: each has one video, whose timeline is found once."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from i3d_rgb_tf.errors import I3DError, VideoError
from i3d_rgb_tf.model import Model
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.ui.results import Results
from i3d_rgb_tf.video.decode import FRAMES_PER_SECOND
from i3d_rgb_tf.video.length import count_frames

__all__ = ["Limits", "Sessions", "Shown"]

_KEY_BYTES = 16
_MOST_SHOWN = 3
"""A browser may still ask for the page before the newest one, or be downloading of it."""
_MOST_LARGEST = 20
"""How many of the largest videos are kept at once, or more of smaller ones."""


@dataclass(frozen=True)
class Limits:
    """What a video may be at most."""

    megabytes: int = 200
    """Size, in units of 1,048,576 bytes."""
    minutes: int = 30
    """Length."""

    @property
    def num_bytes(self) -> int:
        """Size in bytes."""
        return self.megabytes << 20

    @property
    def total_bytes(self) -> int:
        """Size of the videos of all users."""
        return self.num_bytes * _MOST_LARGEST


@dataclass(frozen=True)
class Shown:
    """What a user is to see: a result, an error, or nothing."""

    result: str = ""
    """Its name among the results; empty for none."""
    video: str = ""
    """Name of its video."""
    error: str = ""
    """One line; empty for none."""


@dataclass(frozen=True)
class _Session:
    kept: str = ""
    """Name of the result that keeps the video; empty if it is not kept, or not any more."""
    video: Path = Path()
    """The video there."""
    num_bytes: int = 0
    """Its size."""
    timeline: Timeline | None = None
    """None until it is found."""
    error: str = ""
    """Why there will be none."""
    shown: tuple[str, ...] = ()
    """Names of the results that were shown last, the newest first."""


class Sessions:
    """The videos of all users, and what was found in them.

    Its methods may be called by several threads: a user may give a video up while it is inferred.

    Parameters
    ----------
    model
        Finds the timelines.
    results
        Takes them.
    limits
        What a video may be.
    """

    def __init__(self, model: Model, results: Results, limits: Limits) -> None:
        self._model = model
        self._results = results
        self._limits = limits
        self._sessions: dict[str, _Session] = {}
        self._changing = threading.Lock()

    def start(self, upload: str | None, before: str = "") -> str:
        """Keep a video; where all are too large together, those that came first are removed.

        Parameters
        ----------
        upload
            Path of the video; it is not needed afterwards.
        before
            Key of the session that this one replaces; empty for none.

        Returns
        -------
        str
            Key of the session; empty without a video.
        """
        self.end(before)
        if upload is None:
            return ""
        key = secrets.token_urlsafe(_KEY_BYTES)
        with self._changing:
            self._sessions[key] = self._keep(Path(upload))
            self._remove_first()
        return key

    def _keep(self, upload: Path) -> _Session:
        try:
            kept = self._results.keep(upload)
        except I3DError as error:
            return _Session(error=_without_folder(error, upload))
        video = self._results.video(kept)
        return _Session(kept, video, video.stat().st_size)

    def _remove_first(self) -> None:
        kept = {key: each for key, each in self._sessions.items() if each.kept}
        excess = sum(each.num_bytes for each in kept.values()) - self._limits.total_bytes
        for key, session in kept.items():
            if excess <= 0:
                return
            excess -= session.num_bytes
            message = f"{session.video.name} is not kept any more: others came; drop it again"
            self._give_up(key, message)

    def _give_up(self, key: str, message: str) -> None:
        session = self._sessions[key]
        self._sessions[key] = _Session(error=message)
        for name in (session.kept, *session.shown):
            self._results.remove(name)

    def infer(self, key: str) -> None:
        """Find the timeline of the video of a session, unless it is found, or has been given up."""
        session = self._session(key)
        if session.timeline or not session.kept:
            return
        timeline, message = None, ""
        try:
            _check_minutes(session.video, self._limits.minutes)
            timeline = self._model.timeline(session.video)
        except (I3DError, OSError) as error:  # OSError: it has gone while it was read.
            message = _without_folder(error, session.video)
        with self._changing:
            # It may have been given up meanwhile.
            if not self._session(key).kept:
                return
            if timeline is None:
                self._give_up(key, message)
            else:
                self._sessions[key] = replace(session, timeline=timeline)

    def show(
        self, key: str, *, labels: Sequence[str], enter: float | None, leave: float | None
    ) -> Shown:
        """Return what a user is to see with these settings; nothing is inferred.

        Parameters
        ----------
        key
            Of the session; nothing is shown if there is none.
        labels
            That are looked for; all 400 if there are none.
        enter, leave
            As in `SegmentSettings`; None for its defaults.
        """
        session = self._session(key)
        if session.timeline is None:
            return Shown(error=session.error)
        try:
            thresholds = {"enter": enter, "leave": leave}
            given = {name: each for name, each in thresholds.items() if each is not None}
            settings = SegmentSettings(**given, labels=tuple(labels) or None)
            return self._add(key, session.timeline.with_settings(settings))
        except (I3DError, ValueError) as error:
            return Shown(error=str(error))

    def _add(self, key: str, timeline: Timeline) -> Shown:
        with self._changing:
            session = self._session(key)
            # It may have been given up meanwhile.
            if session.timeline is None:
                return Shown(error=session.error)
            names = (self._results.add(timeline), *session.shown)
            for name in names[_MOST_SHOWN:]:
                self._results.remove(name)
            self._sessions[key] = replace(session, shown=names[:_MOST_SHOWN])
        return Shown(names[0], session.video.name)

    def end(self, key: str) -> None:
        """Remove all that was found for a user, if there is something."""
        with self._changing:
            if key in self._sessions:
                self._give_up(key, "")
                del self._sessions[key]

    def _session(self, key: str) -> _Session:
        return self._sessions.get(key, _Session())


def _without_folder(error: Exception, video: Path) -> str:
    """Return a message without where the server keeps a video, which says nothing to the user."""
    return str(error).replace(str(video), video.name)


def _check_minutes(video: Path, most: int) -> None:
    """Raise a `VideoError` if a video is longer, by its packets: nothing is decoded."""
    most_frames = most * 60 * FRAMES_PER_SECOND
    if count_frames(video, most=most_frames + 1) > most_frames:
        raise VideoError(
            f"{video.name} is too long, expected at most {most} min of up to 300 frames per "
            "second; cut it, or give --max-minutes when you start the app"
        )
