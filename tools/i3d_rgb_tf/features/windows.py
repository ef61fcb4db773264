"""Cut a video into windows of equal length, and plan them without the video."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal, TypeVar

from i3d_rgb_tf.choices import LastWindow
from i3d_rgb_tf.errors import VideoError

__all__ = ["LastFrames", "WindowPlan", "cut_windows", "fill_window", "plan_windows"]

_Frame = TypeVar("_Frame")


@dataclass(frozen=True)
class LastFrames:
    """What became of the frames at the end of a video that do not fill a window."""

    num_frames: int
    """How many frames the incomplete window has, also those that are in the window before; 0 if
    there is none."""
    outcome: Literal["none", "dropped", "padded", "repeated"]
    """``none`` if every window is whole."""


@dataclass(frozen=True)
class WindowPlan:
    """The windows of a video."""

    spans: tuple[tuple[int, int], ...]
    """Of each window, the first frame of the video and the frame after the last one; half-open."""
    last: LastFrames
    """What became of the frames at the end."""
    is_repeated: bool
    """Whether the video is shorter than a window, and its frames are repeated to fill one."""


def plan_windows(num_frames: int, window: int, stride: int, last: LastWindow) -> WindowPlan:
    """Return the windows of a video.

    They begin at the first frame, one every `stride` frames. If the last whole one does not end
    with the last frame, the next one is incomplete. It is dropped, padded with copies of the last
    frame, or its frames are repeated from its first one on. Where a video does not have one whole
    window, there is nothing else to keep, so it is repeated instead of dropped::

        frames     0123456789      windows of 4 frames every 3:   0123 3456 6789
        frames     012345678       drop                           0123 3456
                                   pad                            0123 3456 6788
                                   repeat                         0123 3456 6786
        frames     01              drop and repeat                0101
                                   pad                            0111

    Parameters
    ----------
    num_frames
        Frames in the video, at least 1.
    window, stride
        Frames in a window, and from the start of one to the next.
    last
        What becomes of the incomplete window.

    Examples
    --------
    >>> plan_windows(9, 4, 3, "pad").spans
    ((0, 4), (3, 7), (6, 9))
    >>> plan_windows(9, 4, 3, "drop").last
    LastFrames(num_frames=3, outcome='dropped')
    """
    num_whole = max(0, (num_frames - window) // stride + 1)
    spans = [(index * stride, index * stride + window) for index in range(num_whole)]
    start, done = num_whole * stride, spans[-1][1] if spans else 0
    rest = num_frames - start if done < num_frames else 0
    # Where the stride is longer than a window, the video may end between two windows.
    if rest <= 0:
        return WindowPlan(tuple(spans), LastFrames(0, "none"), is_repeated=False)
    outcome = _outcome(last, is_only=not spans)
    if outcome != "dropped":
        spans.append((start, num_frames))
    is_repeated = not num_whole and outcome == "repeated"
    return WindowPlan(tuple(spans), LastFrames(rest, outcome), is_repeated)


def cut_windows(
    frames: Iterable[_Frame], window: int, stride: int, last: LastWindow
) -> Iterator[list[_Frame]]:
    """Yield the frames of each window that `plan_windows` plans; one window is in memory.

    Raises
    ------
    VideoError
        There are no frames.

    Examples
    --------
    >>> ["".join(window) for window in cut_windows("0123456789", 4, 3, "drop")]
    ['0123', '3456', '6789']
    """
    held: deque[_Frame] = deque()
    overlap = max(0, window - stride)
    num_skipped = max(0, stride - window)
    num_whole = num_to_skip = 0
    for frame in frames:
        if num_to_skip:
            num_to_skip -= 1
            continue
        held.append(frame)
        if len(held) == window:
            yield list(held)
            num_whole += 1
            num_to_skip = num_skipped
            for _ in range(window - overlap):
                held.popleft()
    num_new = len(held) - (overlap if num_whole else 0)
    outcome = _outcome(last, is_only=not num_whole)
    if num_new and outcome != "dropped":
        yield fill_window(held, window, outcome)
    elif not num_whole:
        raise VideoError("the video has no frames, expected at least 1; choose another video")


def fill_window(
    frames: Sequence[_Frame], window: int, outcome: Literal["padded", "repeated"]
) -> list[_Frame]:
    """Return the frames of an incomplete window with copies of the last one, or repeated.

    Examples
    --------
    >>> "".join(fill_window("678", 5, "padded")), "".join(fill_window("678", 5, "repeated"))
    ('67888', '67867')
    """
    if outcome == "repeated":
        return list(islice(cycle(frames), window))
    return [*frames, *[frames[-1]] * (window - len(frames))]


def _outcome(last: LastWindow, *, is_only: bool) -> Literal["dropped", "padded", "repeated"]:
    if last == "pad":
        return "padded"
    return "repeated" if last == "repeat" or is_only else "dropped"
