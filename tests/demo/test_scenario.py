"""The scenario fails when one of its steps did not happen."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import cv2
import httpx
import numpy as np
import pytest

from cloud.client import Client
from cloud.contract import Access, EventPage, EventRecord, Label, PassRecord, PassStatus
from demo.scenario import ScenarioError, ScenarioResult, decode, run_scenario

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
TOKEN = "7gKq2mVxR4tZa"
PASS_ID = "0197c2f0-0000-7000-8000-00000000000a"


def _png(text: str) -> bytes:
    module = cv2.QRCodeEncoder.create().encode(text)
    framed = cv2.copyMakeBorder(module, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=255)
    large = cv2.resize(framed, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    return bytes(cv2.imencode(".png", large)[1])


def _record(number: int, access: Access) -> EventRecord:
    granted = access is Access.GRANTED
    record = PassRecord(
        id=PASS_ID,
        gate="front-door",
        status=PassStatus.ISSUED,
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
        qr_ready_at=NOW + timedelta(seconds=2),
    )
    return EventRecord(
        id=f"0197c2f0-0000-7000-8000-{number:012d}",
        label=Label.WITH_MASK if granted else Label.WITHOUT_MASK,
        confidence=0.9,
        votes=7,
        first_seen_at=NOW + timedelta(seconds=0.5),
        occurred_at=NOW + timedelta(seconds=1),
        gate="front-door",
        device_id="d1",
        access=access,
        accepted_at=NOW + timedelta(seconds=1),
        pass_record=record if granted else None,
        cursor=str(number),
    )


def _api(
    seen: list[EventRecord], outcomes: list[str], png: bytes
) -> Callable[[httpx.Request], httpx.Response]:
    left = list(outcomes)

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/events":
            page = EventPage(items=seen)
            return httpx.Response(200, text=page.model_dump_json())
        if path.startswith("/v1/events/"):
            [event] = [event for event in seen if str(event.id) == path.rsplit("/", 1)[1]]
            return httpx.Response(200, text=event.model_dump_json())
        if path == f"/v1/passes/{PASS_ID}/qr.png":
            return httpx.Response(200, content=png)
        if path == "/v1/passes/redeem":
            assert request.headers["Authorization"] == "Bearer scanner-key"
            assert json.loads(request.content)["token"] == TOKEN
            body = {"outcome": left.pop(0), "message": "", "at": NOW.isoformat()}
            return httpx.Response(200, json=body)
        return httpx.Response(404, text="no such route")

    return answer


def _play(seen: list[EventRecord], outcomes: list[str], png: bytes) -> ScenarioResult:
    transport = httpx.MockTransport(_api(seen, outcomes, png))
    with (
        Client("http://cloud", "operator-key", transport=transport) as api,
        Client("http://cloud", "scanner-key", transport=transport) as scanner,
    ):
        return run_scenario(api, scanner)


REFUSED = _record(1, Access.REFUSED)
GRANTED = _record(2, Access.GRANTED)


def test_a_scenario_that_went_well_has_its_figures() -> None:
    result = _play([GRANTED, REFUSED], ["admitted", "already_redeemed"], _png(TOKEN))
    assert result.refused == 1
    assert result.granted == 1
    assert result.seconds_from_face_to_qr == 1.5


@pytest.mark.parametrize(
    ("seen", "outcomes", "says"),
    [
        ([GRANTED], ["admitted", "already_redeemed"], "nobody was refused"),
        ([REFUSED], [], "nobody got a pass"),
        ([GRANTED, REFUSED], ["admitted", "admitted"], "once and only once"),
        ([GRANTED, REFUSED], ["expired", "expired"], "once and only once"),
    ],
)
def test_a_missing_step_fails(seen: list[EventRecord], outcomes: list[str], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        _play(seen, outcomes, _png(TOKEN))


def test_a_picture_without_a_code_fails() -> None:
    blank = bytes(cv2.imencode(".png", np.full((200, 200), 255, np.uint8))[1])
    with pytest.raises(ScenarioError, match="could not be read back"):
        decode(blank)


def test_bytes_that_are_no_picture_fail() -> None:
    with pytest.raises(ScenarioError, match="not a picture"):
        decode(b"<svg/>")
