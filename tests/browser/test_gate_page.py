"""The page Gate in each of its states, in a real browser."""

import time
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from cloud.contract import CameraState, Channel, DeliveryStatus, Label, PassStatus
from tests.browser.conftest import Dashboard, keep_picture, start_dashboard
from tests.dashboard.cloud_double import KEY

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]

TOKEN = "7Kq2mXw9PfR4t"


def expect_state(page: Page, state: str) -> None:
    expect(page.get_by_test_id("banner")).to_have_attribute("data-state", state)


def code_in(page: Page) -> str:
    """Return the text of the QR code on the screen."""
    picture = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(picture)
    return text


def expect_code(page: Page, token: str) -> None:
    """Wait until the screen shows the code: a picture may come a moment after its element."""
    deadline = time.monotonic() + 45
    while code_in(page) != token:
        assert time.monotonic() < deadline, "no phone could read the code"
        page.wait_for_timeout(200)


def let_it_refresh(page: Page, times: int = 3) -> None:
    """Wait until the page has been refreshed so many times."""
    for _ in range(times):
        before = page.get_by_test_id("live").inner_text()
        expect(page.get_by_test_id("live")).not_to_have_text(before)


def test_waiting_where_nobody_was_seen(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page()
    expect_state(page, "waiting")
    expect(page.get_by_test_id("events-none")).to_contain_text("No events yet at Main entrance")
    expect(page.get_by_test_id("deliveries-none")).to_be_visible()
    expect(page.get_by_test_id("devices")).to_contain_text("Door Pi: camera live")
    expect(page.get_by_test_id("live")).to_contain_text("Live")


def test_a_refusal_shows_by_itself_with_its_message(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = open_page()
    expect_state(page, "waiting")
    event = dashboard.cloud.refuse(label=Label.INCORRECT_MASK)
    dashboard.cloud.deliver(event, text="Main entrance: refused, mask worn wrongly.")
    expect_state(page, "refused")
    assert event.refusal is not None
    expect(page.get_by_test_id("banner-message")).to_have_text(event.refusal.message)
    expect(page.get_by_test_id("event")).to_contain_text("Mask worn wrongly")
    expect(page.get_by_test_id("delivery")).to_contain_text("refused, mask worn wrongly")


def test_a_pass_is_shown_as_a_code_that_a_phone_reads_until_it_is_used(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    dashboard.cloud.refuse(ago=timedelta(minutes=3))
    event = dashboard.cloud.grant(token=TOKEN)
    page = open_page()
    expect_state(page, "granted")
    expect(page.get_by_test_id("qr")).to_be_visible()
    expect(page.get_by_test_id("event")).to_have_count(2)
    expect_code(page, TOKEN)
    keep_picture(page, "granted")
    dashboard.cloud.end_pass(event, PassStatus.REDEEMED)
    expect_state(page, "admitted")
    expect(page.get_by_test_id("qr")).to_have_count(0)
    assert code_in(page) == ""


def test_an_expired_pass_is_said_to_be_so_and_loses_its_code(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    lifetime = timedelta(minutes=5)
    dashboard.cloud.grant(lifetime=lifetime)
    page = open_page()
    expect_state(page, "granted")
    dashboard.cloud.ahead = lifetime
    expect_state(page, "over")
    expect(page.get_by_test_id("banner")).to_contain_text("Pass expired")
    expect(page.get_by_test_id("qr")).to_have_count(0)


def test_a_gate_is_closed_and_opened_from_its_page(
    context: BrowserContext, dashboard: Dashboard, open_page: OpenPage
) -> None:
    dashboard.cloud.grant(token=TOKEN)
    door = open_page("/?gate=main")
    expect_state(door, "granted")
    controlled = start_dashboard(dashboard.cloud, DASHBOARD_GATE_CONTROL="true")
    try:
        page = context.new_page()
        page.goto(f"{controlled.url}/?gate=main")
        page.get_by_role("textbox", name="Reason").fill("fire drill")
        page.get_by_role("button", name="Close this gate").click()
        expect_state(page, "closed")
        expect(page.get_by_test_id("banner")).to_contain_text("speak to the staff")
        assert dashboard.cloud.reasons == ["fire drill"]
        keep_picture(page, "closed")
        expect_state(door, "closed")
        expect(door.get_by_test_id("qr")).to_have_count(0)
        page.get_by_role("button", name="Open this gate").click()
        expect_state(page, "granted")
        expect_state(door, "granted")
        page.close()
    finally:
        controlled.process.kill()
        controlled.process.wait()


def test_on_a_phone(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.cloud.refuse(ago=timedelta(minutes=3))
    event = dashboard.cloud.grant(token=TOKEN)
    dashboard.cloud.deliver(
        event,
        status=DeliveryStatus.UNDELIVERED_BY_CHOICE,
        channel=Channel.EMAIL,
        address="a.rather.long.address.of.somebody.responsible@clinic.example",
        text="Main entrance: pass granted. " + "Word " * 30,
        detail="no way to send is set up",
    )
    page = open_page(width=390, height=844)
    expect(page.get_by_test_id("qr")).to_be_visible()
    expect(page.get_by_test_id("deliveries")).to_be_visible()
    expect_code(page, TOKEN)
    wide = page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => e.checkVisibility() &&"
        " e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    keep_picture(page, "phone")
    page.get_by_test_id("deliveries").scroll_into_view_if_needed()


def test_messages_not_sent_by_choice_and_failed_ones_are_said_plainly(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    event = dashboard.cloud.grant()
    for status in (DeliveryStatus.SENT, DeliveryStatus.UNDELIVERED_BY_CHOICE):
        dashboard.cloud.deliver(event, status=status)
    dashboard.cloud.deliver(
        event,
        status=DeliveryStatus.FAILED,
        channel=Channel.EMAIL,
        address="guard@clinic.example",
        detail="The mail server refused the address",
    )
    page = open_page(height=1500)
    expect(page.get_by_test_id("deliveries-choice")).to_contain_text("CLOUD_TELEGRAM_TOKEN")
    expect(page.get_by_test_id("deliveries-bad")).to_contain_text("1 message was not sent")
    failed = page.locator('[data-testid="delivery"][data-status="failed"]')
    expect(failed).to_contain_text("guard@clinic.example")
    expect(failed).to_contain_text("The mail server refused the address")


def test_the_api_away_and_back(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.cloud.grant()
    page = open_page()
    expect_state(page, "granted")
    dashboard.cloud.close()
    expect(page.get_by_test_id("banner")).to_have_count(0)
    expect(page.get_by_test_id("trouble")).to_contain_text("The cloud does not answer")
    expect(page.get_by_test_id("trouble")).to_contain_text(dashboard.cloud.url)
    expect(page.get_by_test_id("events-unknown")).to_contain_text("The events are not known")
    expect(page.get_by_test_id("deliveries-unknown")).to_contain_text("The messages are not known")
    for absent in ("events", "events-none", "events-shown", "deliveries-shown"):
        expect(page.get_by_test_id(absent)).to_have_count(0)
    expect(page.get_by_test_id("live")).to_contain_text("Trying again")
    keep_picture(page, "away")
    dashboard.cloud.open()
    expect_state(page, "granted")
    expect(page.get_by_test_id("trouble")).to_have_count(0)


def test_a_page_opened_while_the_api_is_away_follows_when_it_returns(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    dashboard.cloud.close()
    page = open_page()
    expect(page.get_by_test_id("trouble")).to_contain_text("python -m cloud api")
    dashboard.cloud.open()
    expect_state(page, "waiting")


def test_a_revoked_key(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.cloud.key = "another"
    page = open_page()
    expect(page.get_by_test_id("trouble")).to_contain_text("key was refused")
    expect(page.get_by_test_id("trouble")).to_contain_text("DASHBOARD_API_KEY")


def test_a_gate_that_does_not_exist(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page("/?gate=cellar")
    expect(page.get_by_test_id("trouble")).to_contain_text("the gate 'cellar'")
    expect(page.get_by_test_id("banner")).to_have_count(0)
    page.get_by_role("combobox", name="Gate").click()
    page.get_by_role("option", name="Main entrance").click()
    expect_state(page, "waiting")
    expect(page.get_by_test_id("trouble")).to_have_count(0)
    assert page.url.endswith("?gate=main")


def test_each_gate_has_an_address_of_its_own(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.cloud.add_gate("ward-2", "Ward 2")
    dashboard.cloud.refuse(gate="ward-2")
    main, ward = open_page("/?gate=main"), open_page("/?gate=ward-2")
    expect_state(main, "waiting")
    expect_state(ward, "refused")


def test_a_camera_that_is_lost_is_said_to_be(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.cloud.enrol(camera=CameraState.RECONNECTING)
    page = open_page()
    expect(page.get_by_test_id("devices")).to_contain_text("gets no picture from its camera")


def test_it_beeps_once_for_each_refusal_and_only_after_a_press(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = open_page()
    bell, button = page.get_by_test_id("status-bar"), page.get_by_test_id("sound")
    expect(bell).to_have_attribute("data-sound", "blocked")
    expect(button).to_have_text("Turn sound on")
    button.click()
    expect(bell).to_have_attribute("data-sound", "on")
    expect(bell).to_have_attribute("data-beeps", "0")
    dashboard.cloud.refuse()
    expect(bell).to_have_attribute("data-beeps", "1")
    let_it_refresh(page)
    expect(bell).to_have_attribute("data-beeps", "1")
    dashboard.cloud.refuse()
    expect(bell).to_have_attribute("data-beeps", "2")
    button.click()
    expect(bell).to_have_attribute("data-sound", "off")
    event = dashboard.cloud.refuse()
    expect(page.locator(f'[data-event="{event.id}"]')).to_be_visible()
    let_it_refresh(page)
    expect(bell).to_have_attribute("data-beeps", "2")


def test_times_are_the_viewers_with_utc_beside_them(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    event = dashboard.cloud.refuse()
    page = open_page()
    row = page.get_by_test_id("event")
    expect(row).to_contain_text(f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC")
    in_madrid = event.occurred_at.astimezone(ZoneInfo("Europe/Madrid"))
    shown = row.locator("time")
    expect(shown).to_have_attribute("title", f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC")
    expect(page.get_by_test_id("events-shown")).to_contain_text("Europe/Madrid")
    expect(shown).to_contain_text(f"{in_madrid:%H:%M:%S}")


def test_filters_narrow_the_table(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.cloud.refuse()
    dashboard.cloud.grant()
    page = open_page()
    expect(page.get_by_test_id("event")).to_have_count(2)
    page.get_by_role("combobox", name="Answer").click()
    page.get_by_role("option", name="refused").click()
    expect(page.get_by_test_id("event")).to_have_count(1)
    expect(page.get_by_test_id("event")).to_contain_text("Refused")


def test_the_page_holds_no_secret_and_no_markup_of_others(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    event = dashboard.cloud.grant(token=TOKEN)
    dashboard.cloud.deliver(event, text="<img src=x onerror=\"document.title='owned'\"> hello")
    page = open_page()
    expect(page.get_by_test_id("delivery")).to_contain_text("<img src=x")
    content = page.content()
    assert KEY not in content
    assert TOKEN not in content
    assert page.title() != "owned"


def test_nothing_is_loaded_from_elsewhere(
    dashboard: Dashboard, context: BrowserContext, open_page: OpenPage
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    dashboard.cloud.grant()
    page = open_page()
    expect(page.get_by_test_id("qr")).to_be_visible()
    expect(page.get_by_test_id("live")).to_contain_text("Live")
    assert asked
    assert {url for url in asked if not url.startswith((dashboard.url, "data:", "blob:"))} == set()


def test_another_sites_name_for_this_server_gets_no_page(dashboard: Dashboard) -> None:
    port = urlsplit(dashboard.url).port
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",  # RFC 6455 section 1.2
    }

    def status(host: str) -> int:
        headers = {**upgrade, "Host": f"{host}:{port}", "Origin": f"http://{host}:{port}"}
        with httpx.stream(
            "GET", f"{dashboard.url}/_stcore/stream", headers=headers, timeout=30
        ) as answer:
            return answer.status_code

    assert status("127.0.0.1") == 101
    assert status("evil.example") == 403


def test_a_lost_server_takes_the_colour_off_the_banner(
    lonely_page: tuple[Page, Dashboard],
) -> None:
    page, lonely = lonely_page
    expect_state(page, "granted")
    expect(page.get_by_test_id("live")).to_contain_text("Live")
    lonely.process.kill()
    expect(page.get_by_test_id("live")).to_contain_text("Not live", timeout=60_000)
    expect(page.get_by_test_id("qr")).to_be_hidden()
    expect(page.get_by_role("heading", name="Granted")).to_be_hidden()
