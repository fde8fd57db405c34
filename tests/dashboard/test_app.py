"""The page, run by Streamlit's own test harness against a cloud double over HTTP."""

import importlib.util
import sys
from datetime import timedelta
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cloud.contract import Channel, DeliveryStatus, GateChange, Label, PassStatus
from dashboard.history import PAGES, PAGES_IN_ALL
from tests.dashboard.cloud_double import KEY, CloudDouble
from tests.dashboard.cloud_server import Behaviour

FOLDER = Path(__file__).parents[2] / "dashboard"


def open_page(**query: str) -> AppTest:
    page = AppTest.from_file(str(FOLDER / "app.py"), default_timeout=30)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def html_of(page: AppTest) -> str:
    """Return the HTML of the page, without its style sheet."""
    bodies = [element.proto.body for element in page.get("html")]
    return "\n".join(body for body in bodies if not body.startswith("<style>"))


def choose(page: AppTest, label: str, value: object) -> None:
    (box,) = [box for box in page.selectbox if box.label == label]
    box.select(value).run()
    assert not page.exception


def test_nothing_seen_is_waiting(cloud: CloudDouble) -> None:
    said = html_of(open_page())
    assert 'data-state="waiting"' in said
    assert "Nobody has been seen here yet" in said
    assert "No events yet at Main entrance" in said


def test_each_refresh_follows_the_gate(cloud: CloudDouble) -> None:
    page = open_page()
    event = cloud.grant()
    assert 'data-state="granted"' in html_of(page.run())
    assert 'data-testid="qr"' in html_of(page)
    cloud.end_pass(event, PassStatus.REDEEMED)
    assert 'data-state="admitted"' in html_of(page.run())
    assert 'data-testid="qr"' not in html_of(page)
    cloud.refuse(label=Label.INCORRECT_MASK)
    assert 'data-state="refused"' in html_of(page.run())
    assert "cover your nose" in html_of(page)


def test_a_code_is_fetched_once_for_a_pass(cloud: CloudDouble) -> None:
    cloud.grant()
    page = open_page()
    page.run()
    page.run()
    assert sum(path.endswith("qr.png") for path in cloud.asked) == 1


def test_a_key_that_may_not_see_codes_leaves_the_verdict_standing(cloud: CloudDouble) -> None:
    cloud.grant()
    cloud.behaviour = Behaviour.NO_QR
    said = html_of(open_page())
    assert 'data-state="granted"' in said
    assert "A viewer may not see codes" in said
    assert "--role operator" in said


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour.STORE_AWAY, "CLOUD_REDIS_URL"),
        (Behaviour.ANOTHER_SITE, "DASHBOARD_API_URL"),
    ],
)
def test_trouble_is_said_and_no_table_is_drawn(
    cloud: CloudDouble, behaviour: Behaviour, words: str
) -> None:
    cloud.refuse()
    cloud.behaviour = behaviour
    said = html_of(open_page())
    assert 'data-testid="trouble"' in said
    assert words in said
    for absent in ('data-testid="events"', "No events", 'data-testid="banner"'):
        assert absent not in said


def test_trouble_in_the_middle_takes_the_banner_away(cloud: CloudDouble) -> None:
    cloud.grant()
    page = open_page()
    cloud.close()
    said = html_of(page.run())
    assert "The cloud does not answer" in said
    assert 'data-testid="qr"' not in said
    cloud.open()
    assert 'data-state="granted"' in html_of(page.run())


def test_a_wrong_key_is_said_without_the_key(cloud: CloudDouble) -> None:
    cloud.key = "another"
    said = html_of(open_page())
    assert "key was refused" in said
    assert KEY not in said


def test_a_missing_setting_is_said_by_its_name(
    cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASHBOARD_API_KEY")
    said = html_of(open_page())
    assert "DASHBOARD_API_KEY: it is not set" in said


def test_no_gate_at_all(cloud: CloudDouble) -> None:
    cloud.gates = []
    assert "python -m cloud gates create" in html_of(open_page())


def test_a_gate_that_does_not_exist(cloud: CloudDouble) -> None:
    page = open_page(gate="<b>cellar</b>")
    said = html_of(page)
    assert "&lt;b&gt;cellar&lt;/b&gt;" in said
    assert 'data-testid="banner"' not in said
    choose(page, "Gate", "main")
    assert 'data-state="waiting"' in html_of(page)
    assert page.query_params["gate"] == "main"


def test_several_gates_and_none_named_asks(cloud: CloudDouble) -> None:
    cloud.add_gate("ward-2", "Ward 2")
    cloud.refuse(gate="ward-2")
    page = open_page()
    assert 'data-testid="banner"' not in html_of(page)
    choose(page, "Gate", "ward-2")
    assert 'data-state="refused"' in html_of(page)


def test_the_table_is_filtered(cloud: CloudDouble) -> None:
    cloud.add_gate("ward-2", "Ward 2")
    old = cloud.refuse(ago=timedelta(hours=30))
    wrong = cloud.refuse(label=Label.INCORRECT_MASK, ago=timedelta(hours=2))
    granted = cloud.grant(ago=timedelta(minutes=2))
    there = cloud.refuse(gate="ward-2")
    page = open_page(gate="main")

    def shown() -> list[str]:
        return [
            str(event.id)
            for event in (there, granted, wrong, old)
            if f'data-event="{event.id}"' in html_of(page)
        ]

    assert shown() == [str(granted.id), str(wrong.id), str(old.id)]
    choose(page, "Accepted in", "the last 24 hours")
    assert shown() == [str(granted.id), str(wrong.id)]
    choose(page, "Verdict", Label.INCORRECT_MASK)
    assert shown() == [str(wrong.id)]
    choose(page, "Accepted in", "the last hour")
    assert shown() == []
    assert "No event matches these filters" in html_of(page)
    choose(page, "Verdict", None)
    choose(page, "At", "every gate")
    assert shown() == [str(there.id), str(granted.id)]
    choose(page, "Accepted in", "a period of my own")
    since = cloud.now() - timedelta(hours=40)
    page.datetime_input[0].set_value(since.replace(tzinfo=None))
    page.datetime_input[1].set_value((since + timedelta(hours=20)).replace(tzinfo=None)).run()
    assert shown() == [str(old.id)]


def test_a_long_search_says_how_far_it_is_and_goes_on_when_told(cloud: CloudDouble) -> None:
    rare = cloud.refuse(label=Label.INCORRECT_MASK)
    for _ in range(PAGES_IN_ALL + 2 * PAGES):
        cloud.refuse()
    cloud.looks_at_most = 1
    page = open_page()
    choose(page, "Verdict", Label.INCORRECT_MASK)
    assert f"no events found, page {PAGES} of at most {PAGES_IN_ALL}" in html_of(page)
    assert "No event matches" not in html_of(page)
    for _ in range(PAGES_IN_ALL // PAGES - 1):
        page.run()
    assert f"stopped before the oldest entries: no events found in {PAGES_IN_ALL} pages" in (
        html_of(page)
    )
    page.button(key="search_on_events").click().run()
    page.run()
    assert f'data-event="{rare.id}"' in html_of(page)
    assert 'data-testid="events-searched"' not in html_of(page)


def test_a_closed_gate_says_so_and_shows_no_code_until_it_is_open(cloud: CloudDouble) -> None:
    cloud.grant()
    page = open_page(gate="main")
    assert 'data-state="granted"' in html_of(page)
    cloud.close_gate(GateChange(closed=True))
    said = html_of(page.run())
    assert 'data-state="closed"' in said
    assert "Please speak to the staff" in said
    assert "Last verdict: granted" in said
    assert 'data-testid="qr"' not in said
    cloud.close_gate(GateChange(closed=False))
    assert 'data-testid="qr"' in html_of(page.run())


def controls(page: AppTest) -> list[str]:
    return [button.label for button in page.button if button.key == "control"]


def test_nobody_closes_a_gate_from_a_page_that_was_not_allowed_to(cloud: CloudDouble) -> None:
    assert controls(open_page()) == []


def test_a_gate_is_closed_with_a_reason_and_opened(
    cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARD_GATE_CONTROL", "true")
    page = open_page()
    page.text_input[0].set_value("fire drill")
    page.button(key="control").click().run()
    assert cloud.gates[0].closed
    assert cloud.reasons == ["fire drill"]
    assert 'data-state="closed"' in html_of(page.run())
    assert controls(page) == ["Open this gate"]
    page.button(key="control").click().run()
    assert not cloud.gates[0].closed
    assert 'data-state="waiting"' in html_of(page.run())


def test_what_the_key_may_not_do_is_said_beside_the_button(
    cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARD_GATE_CONTROL", "true")
    page = open_page()
    cloud.behaviour = Behaviour.KIOSK
    page.button(key="control").click().run()
    assert 'data-testid="control-failed"' in html_of(page)
    assert not cloud.gates[0].closed


def test_the_former_address_of_a_doors_screen_names_the_new_one(cloud: CloudDouble) -> None:
    cloud.grant()
    said = html_of(open_page(gate="main", screen="door"))
    assert "door/main" in said
    assert 'data-testid="qr"' not in said


def test_more_rows_on_demand(cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_ROWS", "5")
    for _ in range(8):
        cloud.refuse()
    page = open_page()
    assert html_of(page).count('data-testid="event"') == 5
    (more,) = [button for button in page.button if button.label == "Show more events"]
    more.click().run()
    page.run()
    assert html_of(page).count('data-testid="event"') == 8


def test_messages_say_what_became_of_them(cloud: CloudDouble) -> None:
    event = cloud.grant()
    cloud.deliver(event)
    cloud.deliver(event, status=DeliveryStatus.UNDELIVERED_BY_CHOICE, text="Your <pass>")
    cloud.deliver(event, status=DeliveryStatus.FAILED, channel=Channel.EMAIL, address="a@b.example")
    page = open_page()
    said = html_of(page)
    for words in ("Not sent, by choice", "Failed", "Sent", "Your &lt;pass&gt;", "a@b.example"):
        assert words in said
    assert "with the QR code" in said
    choose(page, "State", DeliveryStatus.FAILED)
    assert html_of(page).count('data-testid="delivery"') == 1


def test_a_kiosks_key_sees_its_banner_and_is_told_what_is_not_for_it(cloud: CloudDouble) -> None:
    cloud.grant()
    cloud.behaviour = Behaviour.KIOSK
    said = html_of(open_page())
    assert 'data-testid="qr"' in said
    assert "This key may not see messages" in said
    assert 'data-testid="trouble"' not in said


def test_no_file_carries_a_librarys_name() -> None:
    """Streamlit puts this folder first on the path, so its files hide modules of the same name."""
    taken = {*sys.stdlib_module_names, *packages_distributions()} - {"dashboard"}
    ours = {path.stem for path in FOLDER.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not {name for name in ours if name in taken}
    assert importlib.util.find_spec("dashboard.client") is not None
