from datetime import timedelta

import httpx

from cloud import invitations
from cloud.contract import Language, PairingCode, Role, VisitorLink
from cloud.store import Store, now
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login

LINK = f"/v1/gates/{GATE}/visitor-link"
CODES = f"/v1/gates/{GATE}/pairing-codes"
STAFF = f"/v1/gates/{GATE}/staff"


def test_a_gates_link_stays_until_it_is_replaced(
    login: Login, operator: httpx.Client, store: Store
) -> None:
    first = VisitorLink.model_validate_json(login(Role.KIOSK, GATE).get(LINK).content)
    assert first.url is None  # no bot has said its name yet
    store.chats.introduce("gate_bot")
    again = VisitorLink.model_validate_json(operator.get(LINK).content)
    assert again.code == first.code
    assert again.url == f"https://t.me/gate_bot?start=gate_{first.code}"
    assert store.visitors.gate_of(first.code) == GATE

    replaced = VisitorLink.model_validate_json(operator.post(LINK).content)
    assert replaced.code != first.code
    assert store.visitors.gate_of(first.code) is None
    assert store.visitors.gate_of(replaced.code) == GATE
    store.visitors.join(GATE, "42", now(), timedelta(minutes=1))
    assert operator.get(LINK).json()["waiting"] == 1


def test_a_pairing_code_makes_staff_once_and_is_kept_as_a_hash(
    operator: httpx.Client, store: Store
) -> None:
    store.chats.introduce("gate_bot")
    answer = operator.post(CODES, json={"role": "operator"})
    assert answer.status_code == 201
    made = PairingCode.model_validate_json(answer.content)
    assert made.url == f"https://t.me/gate_bot?start={made.code}"
    assert all(made.code.encode() not in key for key in store.client.scan_iter("*"))

    def pair(chat: str) -> object:
        return invitations.pair(
            store, made.code, chat=chat, name="Ada", language=Language.EN, now=now()
        )

    assert pair("42") is not None
    assert pair("43") is None
    (member,) = operator.get(STAFF).json()
    assert (member["chat"], member["role"], member["name"]) == ("42", "operator", "Ada")
    (subscriber,) = operator.get(f"/v1/gates/{GATE}/subscribers").json()
    assert (subscriber["address"], subscriber["topics"]) == ("42", ["refusal"])

    assert operator.delete(f"{STAFF}/42").status_code == 204
    assert operator.get(STAFF).json() == []
    assert operator.get(f"/v1/gates/{GATE}/subscribers").json() == []
    assert code_of(operator.delete(f"{STAFF}/42")) == "staff_unknown"


def test_a_pairing_code_runs_out(store: Store) -> None:
    made = store.staff.new_code(GATE, "guard", timedelta(minutes=5), now())  # type: ignore[arg-type]
    late = now() + timedelta(minutes=5)
    assert store.staff.pair(made.code, "42", "Ada", late) is None


def test_another_gates_people_are_none_of_ours(login: Login) -> None:
    bound = login(Role.OPERATOR, OTHER_GATE)
    assert code_of(bound.get(LINK)) == "gate_forbidden"
    assert code_of(bound.post(CODES, json={"role": "guard"})) == "gate_forbidden"
    assert code_of(bound.get(STAFF)) == "gate_forbidden"
    assert code_of(bound.get("/v1/gates/nowhere/staff")) == "gate_forbidden"
