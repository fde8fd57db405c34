import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import cv2
import httpx
import numpy as np
import pytest
import zxingcpp

from cloud.contract import (
    Event,
    IssuedPass,
    PassRecord,
    PassStatus,
    Redemption,
    Role,
)
from cloud.store import Store, UndoOutcome, now
from tests.cloud import door
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login

Make = Callable[..., Event]


@pytest.fixture
def issued(store: Store, make_event: Make) -> IssuedPass:
    return issue(store, make_event(), timedelta(minutes=5))


def issue(store: Store, event: Event, lifetime: timedelta) -> IssuedPass:
    # As of its occurrence: on a busy machine a short pass would be over by now.
    answer = door.accept(
        store,
        event,
        gate=GATE,
        device_id="camera",
        pass_lifetime=lifetime,
        now=event.occurred_at,
    )
    assert answer.decision.issued_pass is not None
    return answer.decision.issued_pass


def redeem(client: httpx.Client, token: str, nonce: str = "nonce-0001", **more: str) -> Redemption:
    answer = client.post("/v1/passes/redeem", json={"token": token, "nonce": nonce, **more})
    assert answer.status_code == 200, answer.text
    return Redemption.model_validate_json(answer.content)


def test_a_scanner_redeems_a_pass_once(login: Login, issued: IssuedPass) -> None:
    scanner = login(Role.SCANNER, GATE)
    first = redeem(scanner, issued.token)
    assert first.outcome == "admitted"
    assert first.pass_id == issued.id
    assert redeem(scanner, issued.token) == first
    again = redeem(scanner, issued.token, "nonce-0002")
    assert again.outcome == "already_redeemed"
    assert again.redeemed_at == first.at
    assert again.message


def test_the_address_in_the_code_redeems_too(operator: httpx.Client, issued: IssuedPass) -> None:
    said = redeem(operator, f"https://gate.example.org/p/{issued.token}", gate=GATE)
    assert said.outcome == "admitted"


def test_a_scanner_at_another_gate_is_told_so(login: Login, issued: IssuedPass) -> None:
    assert redeem(login(Role.SCANNER, OTHER_GATE), issued.token).outcome == "wrong_gate"


def test_a_key_of_no_gate_must_name_one(operator: httpx.Client, issued: IssuedPass) -> None:
    body = {"token": issued.token, "nonce": "nonce-0001"}
    answer = operator.post("/v1/passes/redeem", json=body)
    assert answer.status_code == 422
    assert code_of(answer) == "gate_required"
    answer = operator.post("/v1/passes/redeem", json={**body, "gate": "nowhere"})
    assert answer.status_code == 404
    assert code_of(answer) == "gate_unknown"


def test_a_key_of_one_gate_cannot_redeem_at_another(login: Login, issued: IssuedPass) -> None:
    answer = login(Role.SCANNER, OTHER_GATE).post(
        "/v1/passes/redeem", json={"token": issued.token, "nonce": "nonce-0001", "gate": GATE}
    )
    assert answer.status_code == 403
    assert code_of(answer) == "gate_forbidden"


@pytest.mark.parametrize(
    "body",
    [
        {"nonce": "nonce-0001"},
        {"token": "", "nonce": "nonce-0001"},
        {"token": "a" * 3000, "nonce": "nonce-0001"},
        {"token": "7Kq2mXw9RtB4z"},
        {"token": "7Kq2mXw9RtB4z", "nonce": "short"},
        {"token": "7Kq2mXw9RtB4z", "nonce": "with spaces in"},
    ],
)
def test_an_attempt_that_breaks_the_contract_is_refused_without_an_echo(
    operator: httpx.Client, body: dict[str, str]
) -> None:
    answer = operator.post("/v1/passes/redeem", json=body)
    assert answer.status_code == 422
    assert code_of(answer) == "malformed_request"
    assert "7Kq2mXw9RtB4z" not in answer.text


def test_an_unknown_token_is_an_answer_and_not_an_error(operator: httpx.Client) -> None:
    assert redeem(operator, "7Kq2mXw9RtB4z", gate=GATE).outcome == "unknown"
    assert redeem(operator, "the menu of the day", gate=GATE).outcome == "unknown"


def test_a_pass_is_read_without_its_token(operator: httpx.Client, issued: IssuedPass) -> None:
    answer = operator.get(f"/v1/passes/{issued.id}")
    record = PassRecord.model_validate_json(answer.content)
    assert record.status is PassStatus.ISSUED
    assert issued.token not in answer.text
    redeem(operator, issued.token, gate=GATE)
    record = PassRecord.model_validate_json(operator.get(f"/v1/passes/{issued.id}").content)
    assert record.status is PassStatus.REDEEMED
    assert record.redeemed_at is not None


def test_a_revoked_pass_stays_revoked(operator: httpx.Client, issued: IssuedPass) -> None:
    for _ in range(2):
        assert operator.delete(f"/v1/passes/{issued.id}").status_code == 204
    assert redeem(operator, issued.token, gate=GATE).outcome == "revoked"


def test_a_revocation_is_logged_only_when_it_is_done(
    operator: httpx.Client, issued: IssuedPass, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert operator.delete(f"/v1/passes/{issued.id}").status_code == 204
    assert caplog.text.count("pass_revoked") == 1


def test_a_used_pass_cannot_be_revoked(operator: httpx.Client, issued: IssuedPass) -> None:
    redeem(operator, issued.token, gate=GATE)
    answer = operator.delete(f"/v1/passes/{issued.id}")
    assert answer.status_code == 410
    assert code_of(answer) == "pass_over"


@pytest.mark.parametrize("suffix", ["", "/qr.svg", "/qr.png"])
def test_a_pass_that_is_not_there_is_said_to_be_unknown(
    operator: httpx.Client, suffix: str
) -> None:
    answer = operator.get(f"/v1/passes/{uuid4()}{suffix}")
    assert answer.status_code == 404
    assert code_of(answer) == "pass_unknown"


def test_the_code_is_shown_to_a_kiosk_at_its_gate(login: Login, issued: IssuedPass) -> None:
    kiosk = login(Role.KIOSK, GATE)
    png = kiosk.get(f"/v1/passes/{issued.id}/qr.png")
    assert png.headers["Content-Type"] == "image/png"
    assert png.headers["Cache-Control"] == "no-store"
    picture = cv2.imdecode(np.frombuffer(png.content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    (code,) = zxingcpp.read_barcodes(picture)
    assert code.text == issued.token
    svg = kiosk.get(f"/v1/passes/{issued.id}/qr.svg")
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert b"<svg" in svg.content
    stranger = login(Role.KIOSK, OTHER_GATE).get(f"/v1/passes/{issued.id}/qr.png")
    assert code_of(stranger) == "gate_forbidden"


@pytest.mark.parametrize("end", ["redeemed", "revoked", "expired"])
def test_the_code_of_a_pass_that_is_over_is_gone(
    operator: httpx.Client, store: Store, make_event: Make, issued: IssuedPass, end: str
) -> None:
    shown = issued
    if end == "redeemed":
        redeem(operator, issued.token, gate=GATE)
    elif end == "revoked":
        operator.delete(f"/v1/passes/{issued.id}")
    else:
        # Over before anybody could ask for it.
        shown = issue(store, make_event(), timedelta(milliseconds=1))
    for kind in ("svg", "png"):
        answer = operator.get(f"/v1/passes/{shown.id}/qr.{kind}")
        assert answer.status_code == 410
        assert code_of(answer) == "pass_over"
        assert end in answer.json()["detail"]


def test_a_redemption_is_undone_and_the_pass_is_good_again(
    login: Login, issued: IssuedPass
) -> None:
    scanner = login(Role.SCANNER, GATE)
    assert redeem(scanner, issued.token).outcome == "admitted"
    answer = scanner.post(f"/v1/passes/{issued.id}/undo", json={"reason": "stuck"})
    assert answer.status_code == 200, answer.text
    assert PassRecord.model_validate_json(answer.content).status is PassStatus.ISSUED
    again = scanner.post(f"/v1/passes/{issued.id}/undo", json={})
    assert (again.status_code, code_of(again)) == (409, "undo_refused")
    # A request of the undone attempt that comes late admits nobody: nobody stands there now.
    assert redeem(scanner, issued.token).outcome == "undone"
    assert redeem(scanner, issued.token, "nonce-0002").outcome == "admitted"
    assert redeem(scanner, issued.token, "nonce-0003").outcome == "already_redeemed"
    (entry,) = login(Role.ADMIN).get("/v1/audit").json()["items"]
    assert (entry["act"], entry["reason"]) == ("pass.redemption_undone", "stuck")


def undo(client: httpx.Client, pass_id: UUID, nonce: str | None = None) -> httpx.Response:
    return client.post(f"/v1/passes/{pass_id}/undo", json={"nonce": nonce} if nonce else {})


def status_after(answer: httpx.Response) -> PassStatus:
    assert answer.status_code == 200, answer.text
    return PassRecord.model_validate_json(answer.content).status


def test_a_repeated_undo_takes_back_no_later_redemption(login: Login, issued: IssuedPass) -> None:
    scanner = login(Role.SCANNER, GATE)
    assert redeem(scanner, issued.token, "nonce-0001").outcome == "admitted"
    assert status_after(undo(scanner, issued.id, "nonce-0001")) is PassStatus.ISSUED
    assert status_after(undo(scanner, issued.id, "nonce-0001")) is PassStatus.ISSUED
    assert redeem(scanner, issued.token, "nonce-0002").outcome == "admitted"
    assert status_after(undo(scanner, issued.id, "nonce-0001")) is PassStatus.REDEEMED
    assert redeem(scanner, issued.token, "nonce-0003").outcome == "already_redeemed"
    acts = [entry["act"] for entry in login(Role.ADMIN).get("/v1/audit").json()["items"]]
    assert acts == ["pass.redemption_undone"]
    assert status_after(undo(scanner, issued.id, "nonce-0002")) is PassStatus.ISSUED


def test_an_undo_without_a_nonce_is_for_a_pass_that_was_never_undone(
    login: Login, operator: httpx.Client, issued: IssuedPass
) -> None:
    scanner = login(Role.SCANNER, GATE)
    redeem(scanner, issued.token, "nonce-0001")
    assert status_after(undo(scanner, issued.id)) is PassStatus.ISSUED
    redeem(scanner, issued.token, "nonce-0002")
    for client in (scanner, operator):
        again = undo(client, issued.id)
        assert (again.status_code, code_of(again)) == (409, "undo_refused")
        assert "send the `nonce`" in again.json()["detail"]
    assert status_after(undo(operator, issued.id, "nonce-0002")) is PassStatus.ISSUED


@pytest.mark.parametrize("redeemed", [True, False])
def test_a_nonce_that_admitted_nobody_undoes_nothing(
    operator: httpx.Client, issued: IssuedPass, redeemed: bool
) -> None:
    if redeemed:
        redeem(operator, issued.token, "nonce-0001", gate=GATE)
        redeem(operator, issued.token, "nonce-0002", gate=GATE)
    answer = undo(operator, issued.id, "nonce-0002")
    assert (answer.status_code, code_of(answer)) == (409, "undo_refused")
    said = "no attempt of this nonce" if redeemed else "not redeemed"
    assert said in answer.json()["detail"]


def test_the_nonces_of_two_scanners_are_not_mixed_up(
    login: Login, operator: httpx.Client, issued: IssuedPass
) -> None:
    left, right = login(Role.SCANNER, GATE), login(Role.SCANNER, GATE)
    assert redeem(left, issued.token, "nonce-0001").outcome == "admitted"
    assert code_of(undo(right, issued.id, "nonce-0001")) == "undo_refused"
    assert status_after(undo(left, issued.id, "nonce-0001")) is PassStatus.ISSUED
    # The same nonce of another scanner is another attempt, of somebody who stands there now.
    assert redeem(right, issued.token, "nonce-0001").outcome == "admitted"
    assert status_after(undo(left, issued.id, "nonce-0001")) is PassStatus.REDEEMED
    # An operator may mean either: their request may be a repeated one, so it changes nothing.
    assert status_after(undo(operator, issued.id, "nonce-0001")) is PassStatus.REDEEMED
    assert status_after(undo(right, issued.id, "nonce-0001")) is PassStatus.ISSUED


def test_an_undo_is_repeated_in_peace_when_its_minute_is_over(
    store: Store, operator: httpx.Client, issued: IssuedPass
) -> None:
    redeem(operator, issued.token, "nonce-0001", gate=GATE)
    assert status_after(undo(operator, issued.id, "nonce-0001")) is PassStatus.ISSUED
    held = store.passes.get(issued.id)
    assert held is not None
    late = now() + timedelta(days=1)
    assert store.passes.undo(held, None, late, "nonce-0001") is UndoOutcome.REPEATED


def test_many_undoings_of_one_redemption_at_once_are_one(
    login: Login, operator: httpx.Client, issued: IssuedPass
) -> None:
    redeem(operator, issued.token, "nonce-0001", gate=GATE)
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda _: undo(operator, issued.id, "nonce-0001"), range(32)))
    assert {status_after(answer) for answer in done} == {PassStatus.ISSUED}
    (entry,) = login(Role.ADMIN).get("/v1/audit").json()["items"]
    assert entry["act"] == "pass.redemption_undone"
    (row,) = operator.get("/v1/stats", params={"gate": GATE}).json()["items"]
    assert row["redeemed"] == 0


def test_only_the_scanner_that_redeemed_or_an_operator_undoes(
    login: Login, operator: httpx.Client, issued: IssuedPass
) -> None:
    redeem(login(Role.SCANNER, GATE), issued.token)
    stranger = login(Role.SCANNER, GATE).post(f"/v1/passes/{issued.id}/undo", json={})
    assert code_of(stranger) == "undo_refused"
    assert operator.post(f"/v1/passes/{issued.id}/undo", json={}).status_code == 200


def test_what_was_redeemed_over_a_minute_ago_stays_redeemed(
    store: Store, operator: httpx.Client, issued: IssuedPass
) -> None:
    door.redeem(
        store,
        scanned=issued.token,
        nonce="nonce-0001",
        gate=GATE,
        key_id="k",
        now=now() - timedelta(seconds=61),
    )
    assert code_of(operator.post(f"/v1/passes/{issued.id}/undo", json={})) == "undo_refused"


def test_a_closed_gate_admits_nobody_until_it_is_open(
    operator: httpx.Client, login: Login, issued: IssuedPass
) -> None:
    scanner = login(Role.SCANNER, GATE)
    redeem(scanner, "7Kq2mXw9RtB4z")  # so that the process remembers the gate as open
    for closed, outcome in ((True, "gate_closed"), (False, "admitted")):
        answer = operator.patch(f"/v1/gates/{GATE}", json={"closed": closed, "reason": "drill"})
        assert answer.json()["closed"] is closed
        assert redeem(scanner, issued.token, f"nonce-{outcome}").outcome == outcome
    acts = [entry["act"] for entry in login(Role.ADMIN).get("/v1/audit").json()["items"]]
    assert acts == ["gate.opened", "gate.closed"]


def test_a_hundred_attempts_at_once_over_http_admit_exactly_one(
    login: Login, issued: IssuedPass
) -> None:
    scanner = login(Role.SCANNER, GATE)
    outcomes: list[str] = []

    def attempt(number: int) -> None:
        outcomes.append(redeem(scanner, issued.token, f"nonce-{number:04}").outcome)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("admitted"), outcomes.count("already_redeemed")) == (1, 99)


def issued_before(
    store: Store, make_event: Make, ago: timedelta, lifetime: timedelta
) -> IssuedPass:
    at = now() - ago
    return issue(store, make_event(occurred_at=at, first_seen_at=at), lifetime)


def admitted_offline(
    client: httpx.Client, token: str, at: datetime, nonce: str = "nonce-0001"
) -> Redemption:
    return redeem(client, token, nonce, admitted_at=at.isoformat())


def test_an_admission_without_the_cloud_is_recorded_as_of_its_time(
    login: Login, operator: httpx.Client, store: Store, make_event: Make
) -> None:
    issued = issued_before(store, make_event, timedelta(hours=1), timedelta(minutes=5))
    operator.patch(f"/v1/gates/{GATE}", json={"closed": True, "reason": "closed since"})
    admitted_at = issued.expires_at - timedelta(minutes=2)
    said = admitted_offline(login(Role.SCANNER, GATE), issued.token, admitted_at)
    assert (said.outcome, said.redeemed_at) == ("admitted", admitted_at)
    (attempt,) = operator.get("/v1/redemptions").json()["items"]
    assert attempt["outcome"] == "admitted"
    assert datetime.fromisoformat(attempt["admitted_offline_at"]) == admitted_at
    assert datetime.fromisoformat(attempt["at"]) > admitted_at


def test_a_double_use_during_an_outage_is_found(
    login: Login,
    operator: httpx.Client,
    store: Store,
    make_event: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    issued = issued_before(store, make_event, timedelta(hours=1), timedelta(minutes=5))
    at = issued.expires_at - timedelta(minutes=2)
    one, other = login(Role.SCANNER, GATE), login(Role.SCANNER, GATE)
    assert admitted_offline(one, issued.token, at, "nonce-one1").outcome == "admitted"
    with caplog.at_level(logging.WARNING):
        said = admitted_offline(other, issued.token, at + timedelta(seconds=30), "nonce-two2")
    assert said.outcome == "already_redeemed"
    newest, _first = operator.get("/v1/redemptions").json()["items"]
    assert newest["outcome"] == "already_redeemed"
    assert newest["admitted_offline_at"] is not None
    metrics = operator.get("/metrics").text
    assert 'maskgate_offline_admissions_wrong_total{outcome="already_redeemed"} 1' in metrics


def test_a_pass_that_was_over_at_the_admission_is_refused(
    login: Login, store: Store, make_event: Make
) -> None:
    issued = issued_before(store, make_event, timedelta(hours=1), timedelta(minutes=5))
    at = issued.expires_at + timedelta(seconds=1)
    assert admitted_offline(login(Role.SCANNER, GATE), issued.token, at).outcome == "expired"


def test_a_door_whose_clock_is_ahead_admitted_now_at_the_latest(
    login: Login, issued: IssuedPass
) -> None:
    ahead = issued.expires_at + timedelta(hours=1)
    said = admitted_offline(login(Role.SCANNER, GATE), issued.token, ahead)
    assert said.outcome == "admitted"
    assert said.redeemed_at is not None
    assert said.redeemed_at <= now()


def test_only_a_scanner_may_say_that_it_admitted_somebody(
    operator: httpx.Client, issued: IssuedPass
) -> None:
    body = {
        "token": issued.token,
        "nonce": "nonce-0001",
        "gate": GATE,
        "admitted_at": "2026-03-02T08:16:02Z",
    }
    answer = operator.post("/v1/passes/redeem", json=body)
    assert answer.status_code == 403
    assert code_of(answer) == "role_forbidden"
