"""The app in Chromium, with the real model: from a video that is dropped to files."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Keys

from i3d_rgb_tf.choices import TIMELINE_FORMATS
from i3d_rgb_tf.timeline.output.writers import WRITERS
from media import coded
from processes import obey_signals, without_coverage

LABEL = "feeding birds"
MEBIBYTE = 1 << 20
MOST_MEBIBYTES = 20
INFERENCE_SECONDS = 120
GRADIOS_OWN = ("Method not implemented.", "/upload_progress?", " Response")
"""What its scripts write to the console: of each page, and of a file that is too large."""


class App:
    """The command, and the folder for temporary files that it is given."""

    def __init__(self, root: Path, temporary: Path, *options: str) -> None:
        self.temporary = temporary
        # What users of gradio may have set for other apps.
        others = {"GRADIO_SHARE": "True", "GRADIO_ALLOWED_PATHS": "/", "GRADIO_MCP_SERVER": "True"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "i3d_rgb_tf", "ui", "-d", root, *options],
            env=without_coverage() | others | {"TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **obey_signals(),
        )
        self.url = self.process.stdout.readline().strip()

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Return the exit status, and what was printed beside the address."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=20)
        return self.process.returncode, output, errors


@pytest.fixture(scope="module")
def app(model_root, tmp_path_factory) -> Iterator[App]:
    temporary = tmp_path_factory.mktemp("temporary")
    app = App(model_root, temporary, f"--max-megabytes={MOST_MEBIBYTES}", "--max-minutes=1")
    try:
        yield app
    finally:
        ended = app.end(signal.SIGTERM)
    assert ended == (143, "", "i3d-rgb-tf: terminated\n")
    assert list(temporary.iterdir()) == []


def wait_for_page(browser) -> None:
    for selector in ("#upload input[type=file]", "#result"):
        browser.wait_for(partial(browser.find_all, selector), seconds=30)


@pytest.fixture
def opened(browser, app):
    """Give the page of the app; it may ask for nothing but what the app serves."""
    browser.open(app.url)
    wait_for_page(browser)
    yield browser
    browser.driver.switch_to.default_content()
    asked = {each for each in browser.addresses() if not each.startswith(("data:", "blob:"))}
    assert {urlsplit(each).netloc for each in asked} == {urlsplit(app.url).netloc}
    said = browser.messages()
    assert [each for each in said if not any(own in each for own in GRADIOS_OWN)] == []


@pytest.fixture(scope="module")
def video(wheel, tmp_path_factory) -> Path:
    return Path(shutil.copy(wheel / "bigbuckbunny.mp4", tmp_path_factory.mktemp("video")))


def drop(browser, video: Path) -> None:
    browser.find("#upload input[type=file]").send_keys(str(video))


def alerts(browser) -> list[str]:
    """Return what is said about a video."""
    texts = "Array.from(document.querySelectorAll('[role=alert]'), each => each.textContent)"
    return browser.run(f"return {texts}")


def settings_of_page(browser) -> str:
    """Return how the segments of the page in the frame were found; empty if there is none."""
    text = "document.querySelector('#result iframe')?.contentDocument?.querySelector('dl')"
    return browser.run(f"return {text}?.textContent ?? ''")


def enter_frame(browser) -> None:
    browser.driver.switch_to.default_content()
    (frame,) = browser.wait_for(
        lambda: browser.find_all("#result iframe"), seconds=INFERENCE_SECONDS
    )
    browser.driver.switch_to.frame(frame)
    browser.wait_for(lambda: browser.run("return document.readyState") == "complete")


@pytest.fixture
def shown(opened, video):
    """Give the page with the timeline of the video."""
    drop(opened, video)
    enter_frame(opened)
    return opened


def save_picture(browser, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        browser.save(Path(folder) / f"{name}.png")


def test_a_video_is_shown_with_its_ribbon_its_table_and_its_player(shown):
    shown.wait_for(lambda: shown.run("return video.readyState >= 2"))
    save_picture(shown, "ui")

    assert [each.text for each in shown.find_all("tbody th")] == [LABEL]
    assert [each.text for each in shown.find_all(".lane .name")] == [LABEL]
    assert LABEL in shown.find(".segment").get_attribute("aria-label")
    shown.find(".segment").click()
    assert shown.find("h1").text == "bigbuckbunny.mp4"


def test_the_files_are_those_of_the_command_line(shown, app, model_root, video, tmp_path):
    behavior = {"behavior": "allow", "downloadPath": str(tmp_path)}
    shown.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)
    shown.driver.switch_to.default_content()
    names = {name: f"{video.stem}{WRITERS[name].suffix}" for name in TIMELINE_FORMATS}

    for name in TIMELINE_FORMATS:
        shown.find(f"a[data-format='{name}']").click()
        shown.wait_for((tmp_path / names[name]).exists, seconds=60)

    out = tmp_path / "out"
    texts = [name for name in TIMELINE_FORMATS if WRITERS[name].render]
    command = [sys.executable, "-m", "i3d_rgb_tf", "timeline", video.name, "-d", model_root]
    command += ["-o", out, "--output-format", "all"]
    subprocess.run(command, cwd=video.parent, check=True, capture_output=True)
    # A server does not tell where its models are.
    folder = f"{(model_root / 'public' / 'i3d-rgb-tf').as_posix()}/"
    for name in texts:
        expected = (out / names[name]).read_text().replace(folder, "")
        assert (tmp_path / names[name]).read_text() == expected
    for name in set(TIMELINE_FORMATS) - set(texts):
        sizes = [(folder / names[name]).stat().st_size for folder in (tmp_path, out)]
        assert sizes[0] == pytest.approx(sizes[1], rel=0.01)


def test_labels_and_thresholds_change_what_is_shown_without_another_upload(shown):
    shown.driver.switch_to.default_content()
    shown.find("#settings button").click()
    before = shown.find("#result iframe").get_attribute("src")

    (labels, *_) = shown.wait_for(lambda: shown.find_all("#labels input"))
    labels.send_keys("smoking\n")
    shown.wait_for(lambda: shown.find("#result iframe").get_attribute("src") != before)
    enter_frame(shown)

    save_picture(shown, "ui-labels")
    assert shown.find_all("tbody th") == []
    assert "smoking" in shown.find("dl").get_attribute("textContent")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("0.1", "leave is 0.25, expected more than 0 and at most enter, 0.1"),
        ("50", "enter is 50, expected more than 0 and at most 1"),
        ("0", "enter is 0, expected more than 0 and at most 1"),
    ],
)
def test_thresholds_that_are_wrong_are_reported_and_can_be_mended(shown, typed, message):
    shown.driver.switch_to.default_content()
    shown.find("#settings button").click()
    (enter,) = shown.wait_for(lambda: shown.find_all("#enter input[type=number]"))

    # Key by key: what is shown before the last one may be wrong in another way.
    enter.send_keys(Keys.CONTROL, "a", Keys.NULL, typed)
    shown.wait_for(lambda: alerts(shown) == [message], seconds=30)
    enter.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    shown.wait_for(lambda: "0.5" in settings_of_page(shown), seconds=30)
    enter.send_keys("0.3", Keys.TAB)
    shown.wait_for(lambda: "0.3" in settings_of_page(shown), seconds=30)


def broken(path: Path) -> None:
    path.write_bytes(b"not a video at all")


REFUSED = {
    "text.mp4": (broken, "cannot read text.mp4: it is text, expected a video file"),
    "long.mp4": (
        coded("-c:v mpeg4 -pix_fmt yuv420p", rate="5", count=5 * 72),
        "long.mp4 is too long, expected at most 1 min of up to 300 frames per second; ",
    ),
    "<b>x.mp4": (broken, "it is text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_reported_in_one_line(opened, tmp_path, name):
    make, message = REFUSED[name]
    make(tmp_path / name)

    drop(opened, tmp_path / name)
    (said,) = opened.wait_for(lambda: alerts(opened), seconds=30)
    save_picture(opened, f"ui-{Path(name).stem.strip('<>')}")

    assert said.startswith(message) or message in said
    assert "\n" not in said
    assert str(tmp_path) not in said
    assert "Traceback" not in opened.driver.page_source


def test_a_large_file_is_refused_and_another_can_follow(opened, app, video, tmp_path):
    path = tmp_path / "large.mp4"
    path.write_bytes(bytes(MOST_MEBIBYTES * MEBIBYTE + 1))

    drop(opened, path)
    opened.wait_for(lambda: "exceed the maximum allowed size of 20" in opened.find("body").text)
    save_picture(opened, "ui-large")
    drop(opened, video)
    enter_frame(opened)

    assert list(app.temporary.rglob("*large*")) == []
    assert [each.text for each in opened.find_all("tbody th")] == [LABEL]


def test_a_video_that_is_not_in_the_page_plays_and_seeks(opened, video, tmp_path):
    source = tmp_path / "50% of #1.mp4"
    # Players skip a box of this kind.
    size = 17 * MEBIBYTE
    padding = struct.pack(">I4s", size, b"free").ljust(size, b"\0")
    source.write_bytes(video.read_bytes() + padding)

    drop(opened, source)
    enter_frame(opened)
    opened.wait_for(lambda: opened.run("return video.readyState >= 2"))
    opened.run("seek(3)")
    opened.wait_for(lambda: opened.run("return video.readyState >= 2 && !video.seeking"))

    assert opened.run("return video.currentTime") == pytest.approx(3)
    assert not opened.run("return video.src").startswith("data:")


@pytest.fixture
def long_video(tmp_path) -> Path:
    """Return a video that takes many seconds to be inferred."""
    path = tmp_path / "minute.mp4"
    coded("-c:v mpeg4 -pix_fmt yuv420p", rate="5", count=5 * 58)(path)
    return path


def test_users_wait_for_each_other_and_see_it(opened, app, video, long_video):
    first = opened.driver.current_window_handle
    opened.driver.switch_to.new_window("tab")
    second = opened.driver.current_window_handle
    opened.driver.get(app.url)
    wait_for_page(opened)
    opened.driver.switch_to.window(first)
    drop(opened, long_video)
    opened.wait_for(lambda: "processing" in opened.find("#result").text)
    save_picture(opened, "ui-processing")
    opened.driver.switch_to.window(second)
    drop(opened, video)
    opened.wait_for(lambda: "queue: 1/1" in opened.find("#result").text)
    save_picture(opened, "ui-queue")

    enter_frame(opened)
    assert [each.text for each in opened.find_all("tbody th")] == [LABEL]
    opened.driver.close()
    opened.driver.switch_to.window(first)
    enter_frame(opened)
    assert opened.find("h1").text == long_video.name


def test_a_video_that_is_cleared_while_it_is_inferred_is_not_shown(opened, video, long_video):
    drop(opened, long_video)
    opened.wait_for(lambda: "processing" in opened.find("#result").text)
    opened.find("#upload button[aria-label=Clear]").click()
    opened.wait_for(lambda: opened.find_all("#upload input[type=file]"))
    drop(opened, video)

    enter_frame(opened)

    assert opened.find("h1").text == video.name


def test_an_upload_is_not_kept_beside_the_video_that_plays(opened, app, video, tmp_path):
    source = Path(shutil.copy(video, tmp_path / "kept.mp4"))

    drop(opened, source)
    enter_frame(opened)

    assert list(app.temporary.rglob("results/*/kept.mp4"))
    opened.wait_for(lambda: not list(app.temporary.rglob("uploads/*/kept.mp4")), seconds=90)
    assert list(app.temporary.rglob("results/*/kept.mp4"))


def test_a_request_for_a_web_socket_is_answered_as_any_other(app):
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    with closing(HTTPConnection(urlsplit(app.url).netloc, timeout=10)) as connection:
        connection.request("GET", "/", headers=headers)
        assert connection.getresponse().status == 200


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_it_while_it_infers_and_leaves_no_files(
    browser, model_root, long_video, tmp_path, name, status
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    app = App(model_root, temporary)
    try:
        browser.open(app.url)
        wait_for_page(browser)
        drop(browser, long_video)
        browser.wait_for(lambda: "processing" in browser.find("#result").text)
    finally:
        ended, output, errors = app.end(signal.Signals[name])

    assert (ended, output) == (status, "")
    assert len(errors.splitlines()) == 1
    assert list(temporary.iterdir()) == []
