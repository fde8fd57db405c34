"""Mails that a worker sent to a mail server, as a browser shows them.

The picture that this leaves in var/screenshots is docs/pictures/mail.png.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from html import escape
from pathlib import Path
from uuid import UUID

import pytest
import uuid_utils
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from cloud.contract import Channel, Event, Gate, Label, Language, Subscriber
from cloud.settings import Settings
from cloud.store import Store, now, subscriber_id
from tests.browser.conftest import SCREENSHOTS
from tests.cloud import door
from tests.cloud.processes import environment, process
from tests.doubles.mail_server import MailServer, TakenMail
from tests.doubles.redis_server import RedisServer

GATE = "main"
ADDRESS = "guard@example.org"
REFUSED = [
    Label.WITHOUT_MASK,
    Label.INCORRECT_MASK,
    Label.WITHOUT_MASK,
    Label.WITHOUT_MASK,
]


@cache
def began() -> datetime:
    """Return the time of the first refusal. Fixed on import, it would make the mail late."""
    return now()


def _refuse(store: Store, label: Label, at: datetime) -> None:
    event = Event(
        id=UUID(int=uuid_utils.uuid7().int),
        label=label,
        confidence=0.97,
        votes=9,
        first_seen_at=at,
        occurred_at=at,
    )
    door.accept(
        store,
        event,
        gate=GATE,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=now(),
    )


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[TakenMail]]:
    """Yield a mail with one refusal, and a mail with all refusals of its cooldown."""
    folder: Path = tmp_path_factory.mktemp("mail")
    with RedisServer(folder) as server, MailServer() as mailbox:
        store = Store.open(Settings(redis_url=SecretStr(server.url)))
        store.gates.add(Gate(id=GATE, name="Main entrance", created_at=now()))
        store.gates.subscribe(
            Subscriber(
                id=subscriber_id(Channel.EMAIL, ADDRESS),
                gate=GATE,
                channel=Channel.EMAIL,
                address=ADDRESS,
                language=Language.EN,
                cooldown_s=5,
                created_at=now(),
            )
        )
        env = environment(
            server.url,
            CLOUD_SMTP_HOST="127.0.0.1",
            CLOUD_SMTP_PORT=str(mailbox.port),
            CLOUD_SMTP_SECURITY="none",
            CLOUD_SMTP_SENDER="door@example.org",
        )
        with process("worker", env=env, log=folder / "worker.log"):
            _refuse(store, Label.WITHOUT_MASK, began())
            mailbox.wait_for_mails(1)
            for n, label in enumerate(REFUSED):
                _refuse(store, label, began() - timedelta(seconds=4 * (n + 1)))
            yield mailbox.wait_for_mails(2)
        store.close()


def _page(mail: TakenMail) -> str:
    body = mail.mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def _shown(browser: Browser, html: str, width: int) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_content(html)
    return page


def _fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_a_refusal_is_told_in_full(browser: Browser, mails: list[TakenMail]) -> None:
    page = _shown(browser, _page(mails[0]), width=600)
    expect(page.get_by_text("Refused at Main entrance: no mask")).to_be_visible()
    expect(page.get_by_text(f"{began():%Y-%m-%d %H:%M:%S} UTC")).to_be_visible()
    expect(page.get_by_text("97 %, from 9 looks")).to_be_visible()
    page.close()


def test_several_are_summed_up(browser: Browser, mails: list[TakenMail]) -> None:
    page = _shown(browser, _page(mails[1]), width=600)
    expect(page.get_by_text("4 refusals at Main entrance")).to_be_visible()
    assert page.locator("tr:has(> td:nth-child(3))").count() == 4
    expect(page.get_by_text("mask worn wrongly").first).to_be_visible()
    page.close()


@pytest.mark.parametrize("width", [320, 390, 600, 1280])
def test_they_fit_phones_and_desks(browser: Browser, mails: list[TakenMail], width: int) -> None:
    for mail in mails:
        page = _shown(browser, _page(mail), width)
        assert _fits(page), f"{mail.mail['Subject']} is wider than {width} px"
        page.close()


def test_a_picture_of_both_is_kept(browser: Browser, mails: list[TakenMail]) -> None:
    frames = "".join(
        f'<iframe srcdoc="{escape(_page(mail))}" width="580" height="430" frameborder="0"></iframe>'
        for mail in mails
    )
    page = _shown(browser, f'<body style="margin:0;display:flex">{frames}</body>', width=1160)
    page.set_viewport_size({"width": 1160, "height": 430})
    for frame in page.frames[1:]:
        frame.wait_for_load_state()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    picture = page.screenshot(path=SCREENSHOTS / "mail.png")
    assert len(picture) > 10_000
    page.close()
