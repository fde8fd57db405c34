from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from cloud import announcements
from cloud.contract import (
    Channel,
    Delivery,
    DeliveryPage,
    DeliveryStatus,
    Event,
    Label,
    Role,
    Subscriber,
    Topic,
)
from cloud.store import Store, keyspace, now
from cloud.store.streams import SCANNED_AT_MOST
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.builders import accept
from tests.cloud.conftest import GATE, OTHER_GATE, Login, posted


def page(client: httpx.Client, **query: str | int) -> DeliveryPage:
    answer = client.get("/v1/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    return DeliveryPage.model_validate_json(answer.content)


def test_what_is_to_be_told_is_listed_before_and_after_it_was(
    login: Login,
    operator: httpx.Client,
    device: httpx.Client,
    store: Store,
    make_event: Callable[..., Event],
) -> None:
    for channel, address in (("telegram", "42"), ("email", "guard@example.org")):
        body = {"channel": channel, "address": address}
        operator.post(f"/v1/gates/{GATE}/subscribers", json=body)
    refused, granted = make_event(Label.WITHOUT_MASK), make_event()
    device.post("/v1/events", json=posted(refused))
    token = device.post("/v1/events", json=posted(granted)).json()["pass"]["token"]

    everything = page(operator)
    assert [item.event_id for item in everything.items] == [granted.id, refused.id, refused.id]
    assert {item.status for item in everything.items} == {DeliveryStatus.PENDING}
    assert [item.with_qr for item in everything.items] == [True, False, False]
    assert token not in everything.model_dump_json()
    assert page(login(Role.VIEWER), limit=2).next is not None

    store.deliveries.settle(everything.items[0].id, DeliveryStatus.SENT, now())
    assert [item.id for item in page(operator, status="sent").items] == [everything.items[0].id]
    assert len(page(operator, status="pending", gate=GATE).items) == 2
    assert page(operator, gate=OTHER_GATE).items == []
    assert page(login(Role.OPERATOR, OTHER_GATE)).items == []


@pytest.mark.parametrize("query", [{"status": "lost"}, {"before": "0"}, {"limit": 0}])
def test_a_query_that_breaks_the_contract_is_refused(
    operator: httpx.Client, query: dict[str, str]
) -> None:
    assert code_of(operator.get("/v1/deliveries", params=query)) == "malformed_request"


def test_what_has_failed_is_shown_and_sent_again(
    login: Login,
    operator: httpx.Client,
    device: httpx.Client,
    store: Store,
    make_event: Callable[..., Event],
) -> None:
    body = {"channel": "telegram", "address": "42"}
    operator.post(f"/v1/gates/{GATE}/subscribers", json=body)
    device.post("/v1/events", json=posted(make_event(Label.WITHOUT_MASK)))
    (pending,) = page(operator).items
    again = f"/v1/deliveries/{pending.id}/resend"
    assert code_of(operator.post(again)) == "delivery_not_failed"
    store.deliveries.settle(pending.id, DeliveryStatus.FAILED, now(), "the chat has blocked us")
    (failed,) = page(operator, status="failed").items
    assert failed.detail == "the chat has blocked us"
    jobs = store.waiting_jobs()

    assert code_of(login(Role.OPERATOR, OTHER_GATE).post(again)) == "gate_forbidden"
    answer = operator.post(again)
    assert answer.status_code == 200
    assert answer.json()["status"] == "pending"
    assert answer.json()["settled_at"] is None
    assert store.waiting_jobs() == jobs + 1
    assert code_of(operator.post(again)) == "delivery_not_failed"
    assert code_of(operator.post("/v1/deliveries/none/resend")) == "delivery_unknown"
    entries = login(Role.ADMIN).get("/v1/audit").json()["items"]
    assert entries[0]["act"] == "delivery.resent"


def test_all_deliveries_of_an_event_are_found_however_many_came_after(
    login: Login,
    operator: httpx.Client,
    store: Store,
    make_event: Callable[..., Event],
) -> None:
    for number in range(3):
        body = {"channel": "telegram", "address": str(40 + number)}
        operator.post(f"/v1/gates/{GATE}/subscribers", json=body)
    asked = make_event(Label.WITHOUT_MASK)
    accept(store, asked)
    with store.client.pipeline() as pipe:
        for _ in range(3 * SCANNED_AT_MOST):
            pipe.xadd(keyspace.deliveries(), {"id": "gone"})
            pipe.xadd(keyspace.deliveries(GATE), {"id": "gone"})
        pipe.execute()
    accept(store, make_event(Label.WITHOUT_MASK))
    hook = Subscriber(
        id="hook",
        gate=GATE,
        channel=Channel.WEBHOOK,
        address="https://hooks.example.org/",
        topics=[Topic.REDEMPTION],
        created_at=now(),
    )
    gate = store.gates.get(GATE)
    assert gate is not None
    (later,) = announcements.of_redemption(
        gate, [hook], pass_id=uuid4(), event_id=asked.id, redeemed_at=now()
    )
    assert store.deliveries.add(later, now())
    assert not store.deliveries.add(later, now())

    whole = page(operator, event=str(asked.id))
    assert {item.event_id for item in whole.items} == {asked.id}
    assert len(whole.items) == 4
    assert whole.items[0].id == later.id
    assert whole.next is None
    by_page: list[Delivery] = []
    before: dict[str, str] = {}
    while True:
        part = page(operator, event=str(asked.id), limit=3, **before)
        by_page += part.items
        if part.next is None:
            break
        before = {"before": part.next}
    assert by_page == whole.items
    assert [each.id for each in page(operator, event=str(asked.id), channel="webhook").items] == [
        later.id
    ]
    assert len(page(operator, event=str(asked.id), status="pending", channel="telegram").items) == 3
    assert page(operator, event=str(asked.id), status="sent").items == []
    assert page(operator, event=str(uuid4())).items == []
    assert len(page(login(Role.VIEWER, GATE), event=str(asked.id)).items) == 4
    assert page(login(Role.VIEWER, OTHER_GATE), event=str(asked.id)).items == []
    stranger = login(Role.VIEWER, OTHER_GATE)
    answer = stranger.get("/v1/deliveries", params={"event": str(asked.id), "gate": GATE})
    assert code_of(answer) == "gate_forbidden"


def test_deliveries_are_filtered_by_channel_subscriber_and_time(
    operator: httpx.Client, store: Store, make_event: Callable[..., Event]
) -> None:
    made = {}
    for channel, address in (("telegram", "42"), ("email", "guard@example.org")):
        body = {"channel": channel, "address": address}
        answer = operator.post(f"/v1/gates/{GATE}/subscribers", json=body)
        made[channel] = answer.json()["id"]
    accept(store, make_event(Label.WITHOUT_MASK))
    (mail,) = page(operator, channel="email").items
    assert mail.channel is Channel.EMAIL
    (chat,) = page(operator, subscriber=made["telegram"]).items
    assert chat.subscriber_id == made["telegram"]
    assert page(operator, channel="email", subscriber=made["telegram"]).items == []
    later = (now() + timedelta(minutes=1)).isoformat()
    earlier = (now() - timedelta(minutes=1)).isoformat()
    event = str(mail.event_id)
    assert page(operator, since=later).items == []
    assert page(operator, until=earlier).items == []
    assert len(page(operator, since=earlier, until=later).items) == 2
    assert len(page(operator, since=earlier, until=later, event=event).items) == 2
    assert page(operator, since=later, event=event).items == []
    assert page(operator, until=earlier, event=event).items == []
