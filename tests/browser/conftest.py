"""A real Chromium, and the dashboard as a real process in front of a cloud double."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.dashboard.cloud_double import KEY, CloudDouble

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


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A running dashboard, and the double that it reads."""

    url: str
    cloud: CloudDouble
    process: subprocess.Popen[bytes]


def chromium() -> str | None:
    """The path of this machine's Chromium, if it has one."""
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
        [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", f"--server.port={port}"],
        cwd=ROOT,
        env={**os.environ, "DASHBOARD_API_URL": cloud.url, "DASHBOARD_API_KEY": KEY, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/_stcore/health", timeout=2).is_success:
                return Dashboard(url, cloud, process)
        except httpx.TransportError:
            time.sleep(0.1)
    process.kill()
    process.wait()
    raise RuntimeError(f"Streamlit did not start at {url}")


@pytest.fixture(scope="session")
def _dashboard() -> Iterator[Dashboard]:
    with CloudDouble() as cloud:
        running = start_dashboard(cloud, DASHBOARD_VERDICT_SHOWN_S="20")
        yield running
        running.process.terminate()
        running.process.wait(timeout=20)


@pytest.fixture
def dashboard(_dashboard: Dashboard, browser: Browser) -> Dashboard:
    """The running dashboard, its cloud as good as new."""
    _dashboard.cloud.forget()
    return _dashboard


@pytest.fixture
def open_page(
    browser: Browser, dashboard: Dashboard, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Opens the dashboard in a fresh profile; a picture of each page is kept in var/screenshots."""
    pages: list[Page] = []

    def open_one(path: str = "/", *, width: int = 1280, height: int = 900) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, timezone_id="Europe/Madrid"
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{dashboard.url}{path}")
        pages.append(page)
        return page

    yield open_one
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for index, page in enumerate(pages):
        page.screenshot(
            path=SCREENSHOTS / f"{request.node.name}-{index}.png", full_page=False, timeout=20_000
        )
        page.context.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
