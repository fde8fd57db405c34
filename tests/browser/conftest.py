"""A real Chromium, and a real process of the dashboard that reads a cloud double."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.dashboard.cloud_double import KEY, CloudDouble
from tests.doubles.redis_server import free_port

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "var" / "screenshots"

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


SILENT_UNTIL_PRESSED = """
let pressed = false;
addEventListener("pointerdown", (event) => { pressed ||= event.isTrusted; }, true);
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  return pressed ? play.call(this) : Promise.reject(new DOMException("", "NotAllowedError"));
};
Object.defineProperty(AudioContext.prototype, "state", {
  get: () => (pressed ? "running" : "suspended"),
});
"""
"""Makes a page silent until somebody presses on it, as browsers do. Chromium's own rule does not
help in a test: it counts each script that Playwright runs as a press."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A running dashboard, and the double that it reads."""

    url: str
    cloud: CloudDouble
    process: subprocess.Popen[bytes]


def chromium() -> str | None:
    """Return the path of this machine's Chromium; None where it has none."""
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        why = "no Chromium on this machine: apt-get install chromium"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


def start_dashboard(cloud: CloudDouble, **environment: str) -> Dashboard:
    """Start Streamlit as docs/dashboard.md says, and wait until it answers."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard", f"--server.port={port}"],
        cwd=ROOT,
        env={**os.environ, "DASHBOARD_API_URL": cloud.url, "DASHBOARD_API_KEY": KEY, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/_stcore/health", timeout=10).is_success:
                return Dashboard(url, cloud, process)
        except httpx.TransportError:
            time.sleep(0.1)
    process.kill()
    process.wait()
    raise RuntimeError(f"Streamlit did not start at {url}")


@pytest.fixture(scope="session")
def _dashboard(browser: Browser) -> Iterator[Dashboard]:  # no Chromium: nothing is started
    with CloudDouble() as cloud:
        running = start_dashboard(cloud, DASHBOARD_VERDICT_SHOWN_S="120")
        yield running
        running.process.terminate()
        running.process.wait(timeout=60)


@pytest.fixture
def dashboard(_dashboard: Dashboard) -> Dashboard:
    """Return the running dashboard, with a cloud without the data of earlier tests."""
    _dashboard.cloud.close()
    _dashboard.cloud.forget()
    _dashboard.cloud.open()
    return _dashboard


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Open one profile for all tests, so that the browser fetches Streamlit's scripts once."""
    with browser.new_context(timezone_id="Europe/Madrid") as opened:
        opened.add_init_script(SILENT_UNTIL_PRESSED)
        yield opened


@pytest.fixture(autouse=True)
def _expect_within() -> None:
    """Wait longer than Playwright's five seconds: Streamlit starts slowly on a busy machine."""
    expect.set_options(timeout=45_000)


@pytest.fixture
def open_page(
    context: BrowserContext, dashboard: Dashboard, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Open the dashboard in tabs; at the end, var/screenshots gets a picture of each."""
    pages: list[Page] = []

    def open_one(path: str = "/", *, width: int = 1280, height: int = 900) -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(45_000)
        page.goto(f"{dashboard.url}{path}")
        pages.append(page)
        return page

    yield open_one
    for index, page in enumerate(pages):
        keep_picture(page, f"{request.node.name}-{index}")
        page.evaluate("localStorage.clear()")
        page.close()


@pytest.fixture
def open_door(
    browser: Browser, dashboard: Dashboard, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Open pages at doors, each in a profile of its own, paired by a one-time link."""
    profiles: list[BrowserContext] = []

    def open_one(
        path: str = "/door/main", *, paired: bool = True, width: int = 1024, height: int = 600
    ) -> Page:
        profile = browser.new_context(viewport={"width": width, "height": height})
        profile.add_init_script(SILENT_UNTIL_PRESSED)
        profiles.append(profile)
        page = profile.new_page()
        page.set_default_timeout(45_000)
        if paired:
            dashboard.cloud.link_code = "a-one-time-link"
        page.goto(f"{dashboard.url}{path}{'#a-one-time-link' if paired else ''}")
        return page

    yield open_one
    for number, profile in enumerate(profiles):
        keep_picture(profile.pages[0], f"{request.node.name}-{number}")
        profile.close()


@pytest.fixture
def lonely_page(context: BrowserContext) -> Iterator[tuple[Page, Dashboard]]:
    """Open a page on a dashboard process that the test may kill."""
    with CloudDouble() as cloud:
        cloud.grant()
        lonely = start_dashboard(cloud)
        page = context.new_page()
        page.set_default_timeout(45_000)
        page.goto(lonely.url)
        yield page, lonely
        keep_picture(page, "lost-server")
        page.close()
        lonely.process.kill()
        lonely.process.wait(timeout=60)


def keep_picture(page: Page, name: str) -> None:
    """Write a picture of the page to var/screenshots, for people."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", timeout=45_000)
