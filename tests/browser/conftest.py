"""Chromium, without a network, as Debian's packages install it: make test-zoo."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

PROGRAMS = ("chromium", "chromedriver")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    # Containers have 64 MB of shared memory.
    "--disable-dev-shm-usage",
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_Found = TypeVar("_Found")


class Browser:
    """A page in Chromium: what it shows, what it asked for, and what it complained about."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, page: Path | str, *, width: int = 1200, scheme: str = "light") -> None:
        """Open a file or an address in a window of a width, in light or dark."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.messages()
        self.addresses()
        self.driver.get(page if isinstance(page, str) else page.as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def run_until_done(self, script: str, *arguments: object) -> Any:
        """Run a script whose last argument is what it calls at its end."""
        return self.driver.execute_async_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait_for(self, look: Callable[[], _Found], *, seconds: float = 10) -> _Found:
        """Return what `look` returns as soon as that is true."""
        end = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < end, f"waited {seconds} s in vain"
            time.sleep(0.02)
        return found

    def picture(self, element: WebElement) -> np.ndarray:
        """Return the pixels of an element as it is shown, (height, width, 3) uint8, RGB."""
        with Image.open(io.BytesIO(element.screenshot_as_png)) as picture:
            return np.array(picture.convert("RGB"))

    def save(self, path: Path) -> None:
        """Save a picture of the whole page."""
        whole = {"captureBeyondViewport": True}
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def messages(self) -> list[str]:
        """Return what has been written to the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def addresses(self) -> list[str]:
        """Return what has been requested since the last call, but for the page of a new tab."""
        entries = [json.loads(each["message"]) for each in self.driver.get_log("performance")]
        requests = [
            entry["message"]["params"]
            for entry in entries
            if entry["message"]["method"] == "Network.requestWillBeSent"
        ]
        return [
            each["request"]["url"]
            for each in requests
            if not each["documentURL"].startswith("chrome:")
        ]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give a browser with a new profile."""
    paths = [shutil.which(program) for program in PROGRAMS]
    if None in paths:
        pytest.fail("needs a browser; install it: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    home = tmp_path_factory.mktemp("home")
    for option in (*OPTIONS, f"--user-data-dir={home / 'profile'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # All that it leaves is there.
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_RUNTIME_DIR"), str(home))
    service = Service(paths[1], env=os.environ | places)
    driver = webdriver.Chrome(options, service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
