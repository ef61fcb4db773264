"""The page of a timeline as text: what it holds, and what it allows; tests/browser opens it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.colors import PALETTE
from i3d_rgb_tf.timeline.output.page import render_page, write_page
from i3d_rgb_tf.timeline.output.ticks import STEPS_SECONDS
from i3d_rgb_tf.timeline.segments import Segment
from i3d_rgb_tf.timeline.settings import SegmentSettings
from media import coded, converted, padded
from timelines import make_timeline, with_segments

VOID = {"meta", "input"}
MEBIBYTE = 1 << 20
ACTIONS = {
    "juggling balls": [0.9, 0.9, 0.8, 0.1, 0.1, 0.1],
    "massaging person's head": [0, 0, 0, 0.1, 0.6, 0.7],
}


class Page(HTMLParser):
    """The elements of a page, and the texts in them; elements must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def attributes(self, tag: str) -> dict[str, str | None]:
        (found,) = (attributes for each, attributes in self.tags if each == tag)
        return found

    @property
    def policy(self) -> dict[str, str]:
        (content,) = (a["content"] for tag, a in self.tags if tag == "meta" and "http-equiv" in a)
        return dict(each.split(" ", 1) for each in (content or "").split("; "))

    @property
    def data(self) -> dict:
        return json.loads(self.texts["script"][0])


encode = coded("-c:v libx264 -pix_fmt yuv420p", count=5)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "clip.mp4"
    encode(path)
    return path


def test_a_small_video_is_in_the_page(video: Path, tmp_path: Path) -> None:
    write_page(make_timeline(str(video), ACTIONS), tmp_path / "clip.html")

    page = Page((tmp_path / "clip.html").read_text(encoding="utf-8"))
    kind, _, content = (page.attributes("video")["src"] or "").partition(",")
    assert (kind, base64.b64decode(content)) == ("data:video/mp4;base64", video.read_bytes())
    assert page.policy["media-src"] == "data:"


@pytest.mark.parametrize(
    ("name", "num_bytes"),
    [("large.mp4", 16 * MEBIBYTE + 1), ("old.avi", 9999), ("picture.gif", 9999), ("video", 9999)],
)
def test_another_video_is_found_from_the_folder_of_the_page(
    tmp_path: Path, video: Path, name: str, num_bytes: int
) -> None:
    path = tmp_path / 'a "b" 50%' / name
    path.parent.mkdir()
    path.write_bytes(padded(num_bytes)(video.read_bytes()))

    page = Page(render_page(make_timeline(str(path), ACTIONS), tmp_path / "pages"))

    address = page.attributes("video")["src"] or ""
    assert re.fullmatch(r"[\w./%-]+", address)
    assert (tmp_path / "pages" / unquote(address)).resolve() == path
    assert page.policy["media-src"] == "'self' file:"


def test_a_video_of_16_mib_is_in_the_page(tmp_path: Path, video: Path) -> None:
    path = tmp_path / "clip.MOV"
    path.write_bytes(padded(16 * MEBIBYTE)(video.read_bytes()))

    page = render_page(make_timeline(str(path), ACTIONS), tmp_path)

    assert 'src="data:video/quicktime;base64,AAAA' in page


def test_times_begin_with_the_first_picture(tmp_path: Path, video: Path) -> None:
    sound = "-f lavfi -i sine=duration=3 -itsoffset 2"
    converted(encode, "-map 1:v -map 0:a -c:v copy", before=sound)(tmp_path / "late.mp4")

    starts = [
        Page(render_page(make_timeline(str(path), ACTIONS), tmp_path)).data["start"]
        for path in (video, tmp_path / "late.mp4")
    ]

    assert starts == [0, 2]


def test_the_policy_has_the_digests_of_what_is_in_the_page(video: Path, tmp_path: Path) -> None:
    page = Page(render_page(make_timeline(str(video), ACTIONS), tmp_path))

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    (style,) = page.texts["style"]
    script = page.texts["script"][1]
    assert page.policy == {
        "default-src": "'none'",
        "style-src": digest(style),
        "script-src": digest(script),
        "base-uri": "'none'",
        "form-action": "'none'",
        "media-src": "data:",
    }
    assert not any("style" in attributes or "onclick" in attributes for _, attributes in page.tags)
    assert not re.search(r"https?:|url\(|@import|innerHTML|eval\(", style + script)


def test_names_are_escaped(tmp_path: Path) -> None:
    folder = tmp_path / '"><script>alert(1)<'
    path = folder / "script>\u202e<b>&amp;\udcff.avi"
    folder.mkdir()
    path.write_bytes(b"avi")
    settings = SegmentSettings()

    write_page(make_timeline(str(path), ACTIONS, settings), tmp_path / "page.html")

    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.texts["h1"] == [r"script>\u202e<b>&amp;\udcff.avi"]
    assert page.texts["code"] == [r'"><script>alert(1)</script>\u202e<b>&amp;\udcff.avi']
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "b" not in {tag for tag, _ in page.tags}


def test_the_table_has_the_segments(video: Path, tmp_path: Path) -> None:
    segments = [
        Segment("zumba", 0.04, 61.96, 0.75, 0.98765),
        Segment("juggling balls", 59.96, 3600.04, 0.5, 1.0),
    ]

    page = Page(render_page(with_segments(str(video), segments), tmp_path))

    cells = [text for text in page.texts["td"] if text.strip()]
    assert "10.0 s long" in " ".join(" ".join(page.texts["p"]).split())
    assert page.texts["button"] == ["0:00.0", "1:00.0"]
    assert cells == ["1:02.0", "0.750", "0.988", "1:00:00.0", "0.500", "1.000"]
    # After those of the columns; two of them are abbreviations.
    assert page.texts["th"][3:] == ["zumba", "juggling balls"]
    assert [(each["start"], each["end"]) for each in page.data["segments"]] == [
        (0.0, 62.0),
        (60.0, 3600.0),
    ]


def test_curves_have_the_probabilities(video: Path, tmp_path: Path) -> None:
    timeline = make_timeline(str(video), ACTIONS, seconds=0.5)

    data = Page(render_page(timeline, tmp_path)).data

    levels = np.frombuffer(base64.b64decode(data["curves"]), np.uint8).reshape(400, -1)
    assert data["edges"] == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert data["labels"] == list(load_labels())
    np.testing.assert_allclose(levels.T / 255, timeline.probabilities, atol=0.5 / 255 + 1e-6)


def test_a_page_of_two_hours_is_small_and_keeps_every_peak(video: Path, tmp_path: Path) -> None:
    probabilities = np.full(22500, 0.1)
    probabilities[::997] = 0.9
    settings = SegmentSettings(min_seconds=0)
    timeline = make_timeline(str(video), {"zumba": probabilities}, settings, seconds=0.32)

    text = render_page(timeline, tmp_path)

    data = Page(text).data
    levels = np.frombuffer(base64.b64decode(data["curves"]), np.uint8).reshape(400, -1)
    (row,) = levels[[load_labels().index("zumba")]]
    peaks = {
        column
        for column, (start, end) in enumerate(zip(data["edges"], data["edges"][1:], strict=False))
        if any(start <= second < end for second in np.arange(0, 22500, 997) * 0.32 + 0.16)
    }
    assert len(row) <= 1000
    assert set(np.flatnonzero(row > 128).tolist()) == peaks
    assert len(text) < 1_000_000


def test_the_labels_of_the_curve_are_all_labels(video: Path, tmp_path: Path) -> None:
    page = Page(render_page(make_timeline(str(video), ACTIONS), tmp_path))

    options = page.texts["option"]
    assert options[:2] == ["juggling balls", "massaging person's head"]
    assert sorted(options) == sorted(load_labels())


def test_without_segments_the_curve_of_the_strongest_label_comes_first(
    video: Path, tmp_path: Path
) -> None:
    text = render_page(make_timeline(str(video), {"zumba": [0.4, 0.3]}), tmp_path)

    assert "<option selected>zumba</option>" in text
    assert "None of the labels looked for reaches a probability of 0.5" in text
    assert "<table" not in text


def test_the_facts_are_those_of_the_settings_and_of_the_network(
    video: Path, tmp_path: Path
) -> None:
    page = Page(render_page(make_timeline(str(video), ACTIONS), tmp_path))

    facts = dict(zip(page.texts["dt"], page.texts["dd"], strict=True))
    assert facts == {
        "reaches a probability of": "0.5",
        "lasts while it is at least": "0.25",
        "shortest segment": "1 s",
        "joined over gaps of up to": "1 s",
        "labels looked for": "all 400",
        "positions in time": "6",
        "weights": "rgb_scratch",
        "model": "models/i3d-rgb-tf.xml",
        "convolution": "direct",
        "inference precision": "bf16",
        "device": "CPU",
    }


def test_the_axis_has_the_steps_of_the_other_pictures(video: Path, tmp_path: Path) -> None:
    data = Page(render_page(make_timeline(str(video), ACTIONS), tmp_path)).data

    assert data["steps"] == list(STEPS_SECONDS)


def test_a_video_of_one_position_says_so(video: Path, tmp_path: Path) -> None:
    one, two = ({"zumba": [0.9] * count} for count in (1, 2))

    assert "at most 79 frames" in render_page(make_timeline(str(video), one), tmp_path)
    assert "at most 79 frames" not in render_page(make_timeline(str(video), two), tmp_path)


def test_colours_are_those_of_the_other_pictures(repository: Path) -> None:
    style = (repository / "tools" / "i3d_rgb_tf" / "data" / "timeline.css").read_text()

    assert re.findall(r"\.hue-\d \{ --hue: (#\w{6}); \}", style) == list(PALETTE)


def test_a_video_that_is_gone_is_an_error(tmp_path: Path) -> None:
    timeline = make_timeline(str(tmp_path / "gone.mp4"), ACTIONS)

    with pytest.raises(VideoError, match=r"there is no video .*gone\.mp4; check the path"):
        write_page(timeline, tmp_path / "page.html")
