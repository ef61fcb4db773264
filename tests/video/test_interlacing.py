"""Frames that say they are interlaced keep their number, order and times."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from i3d_rgb_tf.video.interlacing import deinterlace


def marked(frames):
    """Return frames that say they are interlaced, by FFmpeg's own filter."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=64, height=64, format="gray", time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("setfield", "mode=tff"), graph.add("buffersink")).configure()
    for frame in frames:
        graph.vpush(frame)
        yield graph.vpull()


def as_frames(levels, size=64):
    for level in levels:
        yield av.VideoFrame.from_ndarray(np.full((size, size), level, np.uint8), format="gray")


def timed(frames, times):
    for frame, (pts, dts, duration) in zip(frames, times, strict=True):
        frame.pts, frame.dts, frame.duration, frame.time_base = pts, dts, duration, Fraction(1, 90)
        yield frame


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_as_many_frames_come_out_in_order_and_none_is_marked(count):
    frames = list(marked(as_frames(range(count))))
    assert all(frame.interlaced_frame for frame in frames)

    found = list(deinterlace(frames))

    assert [round(frame.to_ndarray().mean()) for frame in found] == list(range(count))
    assert not any(frame.interlaced_frame for frame in found)


def test_each_frame_keeps_its_times():
    times = [(0, 2, 3), (None, 4, 0), (9, None, 1), (5, 5, 5), (None, None, 0), (70, 60, 1)]

    found = list(deinterlace(timed(marked(as_frames(range(6))), times)))

    assert [(frame.pts, frame.dts, frame.duration) for frame in found] == times
    assert {frame.time_base for frame in found} == {Fraction(1, 90)}


def test_frames_before_the_first_marked_one_are_the_same_objects():
    plain, later = list(as_frames([1, 2])), list(marked(as_frames([3, 4, 5])))

    found = list(deinterlace([*plain, *later]))

    assert found[:2] == plain
    assert [round(frame.to_ndarray().mean()) for frame in found] == [1, 2, 3, 4, 5]


def test_the_size_may_change():
    small, large = list(marked(as_frames([1, 2, 3]))), list(as_frames([4, 5], 128))

    found = list(deinterlace([*small, *large, *marked(as_frames([6, 7]))]))

    assert [round(frame.to_ndarray().mean()) for frame in found] == [1, 2, 3, 4, 5, 6, 7]
    assert [frame.width for frame in found] == [64, 64, 64, 128, 128, 64, 64]


def test_frames_are_taken_as_they_are_needed():
    taken = []

    def source():
        for number, frame in enumerate(marked(as_frames(range(50)))):
            taken.append(number)
            yield frame

    frames = deinterlace(source())

    for number in range(10):
        np.testing.assert_allclose(next(frames).to_ndarray().mean(), number, atol=1)
        assert len(taken) <= number + 5
