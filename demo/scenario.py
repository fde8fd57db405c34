"""The story that the demo must tell, checked from outside: everything is read back from the API."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

import cv2
import numpy as np
import zxingcpp

from cloud.client import Client
from cloud.contract import Access, EventRecord, Outcome, PassRecord, RedemptionRequest

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


def _with_qr(api: Client, event: EventRecord) -> tuple[PassRecord, datetime]:
    """Wait until the worker has drawn the pass's QR code and handed it over."""
    give_up = time.monotonic() + QR_TIMEOUT_S
    while time.monotonic() < give_up:
        record = api.get_event(event.id).pass_record
        if record is None:
            raise StoryError("an event was granted, but the API knows no pass for it")
        if record.qr_ready_at is not None:
            return record, record.qr_ready_at
        time.sleep(0.05)
    raise StoryError(
        f"the pass's QR code was not ready within {QR_TIMEOUT_S:.0f} s: does the worker run?"
    )


def _redeem(scanner: Client, text: str) -> Outcome:
    return scanner.redeem_pass(RedemptionRequest(token=text, nonce=uuid4().hex)).outcome


def play_out(api: Client, scanner: Client) -> Story:
    """Follow the newest pass from the event to the turnstile, and try it twice.

    Args:
        api: with an operator's key.
        scanner: with the key of the scanner at the gate.

    Raises:
        StoryError: nobody was refused, nobody was granted, or the pass did not work exactly once.
        ClientError: the API did not answer.
    """
    seen = list(api.iter_events())
    refused = sum(event.access is Access.REFUSED for event in seen)
    granted = [event for event in seen if event.access is Access.GRANTED]
    if not refused:
        raise StoryError("nobody was refused: the clip's first half shows a person without a mask")
    if not granted:
        raise StoryError(
            "nobody was granted a pass: the clip's second half shows a person with a mask"
        )
    newest = granted[0]
    record, qr_ready_at = _with_qr(api, newest)
    text = decode(api.get_pass_qr_png(record.id))
    story = Story(
        refused=refused,
        granted=len(granted),
        redeemed=_redeem(scanner, text),
        redeemed_again=_redeem(scanner, text),
        seconds_from_face_to_qr=round((qr_ready_at - newest.first_seen_at).total_seconds(), 3),
    )
    if (story.redeemed, story.redeemed_again) != (Outcome.ADMITTED, Outcome.ALREADY_REDEEMED):
        raise StoryError(f"a pass admits once and only once, but: {story}")
    return story
