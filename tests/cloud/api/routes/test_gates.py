from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pytest

from cloud.contract import Event, Gate, Label, Role, Subscriber
from cloud.store import Store
from tests.cloud.api.routes.test_events import code_of, post
from tests.cloud.conftest import GATE, OTHER_GATE, Login, posted

SUBSCRIBERS = f"/v1/gates/{GATE}/subscribers"


def test_a_gate_is_made_once(operator: httpx.Client) -> None:
    body = {"id": "north", "name": " North door "}
    answer = operator.post("/v1/gates", json=body)
    assert answer.status_code == 201
    assert Gate.model_validate_json(answer.content).name == "North door"
    again = operator.post("/v1/gates", json=body)
    assert again.status_code == 409
    assert code_of(again) == "gate_exists"
    gates = [gate["id"] for gate in operator.get("/v1/gates").json()]
    assert gates == sorted([GATE, OTHER_GATE, "north"])


@pytest.mark.parametrize("gate", ["", "Main", "a b", "-a", "a" * 64, "ünder", "../keys", "a:b"])
def test_a_gate_id_is_a_dns_label(operator: httpx.Client, gate: str) -> None:
    answer = operator.post("/v1/gates", json={"id": gate, "name": "x"})
    assert code_of(answer) == "malformed_request"


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("telegram", "123456789"),
        ("telegram", "-1001234567890"),
        ("telegram", "@the_door"),
        ("email", "guard@example.org"),
        ("email", "o'brien+door@mail.example.org"),
    ],
)
def test_an_address_is_subscribed_once_and_taken_off(
    operator: httpx.Client, channel: str, address: str
) -> None:
    body = {"channel": channel, "address": f" {address} "}
    first = operator.post(SUBSCRIBERS, json=body)
    assert first.status_code == 201
    assert operator.post(SUBSCRIBERS, json=body).json() == first.json()
    (listed,) = operator.get(SUBSCRIBERS).json()
    subscriber = Subscriber.model_validate(listed)
    assert (subscriber.channel, subscriber.address, subscriber.gate) == (channel, address, GATE)
    assert operator.delete(f"{SUBSCRIBERS}/{subscriber.id}").status_code == 204
    assert operator.get(SUBSCRIBERS).json() == []
    assert code_of(operator.delete(f"{SUBSCRIBERS}/{subscriber.id}")) == "subscriber_unknown"


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("telegram", "ada"),
        ("telegram", "12 34"),
        ("telegram", "0"),
        ("telegram", "１２３"),
        ("telegram", "guard@example.org"),
        ("email", "guard"),
        ("email", "guard@"),
        ("email", "@example.org"),
        ("email", "guard@localhost"),
        ("email", "a@example.org, b@example.org"),
        ("email", "Guard <guard@example.org>"),
        ("email", "guard@example.org\r\nBcc: all@example.org"),
        ("email", "guard\u2028@example.org"),
        ("sms", "123"),
        ("webhook", "http://hooks.example.org/"),
        ("webhook", "https://127.0.0.1/"),
        ("webhook", "https://[::ffff:10.0.0.1]/"),
        ("webhook", "https://localhost/"),
        ("webhook", "https://ada:pw@hooks.example.org/"),
        ("webhook", "ftp://hooks.example.org/"),
        ("webhook", "hooks.example.org"),
        ("email", ""),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(
    operator: httpx.Client, channel: str, address: str
) -> None:
    answer = operator.post(SUBSCRIBERS, json={"channel": channel, "address": address})
    assert answer.status_code == 422, answer.text
    assert code_of(answer) == "malformed_request"


@pytest.mark.parametrize("path", ["enrolment-codes", "subscribers"])
def test_a_gate_that_is_not_there_is_said_to_be_unknown(operator: httpx.Client, path: str) -> None:
    body = {"channel": "telegram", "address": "42"}
    answer = operator.post(f"/v1/gates/nowhere/{path}", json=body)
    assert answer.status_code == 404
    assert code_of(answer) == "gate_unknown"


def test_a_key_of_one_gate_sees_that_gate(login: Login) -> None:
    listed = login(Role.VIEWER, OTHER_GATE).get("/v1/gates").json()
    assert [gate["id"] for gate in listed] == [OTHER_GATE]


def test_a_webhooks_secret_is_shown_once(operator: httpx.Client) -> None:
    body = {"channel": "webhook", "address": "https://hooks.example.org/maskgate"}
    first = operator.post(SUBSCRIBERS, json=body)
    assert first.status_code == 201, first.text
    assert first.json()["secret"].startswith("whsec_")
    assert operator.post(SUBSCRIBERS, json=body).json()["secret"] is None
    assert "secret" not in operator.get(SUBSCRIBERS).json()[0]


@pytest.mark.parametrize(
    "said",
    [
        {"quiet_hours": {"start": "25:00", "end": "07:00"}},
        {"quiet_hours": {"start": "22:00", "end": "07:00", "timezone": "Europe/Nowhere"}},
        {"quiet_hours": {"start": "22:00", "end": "07:00", "timezone": "../../etc/passwd"}},
        {"topics": []},
        {"topics": ["weather"]},
        {"language": "xx"},
        {"cooldown_s": -1},
        {"address": "guard@example.org\r\nBcc: all@example.org"},
        {"address": "guard\u2028@example.org"},
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(
    operator: httpx.Client, said: dict[str, object]
) -> None:
    body = {"channel": "email", "address": "guard@example.org", **said}
    assert code_of(operator.post(SUBSCRIBERS, json=body)) == "malformed_request"


def test_passes_of_a_gate_are_good_for_as_long_as_it_says(
    operator: httpx.Client, device: httpx.Client, make_event: Callable[..., Event]
) -> None:
    assert operator.patch(f"/v1/gates/{GATE}", json={"pass_lifetime_s": 60}).status_code == 200
    event = make_event()
    decision = device.post("/v1/events", json=posted(event)).json()
    expires_at = datetime.fromisoformat(decision["pass"]["expires_at"])
    assert expires_at - event.occurred_at == timedelta(seconds=60)


def test_a_gates_new_name_is_everywhere_at_once(
    operator: httpx.Client, device: httpx.Client, store: Store, make_event: Callable[..., Event]
) -> None:
    operator.post(f"/v1/gates/{GATE}/subscribers", json={"channel": "telegram", "address": "42"})
    # The process that accepts remembers the gate by its old name from here on.
    assert post(device, make_event(Label.WITHOUT_MASK)).status_code == 201
    answer = operator.patch(
        f"/v1/gates/{GATE}", json={"name": " South entrance ", "reason": "a new sign"}
    )
    assert answer.json()["name"] == "South entrance"
    assert post(device, make_event(Label.WITHOUT_MASK)).status_code == 201
    newest, before = operator.get("/v1/deliveries").json()["items"]
    assert "South entrance" in newest["text"]
    assert "Main entrance" in before["text"]
    assert [gate["name"] for gate in operator.get("/v1/gates").json()] == [
        "Back entrance",
        "South entrance",
    ]
    (entry,) = [entry for entry in store.audit.page()[0] if entry.act == "gate.changed"]
    assert (entry.detail, entry.reason) == (
        'name: "Main entrance" → "South entrance"',
        "a new sign",
    )


@pytest.mark.parametrize("nothing", [{}, {"name": None}, {"closed": None}, {"colour": "red"}])
def test_a_change_of_nothing_is_answered_and_not_told_of(
    operator: httpx.Client, store: Store, nothing: dict[str, object]
) -> None:
    answer = operator.patch(f"/v1/gates/{GATE}", json=nothing)
    assert (answer.status_code, answer.json()["name"]) == (200, "Main entrance")
    assert store.audit.page()[0] == []


def test_a_gate_that_is_not_there_cannot_be_changed(operator: httpx.Client) -> None:
    assert code_of(operator.patch("/v1/gates/nowhere", json={"closed": True})) == "gate_unknown"


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "a\x1b[2Jb", "a\u2028b", "a\x7fb"])
def test_a_name_with_control_characters_is_refused_and_says_so(
    operator: httpx.Client, name: str
) -> None:
    answer = operator.post("/v1/gates", json={"id": "side", "name": name})
    assert answer.status_code == 422
    assert "control character" in answer.json()["detail"]


def test_a_name_may_be_of_any_script(operator: httpx.Client) -> None:
    name = "入口 \U0001f3ad مدخل"
    answer = operator.post("/v1/gates", json={"id": "side", "name": name})
    assert answer.json()["name"] == name


def test_a_subscriber_is_changed_field_by_field(operator: httpx.Client, store: Store) -> None:
    hours = {"start": "22:00", "end": "07:00", "timezone": "Europe/Madrid"}
    wanted = {"channel": "email", "address": "guard@example.org", "quiet_hours": hours}
    made = operator.post(SUBSCRIBERS, json={**wanted, "cooldown_s": 600}).json()
    at = f"{SUBSCRIBERS}/{made['id']}"
    changed = operator.patch(at, json={"topics": ["refusal"], "language": "es"})
    assert changed.status_code == 200
    secretless = {name: value for name, value in made.items() if name != "secret"}
    assert changed.json() == {**secretless, "topics": ["refusal"], "language": "es"}
    # What may not be empty stays as it is; what may be is taken away.
    again = operator.patch(at, json={"quiet_hours": None, "language": None, "address": "x@y.zz"})
    assert again.json() == {**changed.json(), "quiet_hours": None}
    assert operator.get(SUBSCRIBERS).json() == [again.json()]
    assert operator.patch(at, json={"topics": []}).status_code == 422
    assert code_of(operator.patch(f"{SUBSCRIBERS}/none", json={})) == "subscriber_unknown"
    unknown = operator.patch(at.replace(GATE, "nowhere"), json={})
    assert code_of(unknown) == "gate_unknown"
    assert operator.delete(at).status_code == 204
    entries, _ = store.audit.page()
    acts = [entry.act for entry in entries if entry.subject == f"subscriber:{made['id']}"]
    assert acts == [f"subscriber.{done}" for done in ("deleted", "changed", "changed", "created")]


def test_the_next_event_is_told_as_its_subscriber_was_changed(
    operator: httpx.Client, device: httpx.Client, make_event: Callable[..., Event]
) -> None:
    made = operator.post(SUBSCRIBERS, json={"channel": "telegram", "address": "42"}).json()

    def told() -> list[str]:
        assert device.post("/v1/events", json=posted(make_event())).status_code == 201
        return [item["text"] for item in operator.get("/v1/deliveries").json()["items"]]

    assert told()[0].startswith("Your pass")
    operator.patch(f"{SUBSCRIBERS}/{made['id']}", json={"language": "es"})
    assert told()[0].startswith("Tu pase")
    operator.patch(f"{SUBSCRIBERS}/{made['id']}", json={"topics": ["refusal"]})
    assert len(told()) == 2
