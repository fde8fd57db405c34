import httpx
import pytest

from cloud.contract import AuditPage, Role
from cloud.store import Store, now
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login


def trail(client: httpx.Client, **query: str) -> AuditPage:
    answer = client.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    return AuditPage.model_validate_json(answer.content)


def test_an_act_is_written_down_with_who_did_what_and_under_which_request(login: Login) -> None:
    operator = login(Role.OPERATOR)
    answer = operator.post("/v1/gates", json={"id": "side", "name": "Side door"})
    assert answer.status_code == 201
    (entry,) = trail(login(Role.ADMIN)).items
    assert (entry.act, entry.subject, entry.gate) == ("gate.created", "gate:side", "side")
    key_id = operator.headers["Authorization"].split("_")[1]
    assert entry.actor == f"key:{key_id}"
    assert entry.request_id == answer.headers["X-Request-Id"]


def test_what_did_not_happen_is_not_written_down(login: Login) -> None:
    assert login(Role.OPERATOR).post("/v1/gates", json={"id": GATE, "name": "x"}).is_error
    assert trail(login(Role.ADMIN)).items == []


def test_the_trail_is_read_newest_first_in_pages_and_by_what_was_done(
    login: Login, store: Store
) -> None:
    for number in range(5):
        store.audit.record(
            actor=f"key:{number % 2}",
            act="gate.closed" if number == 3 else "gate.opened",
            subject=f"gate:{number}",
            now=now(),
            gate=GATE if number else OTHER_GATE,
            reason="\u202edrill 🔔",
        )
    admin = login(Role.ADMIN)
    first = trail(admin, limit="3")
    assert [entry.subject for entry in first.items] == ["gate:4", "gate:3", "gate:2"]
    assert first.next is not None
    rest = trail(admin, limit="3", before=first.next)
    assert [entry.subject for entry in rest.items] == ["gate:1", "gate:0"]
    assert rest.next is None
    assert [entry.subject for entry in trail(admin, act="gate.closed").items] == ["gate:3"]
    assert len(trail(admin, actor="key:0").items) == 3
    assert [entry.subject for entry in trail(admin, gate=OTHER_GATE).items] == ["gate:0"]
    assert first.items[0].reason == "\u202edrill 🔔"


def test_an_admin_of_one_gate_sees_that_gate_alone(login: Login, store: Store) -> None:
    for gate in (GATE, OTHER_GATE, None):
        store.audit.record(
            actor="command", act="gate.opened", subject="gate:x", now=now(), gate=gate
        )
    admin = login(Role.ADMIN, GATE)
    assert [entry.gate for entry in trail(admin).items] == [GATE]
    assert code_of(admin.get("/v1/audit", params={"gate": OTHER_GATE})) == "gate_forbidden"


@pytest.mark.parametrize("query", [{"act": "anything"}, {"before": "x"}, {"limit": "0"}])
def test_a_query_that_breaks_the_contract_is_refused(login: Login, query: dict[str, str]) -> None:
    assert login(Role.ADMIN).get("/v1/audit", params=query).status_code == 422
