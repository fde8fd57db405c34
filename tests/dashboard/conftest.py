"""A double of the cloud, and the variables by which the dashboard finds it."""

import time
from collections.abc import Iterator

import pytest
import streamlit as st

from dashboard.client import Client
from dashboard.settings import load_settings
from tests.dashboard.cloud_double import KEY, CloudDouble


@pytest.fixture
def in_utc() -> Iterator[None]:
    """Set the zone of this process: a page without a browser shows its times in that zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, in_utc: None) -> Iterator[CloudDouble]:
    with CloudDouble() as double:
        monkeypatch.setenv("DASHBOARD_API_URL", double.url)
        monkeypatch.setenv("DASHBOARD_API_KEY", KEY)
        yield double
        st.cache_resource.clear()


@pytest.fixture
def client(cloud: CloudDouble) -> Iterator[Client]:
    with Client(load_settings()) as opened:
        yield opened
