"""A rehearsal: one visit through the API, at a gate of its own that is erased afterwards.

A rehearsal proves that the store takes writes, that the API answers at the address that devices and
scanners use, and that a worker runs. It does not prove that mail and Telegram work: nobody is told.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import stamina

from cloud.client import Client, ClientError
from cloud.contract import (
    Access,
    Decision,
    EnrolmentRequest,
    Event,
    Gate,
    Label,
    Outcome,
    RedemptionRequest,
    Role,
)
from cloud.errors import RehearsalFailed
from cloud.store import COMMAND, Store, mint, now

GATE_PREFIX: Final = "rehearsal-"
CODE_LIFETIME: Final = timedelta(minutes=5)
VOTES: Final = 5

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rehearsal found.

    Args:
        gate: The id of the gate that was erased.
        steps: How long each step took, in seconds, in the order of the steps.
    """

    gate: str
    steps: dict[str, float]


class _Visit:
    """The steps of a visit, by a camera and by a scanner that has an operator's key of the gate.

    Args:
        store: The store.
        api: A client of the API.
        gate: The id of the gate.
        timeout_s: Seconds to wait for the API, and for a worker.
    """

    def __init__(self, store: Store, api: Client, gate: str, timeout_s: float) -> None:
        self._store = store
        self._api = api
        self._gate = gate
        self._timeout_s = timeout_s
        self._camera = ""
        self._scanner = ""
        self._event: UUID = uuid4()
        self._token = ""

    def wait_for_the_api(self) -> None:
        for attempt in stamina.retry_context(
            on=ClientError,
            attempts=None,
            timeout=self._timeout_s,
            wait_max=2.0,
        ):
            with attempt:
                self._api.readyz()

    def make_a_gate(self) -> None:
        name = "Rehearsal, may be removed"
        self._store.gates.add(Gate(id=self._gate, name=name, created_at=now()))
        key = mint(name, Role.OPERATOR, self._gate)
        self._store.keys.add(key.stored)
        self._scanner = key.text

    def enrol_a_camera(self) -> None:
        code = self._store.devices.new_code(self._gate, CODE_LIFETIME, now())
        request = EnrolmentRequest(code=code.code, name="rehearsal", version="0")
        self._camera = self._api.enrol_device(request).device_key

    def be_refused(self) -> None:
        decision = self._judged(Label.WITHOUT_MASK)
        if decision.access is not Access.REFUSED:
            raise RehearsalFailed(f"without a mask, access was {decision.access.value}")

    def be_granted(self) -> None:
        decision = self._judged(Label.WITH_MASK)
        if decision.access is not Access.GRANTED or decision.issued_pass is None:
            raise RehearsalFailed(f"with a mask, access was {decision.access.value}")
        self._event, self._token = decision.event_id, decision.issued_pass.token

    def get_the_code(self) -> None:
        give_up = time.monotonic() + self._timeout_s
        while True:
            held = self._with(self._scanner).get_event(self._event).pass_record
            if held is not None and held.qr_ready_at is not None:
                return
            if time.monotonic() > give_up:
                raise RehearsalFailed(
                    f"no worker drew the code within {self._timeout_s:.0f} s; does one run?"
                )
            time.sleep(0.1)

    def enter_once(self) -> None:
        for expected in (Outcome.ADMITTED, Outcome.ALREADY_REDEEMED):
            attempt = RedemptionRequest(token=self._token, nonce=uuid4().hex)
            answer = self._with(self._scanner).redeem_pass(attempt)
            if answer.outcome is not expected:
                raise RehearsalFailed(
                    f"the pass was answered {answer.outcome.value}, not {expected.value}"
                )

    def _judged(self, label: Label) -> Decision:
        seen = datetime.now(UTC)
        event = Event(
            id=_uuid7(seen),
            label=label,
            confidence=1,
            votes=VOTES,
            first_seen_at=seen,
            occurred_at=seen,
        )
        return self._with(self._camera).post_event(event)

    def _with(self, key: str) -> Client:
        self._api.use_key(key)
        return self._api


def rehearse(
    store: Store, api_url: str, timeout_s: float, progress: Progress = lambda *_: None
) -> Rehearsal:
    """Play a visit through at an API, and erase it again, also where it fails.

    Args:
        store: The store of that API.
        api_url: The API's address.
        timeout_s: Seconds to wait for the API, and as many to wait for a worker.
        progress: Called after each step with its name and the seconds that it took.

    Returns:
        How long each step took.

    Raises:
        RehearsalFailed: A step went wrong.
        StoreError: The store is away.
    """
    gate = GATE_PREFIX + secrets.token_hex(4)
    steps: dict[str, float] = {}
    with Client(api_url) as api:
        visit = _Visit(store, api, gate, timeout_s)
        try:
            for step in (
                visit.wait_for_the_api,
                visit.make_a_gate,
                visit.enrol_a_camera,
                visit.be_refused,
                visit.be_granted,
                visit.get_the_code,
                visit.enter_once,
            ):
                name = step.__name__.replace("_", " ")
                began = time.monotonic()
                try:
                    step()
                except (ClientError, RehearsalFailed) as error:
                    raise RehearsalFailed(f"{name}: {error}") from error
                steps[name] = round(time.monotonic() - began, 3)
                progress(name, steps[name])
        finally:
            store.erasure.gate(gate)
    store.audit.record(
        actor=COMMAND, act="cloud.rehearsed", subject=f"gate:{gate}", now=now(), gate=gate
    )
    return Rehearsal(gate, steps)


def _uuid7(moment: datetime) -> UUID:
    """Return a UUID of version 7 (RFC 9562 section 5.7): milliseconds, then random bits."""
    milliseconds = int(moment.timestamp() * 1000)
    bits = milliseconds << 80 | secrets.randbits(80)
    bits &= ~(0xF << 76 | 0x3 << 62)
    return UUID(int=bits | 0x7 << 76 | 0x2 << 62)
