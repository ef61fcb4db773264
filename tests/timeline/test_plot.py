"""The plot shows the right frame, probability and segment in each column."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from i3d_rgb_tf.errors import StorageError, VideoError
from i3d_rgb_tf.timeline.output.colors import PALETTE
from i3d_rgb_tf.timeline.output.plot import write_plot
from i3d_rgb_tf.timeline.output.ticks import time_ticks
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.settings import SegmentSettings
from timelines import make_timeline
from videos import gray, write_video

pytestmark = pytest.mark.slow

LEFT, RIGHT = 336, 1560
"""Columns where time begins and ends."""
FIRST, SECOND, THIRD = "playing cymbals", "zumba", "yoga"
BACKGROUND = (0xF4, 0xF5, 0xF7)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of 10 s that becomes lighter each second."""
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    frames = [gray(20 + 20 * (number // 10), 96, 64) for number in range(100)]
    return write_video(path, frames, rate=10, options={"qp": "0"})


def plot_of(timeline: Timeline, path: Path) -> np.ndarray:
    """Return the plot as OpenCV reads it: (height, width, 3), RGB."""
    write_plot(timeline, path)
    return cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def rgb(color: str) -> list[int]:
    return list(bytes.fromhex(color[1:]))


def same(picture: np.ndarray, color: list[int] | tuple[int, ...]) -> np.ndarray:
    return (picture == color).all(axis=-1)


def seconds(columns: np.ndarray, duration: float) -> np.ndarray:
    return (columns - LEFT) / (RIGHT - LEFT) * duration


@pytest.fixture(scope="module")
def timeline(video: Path) -> Timeline:
    """Return a timeline of 10 s: the first label from 2 to 6 s, and the second from 7 to 9 s."""
    first = [0, 0, 0.9, 0.9, 0.9, 0.9, 0, 0, 0, 0]
    second = [0.2, 0, 0, 0, 0, 0, 0, 0.7, 0.7, 0]
    return make_timeline(str(video), {FIRST: first, SECOND: second, THIRD: [0.01] * 10})


@pytest.fixture(scope="module")
def picture(timeline: Timeline, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return plot_of(timeline, tmp_path_factory.mktemp("plot") / "plot.part")


def test_it_is_1600_pixels_wide_on_white(picture: np.ndarray) -> None:
    assert picture.shape[1] == 1600
    assert same(picture, (255, 255, 255)).mean() > 0.4
    assert same(picture[:, [0, -1]], (255, 255, 255)).all()


def test_each_frame_is_above_its_time(picture: np.ndarray) -> None:
    row = picture[160, LEFT:RIGHT].mean(axis=-1)
    count = len(np.flatnonzero((row[1:] > 250) & (row[:-1] < 250))) + 1
    assert count > 4

    middles = ((np.arange(count) + 0.5) / count * (RIGHT - LEFT)).astype(int)
    levels = [20 + 20 * int(10 * middle / (RIGHT - LEFT)) for middle in middles]

    np.testing.assert_allclose(row[middles], levels, atol=4)


@pytest.mark.parametrize(
    ("color", "start", "end"), [(PALETTE[0], 2, 6), (PALETTE[1], 7, 9)], ids=["first", "second"]
)
def test_a_segment_is_marked_from_its_start_to_its_end(
    picture: np.ndarray, color: str, start: float, end: float
) -> None:
    marked = same(picture[:, LEFT - 5 : RIGHT + 5], rgb(color))

    columns = np.flatnonzero(marked.sum(axis=0) >= 2) + LEFT - 5

    np.testing.assert_allclose(seconds(columns[[0, -1]], 10), [start, end], atol=0.05)
    assert len(columns) == columns[-1] - columns[0] + 1


def test_the_curve_is_as_high_as_the_probability(picture: np.ndarray) -> None:
    rows = np.flatnonzero(same(picture[:, RIGHT - 3], BACKGROUND))
    lane = picture[rows[0] : rows[0] + 48]

    def height(second: float) -> float:
        column = lane[:, LEFT + int((RIGHT - LEFT) * second / 10)]
        return (~same(column, BACKGROUND)).sum() / len(lane)

    assert [height(time) for time in (0.5, 3, 4, 5, 8)] == pytest.approx(
        [0, 0.9, 0.9, 0.9, 0], abs=0.03
    )
    # It is a step: a position stands for all of its time.
    assert [height(time) for time in (1.95, 2.05, 5.95, 6.05)] == pytest.approx(
        [0, 0.9, 0.9, 0], abs=0.03
    )


def test_within_a_segment_the_curve_is_darker(picture: np.ndarray) -> None:
    rows = np.flatnonzero(same(picture[:, LEFT + 600], BACKGROUND))
    second = next(row for row in rows if row > rows[0] + 60)
    bottom = picture[second + 46]

    outside, inside = bottom[LEFT + 40], bottom[LEFT + int((RIGHT - LEFT) * 0.8)]

    assert not same(outside, BACKGROUND)
    assert inside.mean() < outside.mean() - 30


def test_the_names_of_labels_are_written_beside_their_lanes(
    timeline: Timeline, picture: np.ndarray, tmp_path: Path, video: Path
) -> None:
    renamed = make_timeline(
        str(video),
        {
            name: timeline.probabilities[:, column].tolist()
            for name, column in ((FIRST, _column(FIRST)), ("milking cow", _column(SECOND)))
        },
    )

    changed = (picture[:390] != plot_of(renamed, tmp_path / "plot")[:390]).any(axis=-1)

    rows, columns = np.nonzero(changed)
    assert len(rows) > 0
    assert columns.max() < LEFT
    # The lanes are 74 pixels apart, and the second name is the one that changed.
    assert rows.max() - rows.min() < 30


def _column(label: str) -> int:
    from i3d_rgb_tf.labels import load_labels

    return load_labels().index(label)


def test_only_labels_that_were_asked_for_have_lanes(video: Path, tmp_path: Path) -> None:
    scores = {FIRST: [0.9] * 10, SECOND: [0.05] * 10}

    all_labels = plot_of(make_timeline(str(video), scores), tmp_path / "all")
    chosen = plot_of(
        make_timeline(str(video), scores, SegmentSettings(labels=(SECOND,))), tmp_path / "one"
    )

    assert all_labels.shape[0] - chosen.shape[0] == 2 * 74


@pytest.mark.parametrize("num_positions", [1, 2, 30_000])
def test_any_number_of_positions_is_drawn(video: Path, tmp_path: Path, num_positions: int) -> None:
    scores = np.zeros(num_positions)
    scores[: num_positions // 2 + 1] = 0.8
    timeline = make_timeline(str(video), {FIRST: scores.tolist()}, seconds=10 / num_positions)

    marked = same(plot_of(timeline, tmp_path / "plot")[:, LEFT:RIGHT], rgb(PALETTE[0]))

    share = (marked.sum(axis=0) >= 2).mean()
    assert share == pytest.approx((num_positions // 2 + 1) / num_positions, abs=0.01)


def test_a_short_peak_in_hours_is_still_seen(video: Path, tmp_path: Path) -> None:
    scores = np.zeros(20_000)
    scores[10_000] = 0.9
    timeline = make_timeline(
        str(video), {FIRST: scores.tolist()}, SegmentSettings(min_seconds=0), seconds=0.32
    )

    marked = same(plot_of(timeline, tmp_path / "plot")[:, LEFT:RIGHT], rgb(PALETTE[0]))

    columns = np.flatnonzero(marked.any(axis=0))
    assert 1 <= len(columns) <= 4
    assert columns.mean() == pytest.approx((RIGHT - LEFT) / 2, abs=3)


@pytest.mark.parametrize("size", [(640, 32), (32, 640), (64, 64), (9, 9)])
def test_frames_of_any_shape_stay_in_their_shape(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "video.mkv"
    write_video(path, [gray(100, *size)] * 5, codec="ffv1")

    picture = plot_of(make_timeline(str(path), {FIRST: [0.1]}, seconds=0.2), tmp_path / "plot")

    inside = np.abs(picture[:, LEFT:RIGHT] - 100).max(axis=-1) < 8
    rows = np.flatnonzero(inside[:290].mean(axis=1) > 0.02)
    first = np.flatnonzero(inside[rows[len(rows) // 2]])
    gaps = np.flatnonzero(np.diff(first) > 1)
    width = gaps[0] + 1 if len(gaps) else len(first)
    assert width / len(rows) == pytest.approx(size[0] / size[1], rel=0.06)


@pytest.mark.parametrize(
    "name", ["<b>&amp;.mp4", "line\nbreak\x1b[2J.mp4", "é 日本 \u202e.mp4", f"{'x' * 200}.mp4"]
)
def test_names_of_strangers_are_written_as_they_are_or_as_question_marks(
    video: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.symlink_to(video)

    picture = plot_of(make_timeline(str(path), {FIRST: [0.9] * 10}), tmp_path / "plot")

    # The header has one line for the name, and one below it.
    rows = np.flatnonzero((picture[:100] < 200).any(axis=(1, 2)))
    assert rows.min() > 20
    assert (np.diff(rows) > 4).sum() == 1
    assert same(picture[:100, RIGHT + 1 :], (255, 255, 255)).all()


def test_a_name_with_a_line_break_is_the_name_with_its_escape(video: Path, tmp_path: Path) -> None:
    names = ["line\nbreak.mp4", r"line\nbreak.mp4", "line?break.mp4"]
    for name in names:
        (tmp_path / name).symlink_to(video)

    broken, escaped, other = (
        plot_of(make_timeline(str(tmp_path / name), {FIRST: [0.9] * 10}), tmp_path / "plot")
        for name in names
    )

    assert (broken == escaped).all()
    assert (broken != other).any()


@pytest.mark.parametrize(
    ("duration", "first", "last"),
    [
        (0.04, "0:00.0", "0:00.0"),
        (3.9, "0:00.0", "0:03.5"),
        (59, "0:00", "0:55"),
        (61, "0:00", "1:00"),
        (3599, "0:00", "55:00"),
        (7200, "0:00", "2:00:00"),
        (200 * 3600, "0:00", "192:00:00"),
        (1000 * 3600, "0:00", "1000:00:00"),
    ],
)
def test_ticks_are_round_times_in_the_video(duration: float, first: str, last: str) -> None:
    ticks = time_ticks(duration, most=12)

    assert 1 <= len(ticks) <= 13
    assert (ticks[0].text, ticks[-1].text) == (first, last)
    assert ticks[-1].seconds <= duration
    assert len({tick.text for tick in ticks}) == len(ticks)


def test_a_video_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="there is no video"):
        write_plot(make_timeline(str(tmp_path / "gone.mp4"), {FIRST: [0.9]}), tmp_path / "plot")


def test_a_folder_that_is_missing_is_an_error(timeline: Timeline, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        write_plot(timeline, tmp_path / "missing" / "plot.png")
