"""The page at a door in each of its states, in a real browser."""

import re
import time
from collections.abc import Callable
from datetime import timedelta

import cv2
import httpx
import numpy as np
import pytest
import zxingcpp
from playwright.sync_api import Page, expect

from cloud.contract import GateChange, Label, PassStatus
from tests.browser.conftest import Dashboard, keep_picture
from tests.dashboard.cloud_double import KEY
from tests.dashboard.cloud_server import Behaviour

pytestmark = pytest.mark.browser

OpenDoor = Callable[..., Page]

TOKEN = "7Kq2mXw9PfR4t"
GONE_WITHIN_S = 3.0


def expect_view(page: Page, view: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-view", view)


def codes_in(page: Page) -> list[str]:
    picture = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return [code.text for code in zxingcpp.read_barcodes(picture)]


def seconds_until_no_code(page: Page) -> float:
    """Return the time until the page has no code, by the page's own clock."""
    return float(
        page.evaluate(
            """() => new Promise((done) => {
                const begun = performance.now();
                const image = document.getElementById("code");
                const look = () => {
                    if (image.hidden && !image.getAttribute("src"))
                        done((performance.now() - begun) / 1000);
                    else setTimeout(look, 20);
                };
                look();
            })"""
        )
    )


def test_a_pass_from_its_code_to_the_welcome(dashboard: Dashboard, open_door: OpenDoor) -> None:
    page = open_door()
    expect_view(page, "waiting")
    event = dashboard.cloud.grant(token=TOKEN)
    expect_view(page, "granted")
    assert codes_in(page) == [TOKEN]
    keep_picture(page, "door-granted")
    dashboard.cloud.end_pass(event, PassStatus.REDEEMED)
    expect_view(page, "welcome")
    assert codes_in(page) == []


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (1024, 600), (1080, 1920)])
def test_the_code_is_read_and_nothing_scrolls(
    dashboard: Dashboard, open_door: OpenDoor, width: int, height: int
) -> None:
    dashboard.cloud.gates[0] = dashboard.cloud.gates[0].model_copy(update={"name": "Tür-" * 15})
    dashboard.cloud.grant(token=TOKEN)
    page = open_door(width=width, height=height)
    expect_view(page, "granted")
    assert codes_in(page) == [TOKEN]
    assert page.evaluate(
        "[document.documentElement.scrollWidth <= innerWidth, "
        "document.documentElement.scrollHeight <= innerHeight, "
        "[...document.querySelectorAll('h1, #message, #code')].every((each) => "
        "each.getBoundingClientRect().bottom <= innerHeight "
        "&& each.getBoundingClientRect().right <= innerWidth)]"
    ) == [True, True, True]


@pytest.mark.parametrize(
    ("label", "words", "picture"),
    [
        (Label.WITHOUT_MASK, "Put a mask on.", "A face that puts a mask on"),
        (Label.INCORRECT_MASK, "Cover your nose.", "A mask that is pulled up over the nose"),
    ],
)
def test_a_refusal_says_and_draws_what_to_do(
    dashboard: Dashboard, open_door: OpenDoor, label: Label, words: str, picture: str
) -> None:
    page = open_door()
    expect_view(page, "waiting")
    dashboard.cloud.refuse(label=label)
    expect(page.get_by_role("status")).to_contain_text(words)
    expect(page.get_by_role("img", name=picture)).to_be_visible()


def test_a_closed_gate_says_why(dashboard: Dashboard, open_door: OpenDoor) -> None:
    page = open_door()
    dashboard.cloud.close_gate(GateChange(closed=True, reason="Fire drill <b>"))
    expect_view(page, "closed")
    expect(page.locator("#message")).to_have_text("Fire drill <b>")
    expect(page.locator("#note")).to_have_text("Closed for 1 min.")
    dashboard.cloud.camera = "faulty"
    dashboard.cloud.close_gate(GateChange(closed=False))
    expect_view(page, "no_camera")
    expect(page.get_by_role("status")).to_contain_text("The camera is off. Please ask the staff.")
    page.get_by_role("button", name="Español").click()
    expect(page.get_by_role("status")).to_contain_text("La cámara no funciona.")


def test_the_chats_code_is_shown_while_nobody_is_there(
    dashboard: Dashboard, open_door: OpenDoor
) -> None:
    dashboard.cloud.visitor_url = "https://t.me/gate_bot?start=gate_7Kq2mXw9"
    page = open_door()
    expect_view(page, "waiting")
    expect(page.locator("#caption")).to_be_visible()
    assert codes_in(page) == ["https://t.me/gate_bot?start=gate_7Kq2mXw9"]


def test_a_pass_expires_by_the_servers_clock(dashboard: Dashboard, open_door: OpenDoor) -> None:
    page = open_door()
    page.clock.set_fixed_time("2020-01-01T00:00:00Z")
    dashboard.cloud.grant(lifetime=timedelta(seconds=2))
    expect_view(page, "granted")
    expect_view(page, "expired")
    assert codes_in(page) == []


@pytest.mark.parametrize("fault", ["hung", "gone", "store_away"])
def test_the_code_leaves_within_seconds_of_a_fault_and_comes_back(
    dashboard: Dashboard, open_door: OpenDoor, fault: str
) -> None:
    dashboard.cloud.grant(token=TOKEN)
    page = open_door()
    expect_view(page, "granted")
    if fault == "gone":
        dashboard.cloud.close()
    else:
        dashboard.cloud.behaviour = Behaviour.SILENT if fault == "hung" else Behaviour.STORE_AWAY
    assert seconds_until_no_code(page) < GONE_WITHIN_S + 0.5
    expect_view(page, "lost")
    expect(page.locator("#message")).to_contain_text("ask the staff")
    if fault == "gone":
        dashboard.cloud.open()
    dashboard.cloud.behaviour = Behaviour.WELL
    expect_view(page, "granted")
    assert codes_in(page) == [TOKEN]


def test_a_page_without_its_network_hides_the_code(
    dashboard: Dashboard, open_door: OpenDoor
) -> None:
    dashboard.cloud.grant(token=TOKEN)
    page = open_door()
    expect_view(page, "granted")
    page.context.set_offline(True)
    page.evaluate("window.stop()")  # an open stream outlives Chromium's own switch
    assert seconds_until_no_code(page) < GONE_WITHIN_S + 0.5
    page.context.set_offline(False)
    expect_view(page, "granted")


def test_a_tab_that_slept_shows_no_old_code(dashboard: Dashboard, open_door: OpenDoor) -> None:
    event = dashboard.cloud.grant(token=TOKEN)
    page = open_door()
    expect_view(page, "granted")
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    dashboard.cloud.end_pass(event, PassStatus.REDEEMED)
    time.sleep(0.5)  # the page is frozen: it has nothing that a test could wait for
    session.send("Page.setWebLifecycleState", {"state": "active"})
    expect_view(page, "welcome")
    assert codes_in(page) == []


def test_a_page_whose_script_was_lost_loads_again(
    dashboard: Dashboard, open_door: OpenDoor
) -> None:
    page = open_door()
    expect_view(page, "waiting")
    lost = re.compile("door.js")
    page.route(lost, lambda route: route.abort())
    page.goto(f"{dashboard.url}/door/main?again")
    expect_view(page, "starting")
    page.unroute(lost)
    expect_view(page, "waiting")


def test_an_unpaired_screen_shows_a_code_until_it_is_confirmed_and_again_when_revoked(
    dashboard: Dashboard, open_door: OpenDoor
) -> None:
    dashboard.cloud.grant(token=TOKEN)
    page = open_door(paired=False)
    expect_view(page, "unpaired")
    expect(page.locator("#title")).to_have_text("K7PM-2XQD")
    for width, height in [(390, 844), (1280, 800), (1024, 600)]:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(
            "document.getElementById('title').getBoundingClientRect().right <= innerWidth"
            " && parseFloat(getComputedStyle(document.documentElement).getPropertyValue('--scale'))"
            " > 0.7"
        )
    assert codes_in(page) == []
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (
        True,
        "Strict",
        "/door/main",
    )
    (key,) = dashboard.cloud.screen_keys
    assert cookie["value"] == key
    assert key not in page.url + page.content()
    dashboard.cloud.screens.append(key.split("_")[1])
    expect_view(page, "granted")
    dashboard.cloud.screens.clear()
    expect_view(page, "unpaired")
    assert codes_in(page) == []


def test_a_link_that_was_used_pairs_nothing(dashboard: Dashboard, open_door: OpenDoor) -> None:
    first = open_door()
    expect_view(first, "waiting")
    assert first.url == f"{dashboard.url}/door/main"
    second = open_door(paired=False)
    second.goto(f"{dashboard.url}/door/main#a-one-time-link")
    second.reload()
    expect_view(second, "unpaired")


def test_a_gate_that_does_not_exist_sends_visitors_to_the_staff(open_door: OpenDoor) -> None:
    page = open_door("/door/cellar", paired=False)
    expect_view(page, "lost")
    expect(page.get_by_role("status")).to_contain_text("ask the staff")


def test_languages_by_address_and_by_the_buttons(dashboard: Dashboard, open_door: OpenDoor) -> None:
    page = open_door("/door/main?lang=es")
    expect(page.locator("#title")).to_have_text("Hola")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#title")).to_have_text("Hello")
    page.goto(f"{dashboard.url}/door/main")
    expect(page.locator("#title")).to_have_text("Hello")


def test_sound_waits_for_a_press_and_plays_once_for_each_verdict(
    dashboard: Dashboard, open_door: OpenDoor
) -> None:
    page = open_door()
    button, root = page.get_by_test_id("sound"), page.locator("html")
    expect(button).to_have_text("Sound is off")
    dashboard.cloud.refuse()
    expect_view(page, "refused")
    expect(root).not_to_have_attribute("data-sounds", re.compile("."))
    button.click()
    expect(button).to_have_text("Sound is on")
    dashboard.cloud.refuse()
    expect(root).to_have_attribute("data-sounds", "1")
    dashboard.cloud.grant()
    expect(root).to_have_attribute("data-sounds", "2")
    page.reload()
    expect(button).to_have_text("Press for sound")
    expect_view(page, "granted")
    expect(root).not_to_have_attribute("data-sounds", re.compile("."))


def test_screens_share_one_stream_of_the_cloud(dashboard: Dashboard, open_door: OpenDoor) -> None:
    pages = []
    for _ in range(3):
        pages.append(open_door())
        expect_view(pages[-1], "waiting")
    dashboard.cloud.refuse()
    for page in pages:
        expect_view(page, "refused")
    # A stream of the test before may have ended meanwhile.
    assert dashboard.cloud.asked.count("/v1/gates/main/screen/stream") <= 2


def test_the_page_is_strict_about_where_it_loads_from(dashboard: Dashboard) -> None:
    answer = httpx.get(f"{dashboard.url}/door/main?lang=<script>")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert '<script>"' not in answer.text
    assert KEY not in answer.text
    foreign = httpx.post(
        f"{dashboard.url}/door/main/pair", json={}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status_code == 400
    assert httpx.get(f"{dashboard.url}/door/UPPER").status_code == 404
