"""Every attempt to enter is kept, whoever made it and whatever came of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from cloud import gatekeeping
from cloud.bot.answering.chat_request import ChatRequest
from cloud.bot.answering.conversation import Conversation
from cloud.contract import Event, IssuedPass, RedemptionAttempt, RedemptionPage, Role, StaffRole
from cloud.store import Store, keyspace, now
from cloud.store.tokens import sha256_of
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.api.routes.test_passes import issue, redeem
from tests.cloud.conftest import GATE, OTHER_GATE, Login
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]
MINUTES = timedelta(minutes=5)


@pytest.fixture
def issued(store: Store, make_event: Make) -> IssuedPass:
    return issue(store, make_event(), MINUTES)


def page(client: httpx.Client, **asked: Any) -> RedemptionPage:
    answer = client.get("/v1/redemptions", params=asked)
    assert answer.status_code == 200, answer.text
    return RedemptionPage.model_validate_json(answer.content)


def listed(client: httpx.Client, **asked: Any) -> list[RedemptionAttempt]:
    return page(client, **asked).items


def key_id(client: httpx.Client) -> str:
    return client.headers["Authorization"].split("_")[1]


def test_an_attempt_says_who_tried_what_where_and_what_came_of_it(
    login: Login, issued: IssuedPass
) -> None:
    scanner = login(Role.SCANNER, GATE)
    said = redeem(scanner, issued.token)
    (attempt,) = listed(login(Role.VIEWER))
    assert (attempt.at, attempt.gate, attempt.outcome) == (said.at, GATE, "admitted")
    assert (attempt.scanner, attempt.scanner_name) == (key_id(scanner), "a scanner")
    assert (attempt.role, attempt.nonce) == ("scanner", "nonce-0001")
    assert (attempt.pass_id, attempt.undone_at) == (issued.id, None)


def test_refused_attempts_are_listed_newest_first_and_repeated_ones_once(
    login: Login, operator: httpx.Client, store: Store, make_event: Make, issued: IssuedPass
) -> None:
    scanner = login(Role.SCANNER, GATE)
    gate = store.gates.get(GATE)
    assert gate is not None
    over = gatekeeping.issue_manual_pass(
        store,
        gate,
        gatekeeping.PassIssuer("key:desk"),
        reason="a test",
        lifetime=-timedelta(seconds=1),
        now=now(),
    )
    assert over is not None
    back = issue(store, make_event(), MINUTES)
    operator.delete(f"/v1/passes/{back.id}")
    for token in (issued.token, issued.token, over.token, back.token, "7Kq2mXw9RtB4z", "a menu"):
        redeem(scanner, token)
    redeem(scanner, issued.token, "nonce-0002")
    redeem(login(Role.SCANNER, OTHER_GATE), issued.token, "nonce-0003")
    redeem(scanner, "a menu")
    found = [(attempt.outcome.value, attempt.pass_id) for attempt in listed(operator)]
    assert found == [
        ("wrong_gate", issued.id),
        ("already_redeemed", issued.id),
        ("unknown", None),
        ("unknown", None),
        ("revoked", back.id),
        ("expired", over.id),
        ("admitted", issued.id),
    ]


def test_a_chats_attempt_is_listed_with_who_stands_behind_it(
    store: Store, operator: httpx.Client, issued: IssuedPass
) -> None:
    code = store.staff.new_code(GATE, StaffRole.GUARD, MINUTES, now()).code
    store.staff.pair(code, "604", "Ada", now())
    bot = Conversation(store, MINUTES, MINUTES)
    bot.answer(ChatRequest("604", "Ada", "en", True, 17, "scan", issued.token))
    bot.answer(ChatRequest("604", "Ada", "en", True, 18, "scan", "no token"))
    unknown, admitted = listed(operator)
    assert (unknown.outcome, admitted.outcome) == ("unknown", "admitted")
    assert (admitted.scanner, admitted.scanner_name, admitted.role) == ("chat604", "Ada", "guard")
    # The nonce is what an operator undoes it by.
    undone = operator.post(f"/v1/passes/{issued.id}/undo", json={"nonce": admitted.nonce})
    assert undone.status_code == 200, undone.text


def test_an_undone_redemption_says_when(operator: httpx.Client, issued: IssuedPass) -> None:
    for nonce in ("nonce-0001", "nonce-0002"):
        redeem(operator, issued.token, nonce, gate=GATE)
        if nonce == "nonce-0001":
            began = now()
            operator.post(f"/v1/passes/{issued.id}/undo", json={"nonce": nonce})
    redeem(operator, issued.token, "nonce-0001", gate=GATE)
    late, second, first = listed(operator)
    assert (late.outcome, late.undone_at) == ("already_redeemed", None)
    assert (second.outcome, second.undone_at) == ("admitted", None)
    assert first.outcome == "admitted"
    assert first.undone_at is not None
    assert began <= first.undone_at <= now()


def test_attempts_are_filtered(
    login: Login, operator: httpx.Client, store: Store, make_event: Make, issued: IssuedPass
) -> None:
    left, right = login(Role.SCANNER, GATE), login(Role.SCANNER, OTHER_GATE)
    other = issue(store, make_event(), MINUTES)
    redeem(left, issued.token, "nonce-0001")
    redeem(left, other.token, "nonce-0002")
    redeem(right, issued.token, "nonce-0003")
    middle = listed(operator, outcome="admitted")[0]
    until = datetime.fromtimestamp(int(middle.cursor.split("-")[0]) / 1000, ZoneInfo("UTC"))

    def nonces(**asked: object) -> list[str]:
        return [attempt.nonce[-1] for attempt in listed(operator, **asked)]

    assert nonces() == ["3", "2", "1"]
    assert nonces(gate=GATE) == ["2", "1"]
    assert nonces(outcome="wrong_gate") == ["3"]
    assert nonces(scanner=key_id(left)) == ["2", "1"]
    assert nonces(**{"pass": str(issued.id)}) == ["3", "1"]
    assert nonces(**{"pass": str(issued.id), "scanner": key_id(left)}) == ["1"]
    assert "3" in nonces(since=until.isoformat())
    assert "3" not in nonces(until=until.isoformat())
    assert nonces(until=(now() - timedelta(hours=1)).isoformat()) == []
    for wrong in ({"outcome": "perhaps"}, {"pass": "x"}, {"limit": 201}, {"before": "x"}):
        answer = operator.get("/v1/redemptions", params=wrong)
        assert (answer.status_code, code_of(answer)) == (422, "malformed_request")


def test_attempts_come_in_pages(login: Login, operator: httpx.Client) -> None:
    scanner = login(Role.SCANNER, GATE)
    for number in range(5):
        redeem(scanner, "7Kq2mXw9RtB4z", f"nonce-{number:04}")
    seen: list[str] = []
    before: dict[str, str] = {}
    for size in (2, 2, 1):
        part = page(operator, limit=2, **before)
        assert len(part.items) == size
        seen += [attempt.nonce for attempt in part.items]
        assert (part.next is None) == (size == 1)
        before = {"before": part.next or ""}
    assert seen == [f"nonce-{number:04}" for number in (4, 3, 2, 1, 0)]


def test_a_viewer_of_one_gate_sees_its_attempts_alone(login: Login, issued: IssuedPass) -> None:
    redeem(login(Role.SCANNER, GATE), issued.token)
    redeem(login(Role.SCANNER, OTHER_GATE), issued.token, "nonce-0002")
    bound = login(Role.VIEWER, OTHER_GATE)
    assert [attempt.gate for attempt in listed(bound)] == [OTHER_GATE]
    refused = bound.get("/v1/redemptions", params={"gate": GATE})
    assert code_of(refused) == "gate_forbidden"


def test_an_attempt_holds_neither_token_nor_hash(
    login: Login, operator: httpx.Client, issued: IssuedPass, redis_server: RedisServer
) -> None:
    scanner = login(Role.SCANNER, GATE)
    for token in (issued.token, "7Kq2mXw9RtB4z", "what a menu says"):
        redeem(scanner, token)
    hashes = [sha256_of(token) for token in (issued.token, "7Kq2mXw9RtB4z")]
    secrets = [issued.token, "7Kq2mXw9RtB4z", "menu", *hashes]
    assert len(listed(operator)) == 3
    with redis_server.client() as client:
        for stream in (keyspace.redemptions(), keyspace.redemptions(GATE)):
            kept = str(client.xrange(stream))
            assert not [secret for secret in secrets if secret in kept]


def test_attempts_past_the_retention_are_purged(
    store: Store, operator: httpx.Client, issued: IssuedPass, redis_server: RedisServer
) -> None:
    redeem(operator, issued.token, gate=GATE)
    redeem(operator, "nothing", gate=OTHER_GATE)
    store.retention.purge(now() + timedelta(days=2), timedelta(days=1), ZoneInfo("UTC"))
    assert listed(operator) == []
    with redis_server.client() as client:
        assert client.xlen(keyspace.redemptions(GATE)) == 0


def test_an_attempt_with_a_revoked_key_is_refused_though_nothing_can_be_read(
    login: Login, store: Store
) -> None:
    scanner = login(Role.SCANNER, GATE)
    redeem(scanner, "a menu")
    store.keys.revoke(key_id(scanner))
    answer = scanner.post("/v1/passes/redeem", json={"token": "a menu", "nonce": "nonce-0002"})
    assert code_of(answer) == "key_revoked"


def test_a_gates_attempts_go_with_it(
    store: Store, operator: httpx.Client, issued: IssuedPass, redis_server: RedisServer
) -> None:
    redeem(operator, issued.token, gate=GATE)
    operator.post(f"/v1/passes/{issued.id}/undo", json={"nonce": "nonce-0001"})
    redeem(operator, issued.token, "nonce-0002", gate=OTHER_GATE)
    store.erasure.gate(GATE)
    assert [attempt.gate for attempt in listed(operator)] == [OTHER_GATE]
    with redis_server.client() as client:
        assert client.keys(keyspace.undone("*")) == client.keys(keyspace.redemptions(GATE)) == []
