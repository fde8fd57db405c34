from collections.abc import Callable

import httpx
import pytest

from cloud.contract import DeliveryPage, DeliveryStatus, Event, Label, Role
from cloud.store import Store, now
from tests.cloud.api.test_events import code_of
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
