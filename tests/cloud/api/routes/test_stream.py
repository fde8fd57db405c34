"""The event stream, heard over a real socket."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from cloud.contract import Event, EventRecord, Gate, Role
from cloud.settings import Settings
from cloud.store import CloseReason, Feed, FeedEvent, Listener, Store, mint, now
from cloud.store.admission.feed import WAITING_AT_MOST
from tests.cloud.api.routes.test_events import code_of, post
from tests.cloud.conftest import GATE, OTHER_GATE, Login, serving
from tests.cloud.processes import environment, process, wait_until_it_answers
from tests.doubles.redis_server import RedisServer, free_port

Make = Callable[..., Event]
STREAM = "/v1/events/stream"
PATIENCE_S = 60.0


class Ear:
    """One connection to the stream, read event by event."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()

    def hear(self) -> tuple[str, str, Any]:
        """Return kind, id and data of the next event; comments are passed over."""
        kind, place, data = "", "", ""
        for line in self._lines:
            name, _, value = line.partition(": ")
            match name:
                case "event":
                    kind = value
                case "id":
                    place = value
                case "data":
                    data += value
                case "" if data:
                    return kind, place, json.loads(data)
        raise EOFError

    def hear_event(self) -> EventRecord:
        kind, place, data = self.hear()
        assert kind == "event"
        record = EventRecord.model_validate(data)
        assert record.cursor == place
        return record

    def ended(self) -> bool:
        return not list(self._lines)


@contextmanager
def listening(client: httpx.Client, after: str | None = None, **query: str) -> Iterator[Ear]:
    headers = {} if after is None else {"Last-Event-ID": after}
    with client.stream("GET", STREAM, params=query, headers=headers, timeout=PATIENCE_S) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Ear(answer)


def test_an_event_is_heard_by_all_who_listen(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    with listening(operator) as one, listening(operator) as other:
        events = [make_event() for _ in range(3)]
        for event in events:
            post(device, event)
        for ear in (one, other):
            heard = [ear.hear_event() for _ in events]
            assert [record.id for record in heard] == [event.id for event in events]
    assert heard == list(
        reversed(
            [
                EventRecord.model_validate(item)
                for item in operator.get("/v1/events").json()["items"]
            ]
        )
    )


def test_who_comes_back_misses_nothing_and_hears_nothing_twice(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    events = [make_event() for _ in range(31)]
    with listening(operator) as ear:
        post(device, events[0])
        reached = ear.hear_event().cursor

    def post_the_rest() -> None:
        for event in events[1:]:
            # As a courier does: again, until it is acknowledged.
            while not post(device, event).is_success:
                pass

    poster = threading.Thread(target=post_the_rest)
    poster.start()
    try:
        heard = []
        # Comes back while events are posted, three times.
        for _ in range(3):
            with listening(operator, after=reached) as ear:
                for _ in range(10):
                    record = ear.hear_event()
                    reached = record.cursor
                    heard.append(record.id)
    finally:
        poster.join()
    assert heard == [event.id for event in events[1:]]


def test_a_listener_of_a_gate_hears_of_it_alone(login: Login, make_event: Make) -> None:
    here, there = login(Role.DEVICE), login(Role.DEVICE, OTHER_GATE)
    with (
        listening(login(Role.KIOSK, GATE)) as bound,
        listening(login(Role.VIEWER), gate=OTHER_GATE) as asked,
    ):
        first = EventRecord.model_validate(
            {**login(Role.ADMIN).get(f"/v1/events/{_posted(there, make_event())}").json()}
        )
        second = _posted(here, make_event())
        assert asked.hear_event().id == first.id
        heard = bound.hear_event()
        assert str(heard.id) == second
    with listening(login(Role.KIOSK, GATE), after="1-0") as bound:
        assert str(bound.hear_event().id) == second
    answer = login(Role.KIOSK, GATE).get(STREAM, params={"gate": OTHER_GATE})
    assert code_of(answer) == "gate_forbidden"


def _posted(device: httpx.Client, event: Event) -> str:
    post(device, event).raise_for_status()
    return str(event.id)


@pytest.mark.parametrize("place", ["yesterday", "0-0", "1", "1-1-1"])
def test_a_place_that_is_none_is_refused_by_name(operator: httpx.Client, place: str) -> None:
    answer = operator.get(STREAM, headers={"Last-Event-ID": place})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["header", "last-event-id"]


def test_no_more_listen_than_may(settings: Settings, store: Store, login: Login) -> None:
    key = login(Role.VIEWER).headers
    few = settings.model_copy(update={"stream_listeners": 1})
    with (
        serving(few) as address,
        httpx.Client(base_url=address, headers=key, timeout=PATIENCE_S) as client,
    ):
        with listening(client):
            answer = client.get(STREAM)
            assert answer.status_code == 503
            assert code_of(answer) == "too_many_listeners"
            assert int(answer.headers["Retry-After"]) > 0
            assert "maskgate_stream_listeners 1.0" in client.get("/metrics").text
        # Its place is free again once the server has seen it go.
        deadline = time.monotonic() + PATIENCE_S
        while "maskgate_stream_listeners 0.0" not in client.get("/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with listening(client):
            pass


def test_a_listener_must_come_back_with_a_key_that_is_good(
    settings: Settings, store: Store, login: Login
) -> None:
    minted = mint("short", Role.VIEWER, None)
    store.keys.add(minted.stored)
    brief = settings.model_copy(update={"stream_lifetime_s": 0.5})
    with (
        serving(brief) as address,
        httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {minted.text}"},
            timeout=PATIENCE_S,
        ) as client,
    ):
        with listening(client) as ear:
            store.keys.revoke(minted.stored.id)
            assert ear.hear() == ("closing", "", {"reason": "renew"})
            assert ear.ended()
        assert code_of(client.get(STREAM)) == "key_revoked"
        assert 'maskgate_stream_closed_total{reason="renew"} 1.0' in client.get("/metrics").text


def test_a_stream_ends_when_its_key_expires(login: Login, store: Store) -> None:
    minted = mint("short", Role.VIEWER, None, expires_at=now() + timedelta(seconds=2))
    store.keys.add(minted.stored)
    client = login(None)
    client.headers["Authorization"] = f"Bearer {minted.text}"
    with listening(client) as ear:
        assert ear.hear() == ("closing", "", {"reason": "expired"})
        assert minted.stored.expires_at is not None
        assert now() >= minted.stored.expires_at
        assert ear.ended()
    assert code_of(client.get(STREAM)) == "key_expired"


def test_who_listens_is_sent_away_when_the_process_leaves(
    redis_server: RedisServer, store: Store, tmp_path: Path, login: Login
) -> None:
    port = free_port()
    env = environment(redis_server.url, CLOUD_PORT=str(port))
    with process("api", env=env, log=tmp_path / "api.log") as api:
        address = f"http://127.0.0.1:{port}"
        wait_until_it_answers(address)
        key = login(Role.VIEWER).headers
        with (
            httpx.Client(base_url=address, headers=key, timeout=PATIENCE_S) as client,
            listening(client) as ear,
        ):
            api.running.send_signal(signal.SIGTERM)
            assert ear.hear() == ("closing", "", {"reason": "shutting_down"})
            assert ear.ended()
        api.running.wait(timeout=PATIENCE_S)
        assert "timeout graceful shutdown exceeded" not in api.log


def test_with_the_store_away_who_listens_waits_and_misses_nothing(
    tmp_path: Path, make_event: Make
) -> None:
    with RedisServer(tmp_path) as server:
        settings = Settings(redis_url=SecretStr(server.url))
        store = Store.open(settings)
        store.gates.add(Gate(id=GATE, name="Main", created_at=now()))
        device = mint("camera", Role.DEVICE, GATE, "camera")
        viewer = mint("viewer", Role.VIEWER, None)
        for minted in (device, viewer):
            store.keys.add(minted.stored)
        with (
            serving(settings) as address,
            httpx.Client(base_url=address, timeout=PATIENCE_S) as client,
        ):
            poster = {"Authorization": f"Bearer {device.text}"}
            client.headers["Authorization"] = f"Bearer {viewer.text}"
            with listening(client) as ear:
                server.stop()
                assert code_of(client.get(STREAM)) == "store_unavailable"
                server.start()
                event = make_event()
                body = event.model_dump(mode="json")
                client.post("/v1/events", json=body, headers=poster).raise_for_status()
                assert ear.hear_event().id == event.id
        store.close()


async def test_a_listener_that_is_too_slow_is_sent_away_and_the_others_are_not() -> None:
    slow, quick = Listener(None), Listener(None)
    for number in range(WAITING_AT_MOST + 1):
        heard = FeedEvent(f"{number + 1}-0", GATE, "{}")
        assert quick.offer(heard)
        assert await quick.next() == heard
        assert slow.offer(heard) is (number < WAITING_AT_MOST)
    assert await asyncio.wait_for(slow.next(), PATIENCE_S) is CloseReason.TOO_SLOW
    assert slow.closed is CloseReason.TOO_SLOW
    assert quick.closed is None


async def test_a_feed_that_leaves_takes_no_more_listeners(settings: Settings) -> None:
    feed = Feed(settings.redis_url.get_secret_value(), 5)
    early = await feed.join(None)
    await feed.aclose()
    assert await early.next() is CloseReason.SHUTTING_DOWN
    assert feed.listeners == 0
