"""Bodies: what one route takes or refuses, every route does, whoever parses its body."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cloud.contract import Event, Role
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, Login, posted

Make = Callable[..., Event]
JSON = "application/json"
BOM = b"\xef\xbb\xbf"


@pytest.fixture
def ways(login: Login, make_event: Make) -> dict[str, tuple[httpx.Client, dict[str, Any]]]:
    """Routes that parse their bodies by themselves, and routes that FastAPI parses for."""
    operator = login(Role.OPERATOR)
    return {
        "/v1/events": (login(Role.DEVICE), posted(make_event())),
        "/v1/passes/redeem": (operator, {"token": "x", "nonce": "n" * 8, "gate": GATE}),
        "/v1/gates": (operator, {"id": "side", "name": "Side"}),
        "/v1/sessions": (login(None), {"name": "nobody", "password": "a password"}),
    }


Ways = dict[str, tuple[httpx.Client, dict[str, Any]]]

REFUSED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "two marks": lambda body: BOM + BOM + body,
    "a mark alone": lambda _: BOM,
    "blanks alone": lambda _: b"  \n",
    "cut off": lambda body: body[:-1],
    "more after it": lambda body: body + b"x",
    "two documents": lambda body: body + body,
    "trailing comma": lambda body: body[:-1] + b",}",
    "comment": lambda body: b"/* x */" + body,
    "single quotes": lambda body: body.replace(b'"', b"'"),
    "latin-1": lambda body: body[:-1] + ', "x": "é"}'.encode("latin-1"),
    "utf-16": lambda body: body.decode().encode("utf-16"),
    "utf-32": lambda body: body.decode().encode("utf-32"),
    "lone surrogate": lambda body: body[:-1] + b', "x": "\\ud800"}',
    "control character": lambda body: body[:-1] + b', "x": "a\nb"}',
    "deep": lambda body: body[:-1] + b', "x": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "many digits": lambda body: body[:-1] + b', "x": ' + b"1" * 5000 + b"}",
    "leading zero": lambda body: body[:-1] + b', "x": 01}',
    "list": lambda body: b"[" + body + b"]",
    "null": lambda _: b"null",
    "text": lambda body: json.dumps(body.decode()).encode(),
    "number": lambda _: b"1",
}

TAKEN: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda body: body,
    "mark": lambda body: BOM + body,
    "blanks around": lambda body: b" \r\n\t" + body + b"\n ",
    "unknown field": lambda body: body[:-1] + ', "x": {"é": [1, null]}}'.encode(),
    "twice the same name": lambda body: b'{"x": 1, "x": 2, ' + body[1:],
    "large number": lambda body: body[:-1] + b', "x": ' + b"1" * 4000 + b"}",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_body_that_one_route_refuses_all_refuse(ways: Ways, kind: str) -> None:
    for path, (client, document) in ways.items():
        body = REFUSED[kind](json.dumps(document).encode())
        answer = client.post(path, content=body, headers={"Content-Type": JSON})
        assert (path, answer.status_code) == (path, 422)
        assert code_of(answer) == "malformed_request"
        assert answer.json()["errors"][0]["loc"][0] == "body"


@pytest.mark.parametrize("kind", TAKEN)
def test_a_body_that_one_route_takes_all_take(ways: Ways, kind: str) -> None:
    for path, (client, document) in ways.items():
        body = TAKEN[kind](json.dumps(document).encode())
        answer = client.post(path, content=body, headers={"Content-Type": JSON})
        assert answer.status_code in {200, 201, 401}, (path, answer.text)
        assert answer.json().get("code") in {None, "credentials_invalid"}


@pytest.mark.parametrize(
    "media",
    [
        None,
        JSON,
        "Application/JSON; Charset=UTF-8",
        'application/json; charset="utf-8"; x=y',
        "application/vnd.maskgate+json",
    ],
)
def test_json_may_be_named_in_several_ways_or_not_at_all(ways: Ways, media: str | None) -> None:
    for path, (client, document) in ways.items():
        headers = {} if media is None else {"Content-Type": media}
        answer = client.post(path, content=json.dumps(document).encode(), headers=headers)
        assert answer.status_code in {200, 201, 401}, (path, answer.text)
        assert answer.json().get("code") in {None, "credentials_invalid"}


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=klingon",
        "application/jsonx",
        "json",
    ],
)
def test_what_is_said_to_be_no_json_is_refused(ways: Ways, media: str) -> None:
    for path, (client, document) in ways.items():
        body = json.dumps(document).encode()
        answer = client.post(path, content=body, headers={"Content-Type": media})
        assert (path, answer.status_code) == (path, 422)
        assert "application/json" in answer.json()["detail"]


STRICT: list[tuple[Role | None, str, str, dict[str, Any], str]] = [
    (Role.OPERATOR, "PATCH", f"/v1/gates/{GATE}", {"closed": "yes"}, "closed"),
    (Role.OPERATOR, "PATCH", f"/v1/gates/{GATE}", {"closed": 1}, "closed"),
    (Role.OPERATOR, "PATCH", f"/v1/gates/{GATE}", {"pass_lifetime_s": "60"}, "pass_lifetime_s"),
    (Role.OPERATOR, "PATCH", f"/v1/gates/{GATE}", {"pass_lifetime_s": 60.5}, "pass_lifetime_s"),
    (Role.OPERATOR, "PATCH", f"/v1/gates/{GATE}", {"name": "\u202eeman"}, "name"),
    (Role.OPERATOR, "POST", "/v1/gates", {"id": "n", "name": "\u3164"}, "name"),
    (Role.OPERATOR, "POST", "/v1/gates", {"id": "n", "name": 7}, "name"),
    (Role.OPERATOR, "PUT", f"/v1/gates/{GATE}/settings", {"votes": True}, "votes"),
    (Role.OPERATOR, "PUT", f"/v1/gates/{GATE}/settings", {"majority": "0.7"}, "majority"),
    (Role.OPERATOR, "PUT", f"/v1/gates/{GATE}/settings", {"preview_allowed": 0}, "preview_allowed"),
    (Role.OPERATOR, "POST", f"/v1/gates/{GATE}/passes", {"reason": "a\u200bb"}, "reason"),
    (Role.ADMIN, "POST", "/v1/keys", {"name": "\u2066x", "role": "viewer"}, "name"),
]


@pytest.mark.parametrize(("role", "method", "path", "body", "field"), STRICT)
def test_a_value_of_another_kind_is_refused_and_named(
    login: Login, role: Role, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    answer = login(role).request(method, path, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("votes", True),
        ("votes", "9"),
        ("confidence", "0.97"),
        ("occurred_at", 1772439330),
        ("occurred_at", "1772439330"),
        ("occurred_at", "2026-03-02"),
        ("occurred_at", "2026-03-02T08:15:30"),
        ("id", "01890a5dac96774bbcceb302099a8057"),
    ],
)
def test_an_event_of_other_kinds_is_refused_and_the_field_named(
    device: httpx.Client, make_event: Make, field: str, value: object
) -> None:
    answer = device.post("/v1/events", json={**posted(make_event()), field: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", field]


@pytest.mark.parametrize("moment", ["1772439330", "2026-03-02", "2026-03-02T08:15:30"])
def test_times_in_addresses_are_rfc_3339_too(operator: httpx.Client, moment: str) -> None:
    answer = operator.get("/v1/events", params={"since": moment})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "since"]
    right = operator.get("/v1/events", params={"since": "2026-03-02T09:15:30+01:00", "limit": "5"})
    assert right.status_code == 200
