"""The dashboard in front of a real API process that holds a long history."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
import streamlit as st
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from cloud.contract import Channel, Decision, Event, EventRecord, Gate, Label, NewSubscriber, Role
from cloud.contract.devices import EnrolmentRequest
from cloud.settings import Settings
from cloud.store import Store, mint, now
from dashboard.client import Client
from dashboard.history import EventFilter, read_history, read_messages
from dashboard.settings import load_settings
from tests.cloud.processes import environment, process, wait_until_it_answers
from tests.dashboard.test_app import choose, html_of, open_page
from tests.doubles.redis_server import RedisServer, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

OLD, NEWER = 50, 1_150


@dataclass(frozen=True, slots=True)
class History:
    """An API with 50 refused and then 1,150 granted events, and the time of the first grant."""

    url: str
    key: str
    masks_since: datetime


def _post(device: httpx.Client, label: Label) -> Decision:
    at = now()
    event = Event(
        id=uuid7(), label=label, confidence=0.97, votes=9, first_seen_at=at, occurred_at=at
    )
    answer = device.post(
        "/v1/events",
        content=event.model_dump_json(),
        headers={"Content-Type": "application/json"},
    )
    return Decision.model_validate_json(answer.raise_for_status().content)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    folder: Path = tmp_path_factory.mktemp("history")
    with RedisServer(folder) as server:
        store = Store.open(Settings(redis_url=SecretStr(server.url)))
        store.gates.add(Gate(id="main", name="Main entrance", created_at=now()))
        code = store.devices.new_code("main", timedelta(minutes=5), now())
        camera = store.devices.enrol(EnrolmentRequest(code=code.code, name="camera"), now())
        operator = mint("an operator", Role.OPERATOR, None)
        store.keys.add(operator.stored)
        store.close()
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        env = environment(server.url, CLOUD_PORT=str(port))
        with process("api", env=env, log=folder / "api.log"):
            wait_until_it_answers(url, "/readyz")
            hook = NewSubscriber(
                channel=Channel.WEBHOOK, address="https://hooks.example.org/maskgate"
            )
            httpx.post(
                f"{url}/v1/gates/main/subscribers",
                json=hook.model_dump(mode="json"),
                headers={"Authorization": f"Bearer {operator.text}"},
                timeout=60,
            ).raise_for_status()
            headers = {"Authorization": f"Bearer {camera.device_key}"}
            with httpx.Client(base_url=url, headers=headers, timeout=60) as device:
                for _ in range(OLD):
                    last = _post(device, Label.WITHOUT_MASK)
                while (first := _post(device, Label.WITH_MASK)).decided_at == last.decided_at:
                    pass  # they are told apart by their time, in ms
                for _ in range(NEWER):
                    _post(device, Label.WITH_MASK)
            yield History(url, operator.text, first.decided_at)


@pytest.fixture
def client(history: History, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("DASHBOARD_API_URL", history.url)
    monkeypatch.setenv("DASHBOARD_API_KEY", history.key)
    monkeypatch.setenv("DASHBOARD_API_TIMEOUT_S", "30")
    with Client(load_settings()) as opened:
        yield opened
    st.cache_resource.clear()


def test_what_was_accepted_before_a_moment_is_found_past_all_newer_events(
    history: History, client: Client
) -> None:
    wanted = EventFilter(gate="main", until=history.masks_since)
    found = read_history(client, wanted, OLD)
    assert len(found.items) == OLD
    assert (found.more, found.unfinished) == (False, False)
    labels = {row.label for row in found.items if isinstance(row, EventRecord)}
    assert labels == {Label.WITHOUT_MASK}


def test_since_leaves_the_older_ones_out(history: History, client: Client) -> None:
    found = read_history(client, EventFilter(since=history.masks_since), 2_000)
    assert len(found.items) in (NEWER + 1, NEWER + 2)
    assert not found.unfinished


def test_a_verdict_is_found_past_all_newer_events(history: History, client: Client) -> None:
    assert len(read_history(client, EventFilter(label=Label.WITHOUT_MASK), OLD).items) == OLD


def test_every_message_can_be_reached(history: History, client: Client) -> None:
    found = read_messages(client, "main", None, 2_000)
    assert len(found.items) >= OLD + NEWER
    assert not found.unfinished


def test_the_page_shows_old_refusals_and_the_messages_of_a_webhook(
    history: History, client: Client
) -> None:
    page = open_page(gate="main")
    assert "Webhook" in html_of(page)
    choose(page, "Verdict", Label.WITHOUT_MASK)
    said = html_of(page)
    assert said.count('data-testid="event"') == OLD
    assert f"{OLD} events." in said
