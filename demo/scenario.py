"""The scenario that the demo must play: a refusal, a pass, and its one redemption.

Everything is read back from the API.
"""

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


class ScenarioError(Exception):
    """A step of the scenario did not happen; the message names it."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """The result of a scenario, as the API tells it.

    Args:
        refused: The number of refused events.
        granted: The number of events with a pass.
        redeemed: The outcome of the first redemption of the pass.
        redeemed_again: The outcome of the second.
        seconds_from_face_to_qr: The time from the first frame with the person to the QR code.
    """

    refused: int
    granted: int
    redeemed: Outcome
    redeemed_again: Outcome
    seconds_from_face_to_qr: float


def decode(png: bytes) -> str:
    """Read a QR code in a picture, as a scanner at the door does.

    Args:
        png: The picture.

    Returns:
        The text of the code.

    Raises:
        ScenarioError: The bytes are no picture, or the picture holds no readable code.
    """
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise ScenarioError("the API's QR code is not a picture")
    codes = zxingcpp.read_barcodes(picture)
    if not codes:
        raise ScenarioError("the QR code could not be read back from its picture")
    return str(codes[0].text)


def _with_qr(api: Client, event: EventRecord) -> tuple[PassRecord, datetime]:
    """Wait until the worker has drawn the QR code; return the pass and the time of that."""
    give_up = time.monotonic() + QR_TIMEOUT_S
    while time.monotonic() < give_up:
        record = api.get_event(event.id).pass_record
        if record is None:
            raise ScenarioError("an event was granted, but the API has no pass for it")
        if record.qr_ready_at is not None:
            return record, record.qr_ready_at
        time.sleep(0.05)
    raise ScenarioError(
        f"the pass's QR code was not ready within {QR_TIMEOUT_S:.0f} s: does the worker run?"
    )


def _redeem(scanner: Client, text: str) -> Outcome:
    return scanner.redeem_pass(RedemptionRequest(token=text, nonce=uuid4().hex)).outcome


def run_scenario(api: Client, scanner: Client) -> ScenarioResult:
    """Follow the newest pass from its event to the door, and redeem it twice.

    Args:
        api: A client with an operator's key.
        scanner: A client with the key of the scanner at the gate.

    Returns:
        The result.

    Raises:
        ScenarioError: Nobody was refused, nobody got a pass, or the pass did not admit once.
        ClientError: The API did not answer.
    """
    events = list(api.iter_events())
    refused = sum(event.access is Access.REFUSED for event in events)
    granted = [event for event in events if event.access is Access.GRANTED]
    if not refused:
        raise ScenarioError(
            "nobody was refused, although the clip begins with a person without a mask"
        )
    if not granted:
        raise ScenarioError("nobody got a pass, although the clip ends with a person with a mask")
    newest = granted[0]
    record, qr_ready_at = _with_qr(api, newest)
    text = decode(api.get_pass_qr_png(record.id))
    result = ScenarioResult(
        refused=refused,
        granted=len(granted),
        redeemed=_redeem(scanner, text),
        redeemed_again=_redeem(scanner, text),
        seconds_from_face_to_qr=round((qr_ready_at - newest.first_seen_at).total_seconds(), 3),
    )
    if (result.redeemed, result.redeemed_again) != (Outcome.ADMITTED, Outcome.ALREADY_REDEEMED):
        raise ScenarioError(f"a pass must admit once and only once; the result: {result}")
    return result
