import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from cloud.contract import (
    Access,
    Decision,
    Event,
    EventPage,
    EventRecord,
    Label,
    Problem,
    RefusalReason,
    Role,
)
from tests.cloud.conftest import GATE, OTHER_GATE, Login, posted

Make = Callable[..., Event]


def post(device: httpx.Client, event: Event) -> httpx.Response:
    return device.post("/v1/events", json=posted(event))


def page(client: httpx.Client, **query: str | int) -> EventPage:
    answer = client.get("/v1/events", params=query)
    assert answer.status_code == 200, answer.text
    return EventPage.model_validate_json(answer.content)


def code_of(answer: httpx.Response) -> str:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == answer.status_code
    return problem.code.value


def test_a_new_event_is_created_and_the_same_again_is_answered_alike(
    device: httpx.Client, make_event: Make
) -> None:
    event = make_event()
    first, second = post(device, event), post(device, event)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    decision = Decision.model_validate_json(first.content)
    assert decision.gate == GATE
    assert decision.issued_pass is not None


def test_the_camera_of_an_event_is_kept(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    assert post(device, make_event(camera="side")).status_code == 201
    (kept,) = page(operator).items
    assert kept.camera == "side"


def test_twenty_identical_posts_at_once_make_one_event(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    event = make_event()
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(device, event))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert len(page(operator).items) == 1


def test_another_event_under_the_same_id_is_a_conflict(
    device: httpx.Client, make_event: Make
) -> None:
    event = make_event()
    post(device, event)
    answer = post(device, make_event(Label.WITHOUT_MASK, id=event.id))
    assert answer.status_code == 409
    assert code_of(answer) == "event_conflict"


def test_fields_that_a_newer_edge_adds_are_ignored(device: httpx.Client, make_event: Make) -> None:
    event = make_event()
    answer = device.post("/v1/events", json={**posted(event), "temperature_c": 36.6})
    assert answer.status_code == 201
    assert post(device, event).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"id": "not-a-uuid"},
        {"id": "6f1c1f3e-94a7-4a63-8d9f-2f8e2c1a9a10"},  # version 4
        {"label": "hat"},
        {"confidence": 1.5},
        {"confidence": "NaN"},
        {"votes": 0},
        {"occurred_at": "2026-03-02T08:15:30"},  # says no zone
        {"occurred_at": "2026-03-02T08:15:00Z"},  # before it was first seen
        {"models": {"classifier": "abc"}},
        {"first_seen_at": "0001-01-01T00:00:00+14:00"},  # before there are years in UTC
        {"occurred_at": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_an_event_that_breaks_the_contract_is_told_where(
    device: httpx.Client, make_event: Make, change: dict[str, object]
) -> None:
    answer = device.post("/v1/events", json={**posted(make_event()), **change})
    assert answer.status_code == 422
    assert code_of(answer) == "malformed_request"
    problem = Problem.model_validate_json(answer.content)
    assert problem.errors
    assert all("input" not in error for error in problem.errors)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'"' + b"a" * 100])
def test_a_body_that_is_no_event_is_refused(device: httpx.Client, body: bytes) -> None:
    answer = device.post("/v1/events", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert code_of(answer) == "malformed_request"


def test_events_come_newest_first_in_pages(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    events = [make_event() for _ in range(7)]
    for event in events:
        post(device, event)
    seen = []
    cursor: dict[str, str] = {}
    sizes = []
    while True:
        read = page(operator, limit=3, **cursor)
        seen += [item.id for item in read.items]
        sizes.append(len(read.items))
        if read.next is None:
            break
        cursor = {"before": read.next}
    assert seen == [event.id for event in reversed(events)]
    assert sizes == [3, 3, 1]


def test_events_are_filtered_by_what_they_say(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    for label in (Label.WITH_MASK, Label.WITHOUT_MASK, Label.INCORRECT_MASK, Label.WITH_MASK):
        post(device, make_event(label))
    assert len(page(operator, access="refused").items) == 2
    assert len(page(operator, access="granted").items) == 2
    assert [item.label for item in page(operator, label="incorrect_mask").items] == [
        Label.INCORRECT_MASK
    ]
    assert page(operator, access="granted", label="without_mask").items == []
    first = page(operator, access="granted", limit=1)
    assert first.next is not None
    assert len(page(operator, access="granted", limit=1, before=first.next).items) == 1


def test_events_are_filtered_by_when_they_were_accepted(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    for _ in range(4):
        post(device, make_event())
    newest_first = page(operator).items
    second = newest_first[2]
    place = datetime.fromtimestamp(int(second.cursor.partition("-")[0]) / 1000, UTC)
    ids = [item.id for item in newest_first]
    for since in (True, False):
        found = page(operator, **{"since" if since else "until": place.isoformat()}).items
        cursors = [int(item.cursor.partition("-")[0]) for item in newest_first]
        at = int(second.cursor.partition("-")[0])
        kept = [place >= at if since else place < at for place in cursors]
        assert [item.id for item in found] == [
            each for each, keep in zip(ids, kept, strict=True) if keep
        ]
    first = page(operator, since=place.isoformat(), limit=1)
    assert first.next is not None
    rest = page(operator, since=place.isoformat(), limit=3, before=first.next)
    assert [item.id for item in (*first.items, *rest.items)][:2] == ids[:2]
    assert page(operator, until="1901-01-01T00:00:00Z").items == []
    assert page(operator, since="9999-01-01T00:00:00Z").items == []


def test_events_are_filtered_by_device(
    login: Login, operator: httpx.Client, make_event: Make
) -> None:
    post(login(Role.DEVICE), make_event())
    post(login(Role.DEVICE), make_event())
    item = page(operator).items[0]
    assert page(operator, device=item.device_id).items == [item]
    assert page(operator, device="nobody").items == []


def test_events_of_a_gate_are_told_apart(
    login: Login, operator: httpx.Client, make_event: Make
) -> None:
    here, there = login(Role.DEVICE), login(Role.DEVICE, OTHER_GATE)
    post(here, make_event())
    post(there, make_event())
    assert [item.gate for item in page(operator, gate=OTHER_GATE).items] == [OTHER_GATE]
    assert len(page(operator).items) == 2


@pytest.mark.parametrize(
    "query",
    [
        {"before": "yesterday"},
        {"before": "0-0"},
        {"before": "99999999999999999999-0"},
        {"limit": 0},
        {"limit": 201},
        {"access": "maybe"},
    ],
)
def test_a_query_that_breaks_the_contract_is_refused(
    operator: httpx.Client, query: dict[str, str]
) -> None:
    answer = operator.get("/v1/events", params=query)
    assert answer.status_code == 422
    assert code_of(answer) == "malformed_request"


def test_one_event_is_read_with_its_pass(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    event = make_event()
    decision = Decision.model_validate_json(post(device, event).content)
    answer = operator.get(f"/v1/events/{event.id}")
    record = EventRecord.model_validate_json(answer.content)
    assert record == page(operator).items[0]
    assert record.pass_record is not None
    assert decision.issued_pass is not None
    assert record.pass_record.id == decision.issued_pass.id
    assert decision.issued_pass.token not in answer.text


def test_an_event_that_is_not_there_is_said_to_be_unknown(
    operator: httpx.Client, make_event: Make
) -> None:
    answer = operator.get(f"/v1/events/{make_event().id}")
    assert answer.status_code == 404
    assert code_of(answer) == "event_unknown"


def test_a_refusal_says_why(device: httpx.Client, operator: httpx.Client, make_event: Make) -> None:
    decision = Decision.model_validate_json(post(device, make_event(Label.WITHOUT_MASK)).content)
    assert decision.refusal is not None
    assert page(operator).items[0].refusal == decision.refusal


# Events that are old when they come, or that lie in the future.


def decided(answer: httpx.Response) -> Decision:
    assert answer.status_code == 201, answer.text
    return Decision.model_validate_json(answer.content)


def test_an_event_of_three_hours_ago_is_kept_and_gets_no_pass(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    moment = datetime.now(UTC) - timedelta(hours=3)
    event = make_event(first_seen_at=moment, occurred_at=moment)
    first = post(device, event)
    decision = decided(first)
    assert (decision.access, decision.issued_pass) == (Access.REFUSED, None)
    assert decision.refusal is not None
    assert decision.refusal.reason is RefusalReason.TOO_LATE
    assert post(device, event).json() == first.json()
    (record,) = page(operator).items
    assert record.refusal == decision.refusal
    assert record.happened_at is not None
    assert abs(record.happened_at - moment) < timedelta(seconds=1)
    assert record.occurred_at == event.occurred_at


def test_an_event_of_two_minutes_ago_gets_the_three_minutes_that_are_left(
    device: httpx.Client, make_event: Make
) -> None:
    moment = datetime.now(UTC) - timedelta(minutes=2)
    decision = decided(post(device, make_event(first_seen_at=moment, occurred_at=moment)))
    assert decision.issued_pass is not None
    expires_at = decision.issued_pass.expires_at
    assert abs(expires_at - moment - timedelta(minutes=5)) < timedelta(milliseconds=2)


@pytest.mark.parametrize("off", [timedelta(hours=-5), timedelta(hours=5)])
def test_a_door_with_a_wrong_clock_that_says_so_by_date_gets_its_pass(
    device: httpx.Client, operator: httpx.Client, make_event: Make, off: timedelta
) -> None:
    moment = datetime.now(UTC) + off
    event = make_event(first_seen_at=moment, occurred_at=moment)
    answer = device.post(
        "/v1/events", json=posted(event), headers={"Date": format_datetime(moment, usegmt=True)}
    )
    decision = decided(answer)
    assert decision.issued_pass is not None
    assert decision.issued_pass.expires_at <= decision.decided_at + timedelta(minutes=5)
    (record,) = page(operator).items
    assert record.happened_at is not None
    assert timedelta() <= record.accepted_at - record.happened_at < timedelta(seconds=30)


def test_a_door_with_a_wrong_clock_that_was_offline_is_too_late_by_the_clouds_clock(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    sent = datetime.now(UTC) + timedelta(hours=5)
    moment = sent - timedelta(minutes=30)
    event = make_event(Label.WITHOUT_MASK, first_seen_at=moment, occurred_at=moment)
    date = {"Date": format_datetime(sent, usegmt=True)}
    decision = decided(device.post("/v1/events", json=posted(event), headers=date))
    assert decision.refusal is not None
    assert decision.refusal.reason is RefusalReason.TOO_LATE
    (record,) = page(operator).items
    assert record.happened_at is not None
    age = record.accepted_at - record.happened_at
    assert timedelta(minutes=29) < age < timedelta(minutes=31)


@pytest.mark.parametrize("date", [None, "soon", "Sun, 99 Nov 1994 08:49:37 GMT"])
def test_a_door_whose_clock_is_ahead_gets_no_pass_where_no_date_says_by_how_much(
    device: httpx.Client, operator: httpx.Client, make_event: Make, date: str | None
) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=2)
    event = make_event(first_seen_at=moment, occurred_at=moment)
    headers = {"Date": date} if date is not None else {}
    decision = decided(device.post("/v1/events", json=posted(event), headers=headers))
    assert decision.refusal is not None
    assert decision.refusal.reason is RefusalReason.CLOCK_AHEAD
    (record,) = page(operator).items
    assert (record.happened_at, record.occurred_at) == (None, event.occurred_at)


def test_an_event_of_half_a_minute_ahead_is_taken_as_of_now(
    device: httpx.Client, make_event: Make
) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=30)
    decision = decided(post(device, make_event(first_seen_at=moment, occurred_at=moment)))
    assert decision.issued_pass is not None
    assert decision.issued_pass.expires_at == decision.decided_at + timedelta(minutes=5)


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_an_event_of_any_year_is_answered(
    device: httpx.Client, operator: httpx.Client, make_event: Make, year: int
) -> None:
    event = make_event()
    body = {**posted(event), "first_seen_at": "0001-01-01T00:00:00Z"}
    body["occurred_at"] = f"{year:04}-12-31T23:59:59Z"
    decision = decided(device.post("/v1/events", json=body))
    assert decision.access is Access.REFUSED
    assert page(operator).items[0].id == event.id


def test_a_pass_of_whom_the_camera_saw_for_ages_is_read(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    body = {**posted(make_event()), "first_seen_at": "0001-01-01T00:00:00Z"}
    assert decided(device.post("/v1/events", json=body)).access is Access.GRANTED
    assert page(operator).items[0].pass_record is not None
