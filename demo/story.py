"""The story that the demo must tell, checked from outside: everything is read back from the API."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import cv2
import httpx
import numpy as np
import zxingcpp

from cloud.contract import Access, EventPage, EventRecord, Outcome, PassRecord, Redemption

QR_TIMEOUT_S: Final = 20.0


class StoryError(Exception):
    """A part of the story did not happen. The message says which."""


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, as the API tells it.

    `seconds_from_face_to_qr` runs from the first frame that showed the person with the mask.
    """

    refused: int
    granted: int
    redeemed: Outcome
    redeemed_again: Outcome
    seconds_from_face_to_qr: float


def _answer(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise StoryError(
            f"{response.request.method} {response.request.url.path} was answered "
            f"{response.status_code}: {response.text}"
        )
    return response


def events(api: httpx.Client) -> Iterator[EventRecord]:
    """All events that the key may see, newest first."""
    before: str | None = None
    while True:
        parameters = {"limit": "100"} | ({"before": before} if before else {})
        page = EventPage.model_validate_json(
            _answer(api.get("/v1/events", params=parameters)).content
        )
        yield from page.items
        if page.next is None:
            return
        before = page.next


def decode(png: bytes) -> str:
    """Read a QR code's text back from its picture, as a door's scanner would.

    Raises:
        StoryError: the bytes are no picture, or the picture holds no readable code.
    """
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise StoryError("the API's QR code is not a picture")
    codes = zxingcpp.read_barcodes(picture)
    if not codes:
        raise StoryError("the QR code could not be read back from its picture")
    return str(codes[0].text)


def _with_qr(api: httpx.Client, event: EventRecord) -> PassRecord:
    """Wait until the worker has drawn the pass's QR code and handed it over."""
    give_up = time.monotonic() + QR_TIMEOUT_S
    while time.monotonic() < give_up:
        record = EventRecord.model_validate_json(
            _answer(api.get(f"/v1/events/{event.id}")).content
        ).pass_record
        if record is None:
            raise StoryError("an event was granted, but the API knows no pass for it")
        if record.qr_ready_at is not None:
            return record
        time.sleep(0.05)
    raise StoryError(
        f"the pass's QR code was not ready within {QR_TIMEOUT_S:.0f} s: does the worker run?"
    )


def _redeem(api: httpx.Client, scanner_key: str, text: str) -> Outcome:
    body = {"token": text, "nonce": uuid4().hex}
    scanner = {"Authorization": f"Bearer {scanner_key}"}
    answer = _answer(api.post("/v1/passes/redeem", json=body, headers=scanner))
    return Redemption.model_validate_json(answer.content).outcome


def play_out(api: httpx.Client, scanner_key: str) -> Story:
    """Follow the newest pass from the event to the turnstile, and try it twice.

    Args:
        api: a client with an operator's key.
        scanner_key: the key of the scanner at the gate.

    Raises:
        StoryError: nobody was refused, nobody was granted, or the pass did not work exactly once.
    """
    seen = list(events(api))
    refused = sum(event.access is Access.REFUSED for event in seen)
    granted = [event for event in seen if event.access is Access.GRANTED]
    if not refused:
        raise StoryError("nobody was refused: the clip's first half shows a person without a mask")
    if not granted:
        raise StoryError(
            "nobody was granted a pass: the clip's second half shows a person with a mask"
        )
    newest = granted[0]
    record = _with_qr(api, newest)
    if record.qr_ready_at is None:
        raise StoryError("the pass lost the time at which its QR code was ready")
    text = decode(_answer(api.get(f"/v1/passes/{record.id}/qr.png")).content)
    story = Story(
        refused=refused,
        granted=len(granted),
        redeemed=_redeem(api, scanner_key, text),
        redeemed_again=_redeem(api, scanner_key, text),
        seconds_from_face_to_qr=round(
            (record.qr_ready_at - newest.first_seen_at).total_seconds(), 3
        ),
    )
    if (story.redeemed, story.redeemed_again) != (Outcome.ADMITTED, Outcome.ALREADY_REDEEMED):
        raise StoryError(f"a pass admits once and only once, but: {story}")
    return story
