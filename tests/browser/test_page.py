"""The page of a timeline in Chromium, opened from a file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import Select

from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.page import write_page
from i3d_rgb_tf.timeline.output.rounding import clock
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.settings import SegmentSettings
from media import coded, converted, edited, numbers, padded
from servers import content
from timelines import make_timeline

SECONDS = 40
RATE = 25
STRONG, LONG, WEAK = "juggling balls", "massaging person's head", "zumba"
SPANS = {
    STRONG: [(2, 12), (20, 26)],
    LONG: [(10, 15)],
    WEAK: [(30, 33)],
}
"""When each action happens in the timeline, the strongest first."""
MARKUP = '"><img src=x onerror=document.title=1>&amp;'
"""A name that would be an element in a page that does not escape it."""
MEBIBYTE = 1 << 20


def planned(video: Path) -> Timeline:
    """Return a timeline with a position for each second."""
    probabilities = {label: np.full(SECONDS, 0.01) for label in SPANS}
    for label, spans in SPANS.items():
        for start, end in spans:
            probabilities[label][start:end] = np.linspace(0.35, 0.55, end - start)
    return make_timeline(str(video), probabilities)


def actions_at(seconds: float) -> set[str]:
    return {
        label
        for label, spans in SPANS.items()
        if any(start <= seconds < end for start, end in spans)
    }


def encode(path: Path, options: str = "-c:v libx264 -pix_fmt yuv420p -g 12") -> Path:
    """Make a video whose pictures carry their numbers."""
    coded(options, count=SECONDS * RATE, size=(384, 128))(path)
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return encode(tmp_path_factory.mktemp("video") / "clip.mp4")


@pytest.fixture(scope="module")
def page(video):
    path = video.with_suffix(".html")
    write_page(planned(video), path)
    return path


@pytest.fixture
def opened(browser, page):
    """Give the page with its video; nothing may be written to the console until the end."""
    browser.open(page)
    wait_for_video(browser)
    yield browser
    assert browser.messages() == []


def wait_for_video(browser) -> None:
    browser.wait_for(lambda: browser.run("return video.readyState >= 2 && !video.seeking"))


def assert_shows(browser, seconds: float, tolerance: float = 1e-3, *, start: float = 0) -> None:
    """The video is at that moment after its first picture, and so is all of the page."""
    wait_for_video(browser)
    now = browser.run("return video.currentTime")
    assert now == pytest.approx(start + seconds, abs=tolerance)
    picture = browser.picture(browser.find("video"))
    # Without the captions and the controls at the bottom.
    (number,) = numbers([picture[: len(picture) // 3]])
    assert number / RATE == pytest.approx(seconds, abs=tolerance + 1 / RATE)
    assert_marks(browser, seconds, tolerance)


def assert_marks(browser, seconds: float, tolerance: float = 1e-3) -> None:
    for head in browser.find_all(".head"):
        left = float(head.value_of_css_property("left").removesuffix("px"))
        width = browser.run("return arguments[0].parentElement.clientWidth", head)
        # Half a pixel.
        assert SECONDS * left / width == pytest.approx(seconds, abs=tolerance + SECONDS / width)
    minutes, rest = browser.find("#clock").text.split(":")
    assert 60 * int(minutes) + float(rest) == pytest.approx(seconds, abs=tolerance + 0.051)
    expected = actions_at(seconds)
    for selector in ("tr[aria-current=true] th", "#current > span"):
        assert {each.text for each in browser.find_all(selector)} == expected
    current = browser.find_all(".segment[aria-current=true]")
    assert {each.get_attribute("aria-label").split(",")[0] for each in current} == expected


def click_at(browser, element, share: float) -> float:
    """Click at a share of the width of an element, and return which moment that is."""
    width = element.rect["width"]
    offset = round((share - 0.5) * width)
    ActionChains(browser.driver).move_to_element_with_offset(element, offset, 0).click().perform()
    return SECONDS * (0.5 + offset / width)


# The video.


def test_the_video_plays_with_the_keyboard_and_the_play_head_follows(opened):
    video = opened.find("video")
    opened.run("video.muted = true; video.focus()")

    video.send_keys(Keys.SPACE)
    opened.wait_for(lambda: opened.run("return video.currentTime > 1"))
    places = opened.run("""
        return [...document.querySelectorAll(".head")].map((head) =>
            video.currentTime - data.duration * parseFloat(head.style.left) / 100)""")
    opened.wait_for(lambda: opened.run("return video.currentTime > 2.3"))
    rows = [row.text for row in opened.find_all("tr[aria-current=true] th")]
    video.send_keys(Keys.SPACE)

    assert np.abs(places) == pytest.approx([0, 0], abs=0.3)
    assert rows == [STRONG]
    assert opened.run("return video.paused")


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12"), (".mkv", None)],
)
def test_other_containers_play(browser, tmp_path, suffix, options):
    source = tmp_path / f"clip{suffix}"
    if options:
        encode(source, options)
    else:
        encode(source)
    write_page(planned(source), tmp_path / "page.html")

    browser.open(tmp_path / "page.html")
    wait_for_video(browser)
    browser.run("seek(21.5)")

    assert_shows(browser, 21.5)
    assert browser.messages() == []


def test_a_large_video_beside_the_page_plays_whatever_its_name_is(browser, video, tmp_path):
    source = tmp_path / f"50% #1?{MARKUP}" / f"{MARKUP}.mp4"
    source.parent.mkdir()
    source.write_bytes(padded(17 * MEBIBYTE)(video.read_bytes()))
    page = tmp_path / "pages" / "page.html"
    page.parent.mkdir()
    write_page(planned(source), page)

    browser.open(page)
    wait_for_video(browser)
    seconds = click_at(browser, browser.find(".track"), 0.6)

    assert page.stat().st_size < MEBIBYTE
    assert_shows(browser, seconds, 0.1)
    assert browser.find("h1").text == source.name
    assert browser.driver.title == f"Timeline of {source.name}"
    assert browser.messages() == []
    assert {each for each in browser.addresses() if not each.startswith("data:")} == {
        page.as_uri(),
        browser.run("return video.src"),
    }


def test_where_sound_comes_first_times_begin_with_the_first_picture(browser, tmp_path):
    sound = "-f lavfi -i sine=duration=42 -itsoffset 2"
    options = "-map 1:v -map 0:a -c:v copy -c:a aac"
    converted(encode, options, before=sound)(tmp_path / "late.mp4")
    write_page(planned(tmp_path / "late.mp4"), tmp_path / "page.html")

    browser.open(tmp_path / "page.html")
    wait_for_video(browser)
    seconds = click_at(browser, browser.find(".track"), 0.6)

    assert_shows(browser, seconds, 0.1, start=2)
    assert browser.run("return video.textTracks[0].activeCues[0].startTime") == 22


def _without_a_picture(path: Path) -> None:
    # Chromium plays the sound of this one.
    sound = "-f lavfi -i sine=duration=40"
    options = "-map 1:v -map 0:a -c:v mpeg4 -c:a aac"
    coded(options, count=SECONDS * RATE, before=sound)(path)


UNPLAYABLE = {
    "old.avi": coded("-c:v mpeg4", count=SECONDS * RATE),
    "picture.gif": coded("", count=40),
    "sound.mp4": _without_a_picture,
    "hevc.mp4": coded("-c:v libx265 -x265-params log-level=0", count=40),
    "gone.mp4": edited(coded("-c:v libx264", count=40), padded(17 * MEBIBYTE)),
}
BESIDE = ("old.avi", "picture.gif", "gone.mp4")
"""They are not put into the page."""


@pytest.mark.parametrize("name", UNPLAYABLE)
def test_without_a_video_the_page_says_so_and_the_rest_works(browser, tmp_path, name):
    source = tmp_path / name
    UNPLAYABLE[name](source)
    write_page(planned(source), tmp_path / "page.html")
    if name.startswith("gone"):
        source.unlink()

    browser.open(tmp_path / "page.html")
    note = browser.find("#unplayable")
    browser.wait_for(note.is_displayed)
    seconds = click_at(browser, browser.find(".track"), 0.3)

    assert "This browser does not play the video." in note.text
    assert "the format mp4 of timelines" in note.text
    is_beside = not browser.find("video").get_dom_attribute("src").startswith("data:")
    assert (name in note.text) == is_beside == (name in BESIDE)
    assert not browser.find("video").is_displayed()
    assert_marks(browser, seconds, 0.1)
    browser.find("tbody button").send_keys(Keys.ENTER)
    assert_marks(browser, 2)
    assert "0.35 at 0:02.0" in browser.find("#value").text
    # This is Chromium's own.
    assert [each for each in browser.messages() if "ERR_FILE_NOT_FOUND" not in each] == []


# The ribbon, the table and the curve.


@pytest.mark.parametrize("share", [0.02, 0.15, 0.275, 0.9])
@pytest.mark.parametrize("selector", [".lane:nth-child(1) .track", ".ticks", "#plot"])
def test_a_click_goes_to_that_moment(opened, selector, share):
    seconds = click_at(opened, opened.find(selector), share)

    assert_shows(opened, seconds, 0.1)


def test_lanes_are_labels_and_segments_are_where_they_happen(opened):
    lanes = opened.find_all(".lane")

    assert [lane.find_element("css selector", ".name").text for lane in lanes] == list(SPANS)
    for lane, spans in zip(lanes, SPANS.values(), strict=True):
        track = lane.find_element("css selector", ".track").rect
        shown = [each.rect for each in lane.find_elements("css selector", ".segment")]
        places = [(each["x"] - track["x"], each["width"]) for each in shown]
        expected = [(start, end - start) for start, end in spans]
        scale = SECONDS / track["width"]
        assert np.array(places) * scale == pytest.approx(np.array(expected), abs=0.1)


def focused(browser):
    return browser.driver.switch_to.active_element


def test_the_keyboard_moves_in_the_ribbon_and_seeks(opened):
    opened.run("video.focus()")
    while focused(opened).tag_name == "video":
        focused(opened).send_keys(Keys.TAB)

    def press(*keys: str) -> str:
        for key in keys:
            focused(opened).send_keys(key)
        return focused(opened).get_attribute("aria-label")

    assert press() == f"{STRONG}, 0:02.0 to 0:12.0"
    assert press(Keys.ARROW_LEFT) == f"{STRONG}, 0:02.0 to 0:12.0"
    assert press(Keys.ARROW_RIGHT, Keys.ENTER) == f"{STRONG}, 0:20.0 to 0:26.0"
    assert_shows(opened, 20)
    assert press(Keys.ARROW_DOWN, Keys.SPACE) == f"{LONG}, 0:10.0 to 0:15.0"
    assert_shows(opened, 10)
    assert press(Keys.ARROW_DOWN) == f"{WEAK}, 0:30.0 to 0:33.0"
    # Of the two in the lane above the next, the nearer one.
    assert press(Keys.ARROW_UP, Keys.ARROW_UP) == f"{STRONG}, 0:02.0 to 0:12.0"
    assert press(Keys.END) == f"{STRONG}, 0:20.0 to 0:26.0"
    assert press(Keys.HOME, Keys.ENTER) == f"{STRONG}, 0:02.0 to 0:12.0"
    assert_shows(opened, 2)
    assert len(opened.find_all(".segment[tabindex='0']")) == 1


def test_the_table_seeks_by_clicks_and_keys(opened):
    rows = opened.find_all("tbody tr")
    expected = sorted((start, label) for label, spans in SPANS.items() for start, _ in spans)
    assert [row.find_element("css selector", "th").text for row in rows] == [
        label for _, label in expected
    ]

    rows[2].find_element("css selector", "td:last-child").click()
    assert_shows(opened, expected[2][0])

    opened.find("tbody button").send_keys(Keys.ARROW_DOWN)
    focused(opened).send_keys(Keys.ENTER)
    assert_shows(opened, expected[1][0])
    assert len(opened.find_all("tbody button[tabindex='0']")) == 1


@pytest.mark.parametrize("seconds", [0, 2, 9.9, 10.5, 12.1, 14.9, 15.1, 28, 32.9])
def test_the_text_track_has_what_is_going_on(opened, seconds):
    opened.run("seek(arguments[0])", seconds)
    wait_for_video(opened)
    track = "[...video.textTracks].map((each) => [each.kind, each.mode, each.cues.length])"

    assert opened.run(f"return {track}") == [["captions", "showing", 4]]
    cues = "return [...video.textTracks[0].activeCues].map((cue) => cue.getCueAsHTML().textContent)"
    opened.wait_for(lambda: set(opened.run(cues)) == actions_at(seconds))


def test_the_curve_of_any_label_is_drawn(opened, page, video):
    timeline = planned(video)
    opened.run("seek(11.5)")

    for label in (LONG, WEAK, load_labels()[399], STRONG):
        Select(opened.find("#label")).select_by_visible_text(label)
        path = opened.find("#line").get_attribute("d")

        heights, places = (
            np.array(re.findall(rf"{letter}([\d.]+)", path), float) for letter in "VH"
        )
        expected = timeline.probabilities[:, load_labels().index(label)]
        assert places == pytest.approx(np.arange(1, SECONDS + 1) * 1000 / SECONDS)
        assert 1 - heights[:-1] / 100 == pytest.approx(expected, abs=0.5 / 255 + 1e-4)
        assert opened.find("#value").text.startswith(f"{round(expected[11] * 255) / 255:.2f} at ")
        assert label in opened.find("#curve").get_attribute("aria-label")
        assert opened.find("#line").rect["width"] > 300


def test_the_list_follows_the_video(browser, video, tmp_path):
    settings = SegmentSettings(min_seconds=0, merge_seconds=0)
    timeline = make_timeline(str(video), {STRONG: [0.9, 0] * 40}, settings, seconds=0.5)
    write_page(timeline, tmp_path / "page.html")
    browser.open(tmp_path / "page.html")

    for seconds in (35.2, 3.2):
        browser.run("seek(arguments[0])", seconds)

        row = browser.find("tr[aria-current=true]").rect
        rows = browser.find("#scroller").rect
        head = browser.find("thead").rect["height"]
        assert rows["height"] < 1000
        assert rows["y"] + head - 1 <= row["y"] <= rows["y"] + rows["height"] - row["height"] + 1


def test_times_are_written_as_in_the_other_outputs(opened):
    for seconds in (0, 9.9, 59.9, 60, 75.5, 3599.9, 3600, 36061.4):
        assert opened.run("return clock(arguments[0])", seconds) == clock(seconds)


# What goes out, and what gets in.


def test_a_page_asks_for_nothing(opened, page):
    click_at(opened, opened.find(".track"), 0.5)
    wait_for_video(opened)

    addresses = opened.addresses()

    # Chromium draws its controls with pictures.
    assert {each for each in addresses if not each.startswith("data:")} == {page.as_uri()}


REACH = """
const [url, done] = arguments;
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  violations.push(event.effectiveDirective);
});
const add = (tag, properties) => {
  document.body.append(Object.assign(document.createElement(tag), properties));
};
add("img", {src: `${url}/img`});
add("script", {src: `${url}/script`});
add("link", {rel: "stylesheet", href: `${url}/link`});
add("iframe", {src: `${url}/iframe`});
add("video", {src: `${url}/video`});
add("object", {data: `${url}/object`});
add("script", {textContent: "window.hasRun = true"});
add("div", {innerHTML: "<p style='color: red' onclick='window.hasRun = true'>markup</p>"});
document.querySelector("p[onclick]").click();
fetch(`${url}/fetch`, {mode: "no-cors"}).catch(() => null);
setTimeout(() => done({hasRun: Boolean(window.hasRun), violations}), 1000);
"""
PLACES = {f"/{name}" for name in ("img", "script", "link", "iframe", "video", "object", "fetch")}


@pytest.mark.parametrize("has_policy", [True, False])
def test_the_policy_stops_what_got_into_the_page(browser, page, tmp_path, server, has_policy):
    server.responses = {place: [content(b"")] for place in PLACES}
    text = page.read_text(encoding="utf-8")
    if not has_policy:
        text = re.sub(r"<meta http-equiv[^>]*>", "", text)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")

    browser.open(tmp_path / "page.html")
    wait_for_video(browser)
    found = browser.run_until_done(REACH, server.url)

    expected = set() if has_policy else PLACES
    browser.wait_for(lambda: set(server.requests) == expected)
    assert found["hasRun"] != has_policy
    stopped = {"img-src", "script-src-elem", "style-src-elem", "style-src-attr", "frame-src"}
    stopped |= {"media-src", "object-src", "connect-src", "script-src-attr"}
    assert set(found["violations"]) == (stopped if has_policy else set())
    browser.messages()


# How it looks.

WIDTHS = (360, 800, 1400)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, by WCAG 2.2."""
    levels = np.array(re.findall(r"[\d.]+", colour)[:3], float) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="module")
def pages(video, tmp_path_factory):
    """Return pages that are hard to fit."""
    folder = tmp_path_factory.mktemp("pages")
    long_name = folder / f"{'A' * 150}.avi"
    long_name.write_bytes(b"not a video")
    labels = sorted(load_labels(), key=len)[-12:]
    busy = {
        label: [0.9 * (index % 12 == row) for index in range(60)]
        for row, label in enumerate(labels)
    }
    found = {
        "usual": planned(video),
        "empty": make_timeline(str(video), {WEAK: [0.1] * SECONDS}),
        "long": make_timeline(str(long_name), busy, seconds=120),
    }
    paths = {name: folder / f"{name}.html" for name in found}
    for name, timeline in found.items():
        write_page(timeline, paths[name])
    return paths


@pytest.mark.parametrize("name", ["usual", "empty", "long"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_and_can_be_read(browser, pages, name, scheme, width):
    browser.open(pages[name], width=width, scheme=scheme)
    browser.find("summary").click()

    assert browser.run("return innerWidth") == width
    assert browser.run(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    page = browser.find("body").value_of_css_property("background-color")
    assert (luminance(page) > 0.5) == (scheme == "light")
    for selector in ("body", ".help", "dt", "th", ".name", "select", "footer"):
        for element in browser.find_all(selector)[:1]:
            assert contrast(element.value_of_css_property("color"), page) >= 4.5, selector
    for segment in browser.find_all(".segment"):
        assert contrast(segment.value_of_css_property("background-color"), page) >= 2.9
    if folder := os.environ.get("SCREENSHOTS"):
        browser.save(Path(folder, f"{name}-{width}-{scheme}.png"))
    assert browser.messages() == []


def test_nothing_is_drawn_over_what_is_written_in_a_narrow_page(browser, page):
    browser.open(page, width=360)
    wait_for_video(browser)

    def written() -> list[np.ndarray]:
        return [browser.picture(each) for each in browser.find_all(".name, .scale span")]

    shown = written()
    drawn = '"#curve, .head"'
    browser.run(f"document.querySelectorAll({drawn}).forEach((each) => each.remove())")

    assert len(shown) == len(SPANS) + 3
    for one, other in zip(shown, written(), strict=True):
        np.testing.assert_array_equal(one, other)
