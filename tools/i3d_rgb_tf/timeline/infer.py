"""Videos -> timelines: each is decoded once, while the device infers."""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.inference.networks import Networks
from i3d_rgb_tf.labels import NUM_LABELS
from i3d_rgb_tf.timeline.result import Timeline, softmax
from i3d_rgb_tf.timeline.segments import find_segments
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.timeline.times import position_seconds
from i3d_rgb_tf.whole_videos import OpenedVideo, begin_video, infer_whole

__all__ = ["infer_timelines"]


def infer_timelines(
    networks: Networks,
    videos: Iterable[str | Path],
    settings: SegmentSettings | None = None,
) -> Generator[Timeline | VideoError, None, None]:
    """Yield the timeline of each video; see `i3d_rgb_tf.model.Model.timeline_all`."""
    settings = settings or SegmentSettings()
    with closing(infer_whole(networks, map(begin_video, videos), _Logits)) as inferred:
        for each in inferred:
            if isinstance(each.error, VideoError):
                yield each.error
            elif each.error:
                raise each.error
            else:
                yield _timeline(networks, each.video, each.outputs.stack(), settings)


class _Logits:
    """Collects the logits of a video."""

    def __init__(self) -> None:
        # It grows in place: a list of arrays, and then their join, would take twice the memory.
        self._values = array("f")

    def add(self, _: int, row: NDArray[np.float32]) -> None:
        """Take a row, (1, n) float32, whose last 400 numbers are logits."""
        self._values.frombytes(row[0, -NUM_LABELS:].tobytes())

    def stack(self) -> NDArray[np.float32]:
        """Return (positions, 400) float32."""
        return np.frombuffer(self._values, np.float32).reshape(-1, NUM_LABELS)


def _timeline(
    networks: Networks,
    opened: OpenedVideo,
    logits: NDArray[np.float32],
    settings: SegmentSettings,
) -> Timeline:
    times, edges = position_seconds(len(logits), opened.num_frames, padded_as=opened.padded_as)
    return Timeline(
        video=str(opened.video),
        num_frames=opened.num_frames,
        logits=logits,
        times_seconds=times,
        start_seconds=edges[:-1],
        end_seconds=edges[1:],
        segments=find_segments(edges[:-1], edges[1:], softmax(logits), settings),
        settings=settings,
        network=networks.facts(networks.dense if opened.padded_as else networks.clip),
    )
