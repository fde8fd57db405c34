"""The page Gate in each of its states, as a person in front of it sees it."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cloud.contract import Channel, DeliveryStatus, Label, PassStatus
from tests.browser.conftest import Dashboard

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]


def state_of(page: Page, state: str) -> None:
    expect(page.get_by_test_id("banner")).to_have_attribute("data-state", state)


def code_in(page: Page) -> str:
    """What a phone would read from the screen."""
    picture = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(picture)
    return text


def test_waiting(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page()
    state_of(page, "waiting")
    expect(page.get_by_test_id("events-none")).to_contain_text("No events yet at Main entrance")


def test_refused(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.cloud.grant()
    dashboard.cloud.refuse(label=Label.INCORRECT_MASK)
    page = open_page()
    state_of(page, "refused")


def test_granted(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.cloud.refuse()
    event = dashboard.cloud.grant(token="7Kq2mXw9PfR4t")
    dashboard.cloud.deliver(event, status=DeliveryStatus.UNDELIVERED_BY_CHOICE)
    dashboard.cloud.deliver(event)
    dashboard.cloud.deliver(
        event,
        status=DeliveryStatus.FAILED,
        channel=Channel.EMAIL,
        address="guard@clinic.example",
        detail="The mail server refused the address",
    )
    page = open_page()
    state_of(page, "granted")
    expect(page.get_by_test_id("qr")).to_be_visible()
    expect(page.get_by_test_id("deliveries")).to_be_visible()
    assert code_in(page) == "7Kq2mXw9PfR4t"
    dashboard.cloud.settle_pass(event, PassStatus.REDEEMED)
    state_of(page, "admitted")
    expect(page.get_by_test_id("qr")).to_have_count(0)
