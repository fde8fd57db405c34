"""What holds for every route: bodies, headers, documents, and a store that is away."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from cloud.api.app import create_app
from cloud.api.problems import STATUS, TITLES
from cloud.contract import EnrolmentRequest, Event, Gate, ProblemCode, Role
from cloud.settings import Settings
from cloud.store import Store, mint, now
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, Login, posted, serving
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]
PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def test_every_code_has_a_status_and_a_title() -> None:
    assert set(STATUS) == set(TITLES) == set(ProblemCode)


def test_the_page_names_every_route_and_no_other() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, ways in paths.items() for method in ways}
    named = re.findall(
        r"^\| `((?:GET|POST|PUT|PATCH|DELETE) /\S*)` \|", PAGE.read_text(), re.MULTILINE
    )
    assert sorted(named) == sorted(routes)


def test_the_page_names_every_code() -> None:
    named = re.findall(r"^\| `([a-z_]+)` \| [45]\d\d \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(ProblemCode)
    for code in ProblemCode:
        assert f"| `{code}` | {STATUS[code]} |" in PAGE.read_text()


def test_the_document_says_of_every_route_what_may_go_wrong() -> None:
    document = create_app(Settings()).openapi()
    assert "Problem" in document["components"]["schemas"]
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            assert operation["description"], (method, path)
            if not path.startswith("/v1"):
                continue
            answers = operation["responses"]
            assert {"422", "413", "503"} <= set(answers), (method, path)
            if "security" in operation:
                assert {"401", "403"} <= set(answers), (method, path)
                assert "Roles: " in operation["description"]
            for status, answer in answers.items():
                if int(status) >= 400:
                    media = answer["content"]["application/problem+json"]
                    assert media["schema"] == {"$ref": "#/components/schemas/Problem"}
                    assert media["examples"]
            for media, body in operation.get("requestBody", {}).get("content", {}).items():
                assert media != "application/json" or body["examples"], (method, path)


def test_the_document_introduces_every_operation() -> None:
    document = create_app(Settings()).openapi()
    told = {tag["name"]: tag["description"] for tag in document["tags"]}
    used = set()
    for ways in document["paths"].values():
        for operation in ways.values():
            assert operation["summary"]
            assert set(operation["tags"]) <= set(told), operation["tags"]
            used |= set(operation["tags"])
    assert used == set(told)
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_the_examples_in_the_document_are_true(login: Login, store: Store) -> None:
    paths = create_app(Settings()).openapi()["paths"]
    clients = {role: login(role) for role in (Role.DEVICE, Role.ADMIN)}
    for path, ways in paths.items():
        if "post" not in ways or "requestBody" not in ways["post"]:
            continue
        content = ways["post"]["requestBody"]["content"]
        if "application/json" not in content:
            continue  # a model package is a ZIP file
        shown = content["application/json"]["examples"]
        role = Role.DEVICE if path in {"/v1/events", "/v1/devices/me/heartbeat"} else Role.ADMIN
        for example in shown.values():
            answer = clients[role].post(
                path.format(gate_id=GATE, pass_id=uuid4(), device_id="d"), json=example["value"]
            )
            assert answer.status_code != 422, (path, answer.text)
            assert answer.status_code < 500, (path, answer.text)


def test_a_body_over_the_limit_is_refused_by_its_announced_length(device: httpx.Client) -> None:
    answer = device.post("/v1/events", content=b" " * (64 * 1024 + 1))
    assert answer.status_code == 413
    assert code_of(answer) == "body_too_large"


def test_a_body_over_the_limit_is_refused_while_it_streams(device: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    answer = device.post(
        "/v1/events", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert code_of(answer) == "body_too_large"


def test_what_is_not_there_is_a_problem_too(operator: httpx.Client) -> None:
    assert code_of(operator.get("/v1/nothing")) == "not_found"
    answer = operator.put("/v1/events")
    assert answer.status_code == 405
    assert code_of(answer) == "method_not_allowed"


@pytest.mark.parametrize("path", ["/healthz", "/v1/events", "/p/7Kq2mXw9RtB4z", "/v1/nothing"])
def test_every_answer_carries_headers_for_browsers(operator: httpx.Client, path: str) -> None:
    headers = operator.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "server" not in headers


def test_the_page_behind_a_code_says_what_to_do_and_looks_nothing_up(
    operator: httpx.Client, device: httpx.Client, make_event: Make
) -> None:
    token = device.post("/v1/events", json=posted(make_event())).json()["pass"]["token"]
    good, bad = operator.get(f"/p/{token}"), operator.get("/p/nonsense")
    assert good.status_code == 200
    assert "Show this code at the door" in good.text
    assert "width=device-width" in good.text
    assert good.text == bad.text
    said = operator.post(
        "/v1/passes/redeem", json={"token": token, "nonce": "nonce-0001", "gate": GATE}
    )
    assert said.json()["outcome"] == "admitted"


def test_metrics_count_events_attempts_and_requests_but_hold_no_token(
    operator: httpx.Client, device: httpx.Client, make_event: Make
) -> None:
    def read(name: str) -> float:
        page = operator.get("/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
        return float(found[1]) if found else 0.0

    accepted = 'maskgate_events_total{access="granted",label="with_mask"}'
    unknown = 'maskgate_redemptions_total{outcome="unknown"}'
    before = read(accepted), read(unknown)
    event = make_event()
    token = device.post("/v1/events", json=posted(event)).json()["pass"]["token"]
    device.post("/v1/events", json=posted(event))
    operator.post(
        "/v1/passes/redeem", json={"token": "nothing", "nonce": "nonce-0001", "gate": GATE}
    )
    operator.get(f"/p/{token}")
    assert (read(accepted), read(unknown)) == (before[0] + 1, before[1] + 1)
    assert read("maskgate_store_up") == 1
    assert read("maskgate_queue_depth") == 1
    assert token not in operator.get("/metrics").text
    assert 'route="/p/{token}"' in operator.get("/metrics").text


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("0af7651916cd43dd8448eb211c80319c", True),
        ("req-1:a.b_c", True),
        ("short", False),
        ("a" * 65, False),
        ('x"},{"level":"error', False),
        ("request id", False),
    ],
)
def test_a_request_id_is_taken_over_if_it_is_one(
    operator: httpx.Client, given: str, taken: bool
) -> None:
    answer = operator.get("/healthz", headers={"X-Request-Id": given})
    assert (answer.headers["X-Request-Id"] == given) is taken
    assert len(answer.headers["X-Request-Id"]) >= 8


@contextmanager
def own_cloud(folder: Path) -> Iterator[tuple[RedisServer, str]]:
    """An API beside a Redis of its own that is not running yet."""
    folder.mkdir()
    server = RedisServer(folder)
    with serving(Settings(redis_url=SecretStr(server.url))) as address:
        yield server, address
        server.stop()


def _client(address: str) -> httpx.Client:
    """A client that waits as long as the slowest answer may take on a busy machine."""
    return httpx.Client(base_url=address, timeout=60)


def test_the_api_starts_with_the_store_away_says_so_and_recovers(
    tmp_path: Path, make_event: Make
) -> None:
    with own_cloud(tmp_path / "redis") as (server, address), _client(address) as api:
        api.headers["Authorization"] = "Bearer mg_0123456789ab_secret"
        assert api.get("/healthz").status_code == 200
        for path in ("/readyz", "/v1/events", "/v1/gates"):
            answer = api.get(path)
            assert answer.status_code == 503
            assert code_of(answer) == "store_unavailable"
            assert int(answer.headers["Retry-After"]) > 0
        assert "maskgate_store_up 0.0" in api.get("/metrics").text

        server.start()
        assert api.get("/readyz").status_code == 200
        store = Store.open(Settings(redis_url=SecretStr(server.url)))
        store.gates.add(Gate(id=GATE, name="Main", created_at=now()))
        code = store.devices.new_code(GATE, timedelta(minutes=5), now())
        key = store.devices.enrol(EnrolmentRequest(code=code.code, name="camera"), now())
        api.headers["Authorization"] = f"Bearer {key.device_key}"
        event = posted(make_event())
        first = api.post("/v1/events", json=event)
        assert first.status_code == 201

        # In the middle of things: what was acknowledged is there afterwards, and no answer lies.
        server.stop()
        lost = posted(make_event())
        assert code_of(api.post("/v1/events", json=lost)) == "store_unavailable"
        server.start()
        again = api.post("/v1/events", json=event)
        assert again.status_code == 200
        assert again.json() == first.json()
        assert api.post("/v1/events", json=lost).status_code == 201
        store.close()


def test_a_store_that_hangs_is_away_until_it_answers_again(tmp_path: Path) -> None:
    with own_cloud(tmp_path / "redis") as (server, address), _client(address) as api:
        server.start()
        assert api.get("/readyz").status_code == 200
        server.pause()
        try:
            answer = api.get("/readyz")
            assert answer.status_code == 503
            assert code_of(answer) == "store_unavailable"
            assert api.get("/healthz").status_code == 200
        finally:
            server.resume()
        assert api.get("/readyz").status_code == 200


def test_requests_during_an_outage_are_all_answered(tmp_path: Path) -> None:
    with own_cloud(tmp_path / "redis") as (_, address):
        answers: list[int] = []

        def ask() -> None:
            key = mint("x", Role.VIEWER, None).text
            said = httpx.get(
                f"{address}/v1/events", headers={"Authorization": f"Bearer {key}"}, timeout=60
            )
            answers.append(said.status_code)

        threads = [threading.Thread(target=ask) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [503] * 10
