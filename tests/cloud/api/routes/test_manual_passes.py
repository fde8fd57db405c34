from datetime import timedelta

import httpx
import pytest

from cloud.contract import ManualPass, PassRecord, PassStatus, Role
from cloud.store import Store, now
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.api.routes.test_passes import redeem
from tests.cloud.conftest import GATE, OTHER_GATE, Login

REASON = "cannot wear a mask 🩺"


def make(client: httpx.Client, gate: str = GATE, **body: object) -> ManualPass:
    answer = client.post(f"/v1/gates/{gate}/passes", json={"reason": REASON, **body})
    assert answer.status_code == 201, answer.text
    return ManualPass.model_validate_json(answer.content)


def test_a_pass_by_hand_admits_once_and_at_its_gate(login: Login, operator: httpx.Client) -> None:
    made = make(operator)
    assert made.gate == GATE
    assert redeem(login(Role.SCANNER, OTHER_GATE), made.token).outcome == "wrong_gate"
    scanner = login(Role.SCANNER, GATE)
    assert redeem(scanner, made.token).outcome == "admitted"
    assert redeem(scanner, made.token, "nonce-0002").outcome == "already_redeemed"
    record = PassRecord.model_validate_json(operator.get(f"/v1/passes/{made.id}").content)
    assert (record.status, record.gate) == (PassStatus.REDEEMED, GATE)
    (row,) = operator.get("/v1/stats", params={"gate": GATE}).json()["items"]
    assert row["redeemed"] == 1


def test_the_trail_says_who_made_it_and_why(login: Login, operator: httpx.Client) -> None:
    made = make(operator)
    (entry,) = login(Role.ADMIN).get("/v1/audit").json()["items"]
    assert (entry["act"], entry["subject"]) == ("pass.issued", f"pass:{made.id}")
    assert (entry["reason"], entry["gate"]) == (REASON, GATE)
    assert entry["actor"] == f"key:{operator.headers['Authorization'].split('_')[1]}"
    assert entry["request_id"]
    assert made.token not in str(entry)


def test_its_code_is_shown_while_it_is_good(operator: httpx.Client) -> None:
    made = make(operator)
    for kind in ("svg", "png"):
        assert operator.get(f"/v1/passes/{made.id}/qr.{kind}").status_code == 200
    assert operator.delete(f"/v1/passes/{made.id}").status_code == 204
    assert code_of(operator.get(f"/v1/passes/{made.id}/qr.svg")) == "pass_over"


def test_nobody_is_told_and_who_waits_goes_on_waiting(operator: httpx.Client, store: Store) -> None:
    store.visitors.join(GATE, "42", now(), timedelta(minutes=5))
    make(operator)
    assert operator.get("/v1/deliveries").json()["items"] == []
    assert operator.get("/v1/events").json()["items"] == []
    assert store.visitors.waiting(GATE, now()) == 1


@pytest.mark.parametrize(
    ("asked", "of_the_gate", "lasts_s"), [(None, None, 300), (None, 60, 60), (900, 60, 900)]
)
def test_it_lasts_as_long_as_is_asked_or_as_the_gate_says(
    operator: httpx.Client, asked: int | None, of_the_gate: int | None, lasts_s: int
) -> None:
    operator.patch(f"/v1/gates/{GATE}", json={"pass_lifetime_s": of_the_gate})
    made = make(operator, lifetime_s=asked)
    record = PassRecord.model_validate_json(operator.get(f"/v1/passes/{made.id}").content)
    assert record.expires_at - record.issued_at == timedelta(seconds=lasts_s)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": "  "},
        {"reason": "two\nlines"},
        {"reason": "x" * 501},
        {"reason": REASON, "lifetime_s": 1},
        {"reason": REASON, "lifetime_s": 86_401},
    ],
)
def test_without_a_reason_in_one_line_or_with_an_odd_lifetime_there_is_none(
    operator: httpx.Client, login: Login, body: dict[str, object]
) -> None:
    answer = operator.post(f"/v1/gates/{GATE}/passes", json=body)
    assert (answer.status_code, code_of(answer)) == (422, "malformed_request")
    assert login(Role.ADMIN).get("/v1/audit").json()["items"] == []


def test_it_is_made_at_gates_that_are_there_and_ones_own(
    login: Login, operator: httpx.Client
) -> None:
    answer = operator.post("/v1/gates/nowhere/passes", json={"reason": REASON})
    assert (answer.status_code, code_of(answer)) == (404, "gate_unknown")
    bound = login(Role.OPERATOR, OTHER_GATE)
    assert code_of(bound.post(f"/v1/gates/{GATE}/passes", json={"reason": REASON})) == (
        "gate_forbidden"
    )
