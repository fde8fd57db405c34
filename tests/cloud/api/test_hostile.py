"""What nobody sends by mistake: each gets an answer of the contract, and none an error of ours."""

import json

import httpx
import pytest

from cloud.contract import Role
from tests.cloud.conftest import GATE, Login

TEXTS = [
    "\ud800",
    "a\x00b",
    "\u202eevil",
    "🎭" * 20,
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "a\r\nBcc: all@example.org",
    "{{ 7 * 7 }}",
    "1" * 300,
]

PATHS = [
    "/v1/passes/%00",
    "/v1/devices/%00%ff",
    "/v1/keys/%ud",
    "/p/%00",
    "/v1/gates/%2e%2e/subscribers",
    "/v1/gates/a%0ab/subscribers/x",
    "/v1/events?before=1-1%00",
    "/v1/events?before=99999999999999999999-99999999999999999999",
    "/v1/events?limit=99999999999999999999999999",
    "/v1/events?gate=%ff",
    "/v1/deliveries?before=0-0",
    "/v1/events/" + "a" * 5000,
]


def with_text(text: str) -> list[tuple[Role | None, str, dict[str, object]]]:
    subscribers = f"/v1/gates/{GATE}/subscribers"
    heartbeat = {
        "sent_at": "2026-03-02T08:15:30Z",
        "camera": "live",
        "fps": 1e308,
        "latency_ms": 1,
        "outbox_depth": 10**30,
        "version": text,
    }
    return [
        (Role.OPERATOR, "/v1/gates", {"id": "x", "name": text}),
        (Role.OPERATOR, "/v1/gates", {"id": text, "name": "x"}),
        (Role.ADMIN, "/v1/keys", {"name": text, "role": "viewer"}),
        (Role.OPERATOR, subscribers, {"channel": "email", "address": f"{text}@example.org"}),
        (Role.OPERATOR, subscribers, {"channel": "telegram", "address": text}),
        (Role.OPERATOR, "/v1/passes/redeem", {"token": text, "nonce": "n" * 8, "gate": GATE}),
        (None, "/v1/devices/enrol", {"code": text, "name": text}),
        (Role.DEVICE, "/v1/devices/me/heartbeat", heartbeat),
    ]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_no_text_breaks_the_api(login: Login, text: str) -> None:
    for role, path, body in with_text(text):
        answer = login(role).post(
            path, content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code < 500, (path, answer.text)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_no_address_breaks_the_api(login: Login, path: str) -> None:
    admin = login(Role.ADMIN)
    for method in ("GET", "DELETE", "POST"):
        assert admin.request(method, path).status_code < 500, (method, path)


@pytest.mark.parametrize(
    "body", [b'{"a":' * 10_000, b"[" * 60_000, b'{"id": 1e999}', b"1" * 5_000, b'"\\ud800"']
)
def test_no_body_breaks_the_api(device: httpx.Client, body: bytes) -> None:
    answer = device.post("/v1/events", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "key", [b"Bearer \xff\xfe", b"Bearer mg_\xc3\xa9_x", b"Bearer " + b"x" * 3000]
)
def test_no_key_breaks_the_api(login: Login, key: bytes) -> None:
    assert login(None).get("/v1/events", headers={b"Authorization": key}).status_code == 401
