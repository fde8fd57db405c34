"""Every route with every role, and with none. What they are held against is the table at the end
of docs/security.md, which people read and write, and not the code's own."""

import re
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import pytest

from cloud.contract import Role
from cloud.store import Store, mint
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login, SignIn

PAGE: Final = Path(__file__).parents[4] / "docs" / "security.md"

ROW = re.compile(r"^\| `([A-Z]+) (/[^`]*)` \|(.*)\|$", re.MULTILINE)


def table() -> tuple[dict[tuple[str, str], set[Role]], set[tuple[str, str]]]:
    """Who may do what, and what takes no key, as docs/security.md says."""
    may: dict[tuple[str, str], set[Role]] = {}
    without_key = set()
    for method, path, cells in ROW.findall(PAGE.read_text()):
        nobody, *roles = (cell.strip() == "✓" for cell in cells.split("|"))
        assert len(roles) == len(Role), path
        if nobody:
            assert all(roles), path
            without_key.add((method, path))
        else:
            may[method, path] = {role for role, ticked in zip(Role, roles, strict=True) if ticked}
    return may, without_key


MAY, WITHOUT_KEY = table()


def address_of(path: str) -> str:
    return path.format(
        event_id=uuid4(),
        pass_id=uuid4(),
        device_id="none",
        gate_id=GATE,
        subscriber_id="none",
        screen_id="none",
        sha256="0" * 64,
        delivery_id="none",
        chat="42",
        key_id="none",
        account_id="none",
        token="7Kq2mXw9RtB4z",
    )


def call(client: httpx.Client, method: str, path: str) -> httpx.Response:
    sent: dict[str, object] | None = {} if method in {"POST", "PUT", "PATCH"} else None
    with client.stream(method, address_of(path), json=sent) as answer:
        # A stream of events has no end to wait for.
        if not answer.headers["Content-Type"].startswith("text/event-stream"):
            answer.read()
    return answer


def test_the_table_has_every_route(operator: httpx.Client) -> None:
    paths = operator.get("/openapi.json").json()["paths"]
    routes = {(method.upper(), path) for path, ways in paths.items() for method in ways}
    assert routes == set(MAY) | WITHOUT_KEY


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_the_table_says_and_no_more(login: Login, role: Role) -> None:
    client = login(role)
    for (method, path), roles in MAY.items():
        answer = call(client, method, path)
        if role in roles:
            assert answer.status_code not in {401, 403, 500}, (method, path, answer.text)
        else:
            assert answer.status_code == 403, (method, path, answer.text)
            assert code_of(answer) == "role_forbidden"


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.DEVICE}))
def test_a_session_may_do_what_a_key_of_its_role_may(sign_in: SignIn, role: Role) -> None:
    for (method, path), roles in MAY.items():
        # A route may end the session, so each gets one of its own.
        client = sign_in(role)
        answer = call(client, method, path)
        if role in roles:
            assert answer.status_code not in {401, 403, 500}, (method, path, answer.text)
        elif (method, path) == ("POST", "/v1/events"):
            # The one route that does not so much as look for a cookie.
            assert code_of(answer) == "key_missing"
        else:
            assert answer.status_code == 403, (method, path, answer.text)
            assert code_of(answer) == "role_forbidden"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "key_missing"),
        ("Basic dXNlcjpwYXNz", "key_missing"),
        ("Bearer", "key_missing"),
        ("Bearer hello", "key_invalid"),
        ("Bearer mg_0123456789ab_" + "x" * 43, "key_invalid"),
        ("Bearer mg__", "key_invalid"),
        ("Bearer mg_*_x", "key_invalid"),
    ],
)
def test_without_a_good_key_nothing_opens(login: Login, header: str | None, code: str) -> None:
    client = login(None)
    if header is not None:
        client.headers["Authorization"] = header
    for method, path in MAY:
        answer = call(client, method, path)
        assert answer.status_code == 401, (method, path)
        assert code_of(answer) == code
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_what_takes_no_key_answers_without_one(login: Login) -> None:
    client = login(None)
    for method, path in WITHOUT_KEY:
        assert call(client, method, path).status_code in {200, 422}, (method, path)


def test_a_revoked_key_opens_nothing_at_once(login: Login, store: Store) -> None:
    minted = mint("desk", Role.OPERATOR, None)
    store.keys.add(minted.stored)
    client = login(None)
    client.headers["Authorization"] = f"Bearer {minted.text}"
    assert client.get("/v1/events").status_code == 200
    store.keys.revoke(minted.stored.id)
    answer = client.get("/v1/events")
    assert answer.status_code == 401
    assert code_of(answer) == "key_revoked"


def test_a_key_with_the_right_id_and_another_secret_is_invalid(login: Login, store: Store) -> None:
    minted = mint("desk", Role.OPERATOR, None)
    store.keys.add(minted.stored)
    client = login(None)
    client.headers["Authorization"] = (
        f"Bearer {minted.text[:-1]}{'A' if minted.text[-1] != 'A' else 'B'}"
    )
    assert code_of(client.get("/v1/events")) == "key_invalid"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1/events?gate={OTHER_GATE}"),
        ("GET", f"/v1/deliveries?gate={OTHER_GATE}"),
        ("POST", f"/v1/gates/{OTHER_GATE}/enrolment-codes"),
        ("GET", f"/v1/gates/{OTHER_GATE}/subscribers"),
    ],
)
def test_a_key_bound_to_a_gate_reaches_no_other(login: Login, method: str, path: str) -> None:
    answer = login(Role.ADMIN, GATE).request(method, path)
    assert answer.status_code == 403
    assert code_of(answer) == "gate_forbidden"


def test_a_key_bound_to_a_gate_makes_keys_for_it_alone(login: Login) -> None:
    admin = login(Role.ADMIN, GATE)
    assert admin.post("/v1/gates", json={"id": "new", "name": "New"}).status_code == 403
    for gate in (None, OTHER_GATE):
        answer = admin.post("/v1/keys", json={"name": "x", "role": "viewer", "gate": gate})
        assert code_of(answer) == "gate_forbidden"
    made = admin.post("/v1/keys", json={"name": "x", "role": "viewer", "gate": GATE})
    assert made.status_code == 201
