"""The page, run by Streamlit's own test harness against a cloud double over HTTP."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.dashboard.cloud_double import CloudDouble

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


def open_page(**query: str) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=20)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def html_of(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def test_nothing_seen_is_waiting(cloud: CloudDouble) -> None:
    page = open_page()
    assert not page.exception
    assert 'data-state="waiting"' in html_of(page)
