"""Who enters: event → access decision → pass, and the redemption of passes at the door."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from cloud import audience
from cloud.contract import (
    Access,
    Decision,
    Event,
    Gate,
    IssuedPass,
    Label,
    Language,
    Outcome,
    Redemption,
    Refusal,
    RefusalReason,
)
from cloud.contract.passes import TOKEN_ALPHABET, TOKEN_LENGTH
from cloud.errors import EventConflict, GateClosed, GateUnknown, StoreFault
from cloud.occurrence import Occurrence
from cloud.store import (
    Acceptance,
    Attempt,
    Fate,
    Receipt,
    Settlement,
    Store,
    Surroundings,
    fields_of,
)

CLOSED: Final = "This entrance is closed just now. Please speak to the staff."

REFUSALS: Final = {
    Label.WITHOUT_MASK: Refusal(
        reason=RefusalReason.NO_MASK, message="Please put on a mask, then look at the camera again."
    ),
    Label.INCORRECT_MASK: Refusal(
        reason=RefusalReason.MASK_WORN_WRONGLY,
        message="Please cover your nose and mouth, then look at the camera again.",
    ),
}

GATE_CLOSED: Final = Refusal(reason=RefusalReason.GATE_CLOSED, message=CLOSED)

REFUSALS_WHILE_CLOSED: Final = {
    Label.WITHOUT_MASK: Refusal(
        reason=RefusalReason.NO_MASK,
        message="Please put on a mask. This entrance is closed just now.",
    ),
    Label.INCORRECT_MASK: Refusal(
        reason=RefusalReason.MASK_WORN_WRONGLY,
        message="Please cover your nose and mouth. This entrance is closed just now.",
    ),
}
"""Nobody is sent back to the camera where no pass can be made."""

VISITOR_WAIT: Final = timedelta(minutes=10)
"""How long a visitor waits where the settings do not say."""

MESSAGES: Final = {
    Outcome.ADMITTED: "Welcome. Please walk in.",
    Outcome.UNKNOWN: "This code is not known here. Please look at the camera to get a pass.",
    Outcome.EXPIRED: "This pass has expired. Please look at the camera to get a new one.",
    Outcome.ALREADY_REDEEMED: "This pass has been used already. Each pass lets one person in once.",
    Outcome.REVOKED: "This pass was taken back. Please speak to the staff.",
    Outcome.WRONG_GATE: "This pass is for another entrance.",
    Outcome.GATE_CLOSED: CLOSED,
    Outcome.UNDONE: "This attempt was undone. Please show the code again.",
}


TOKENS: Final = len(TOKEN_ALPHABET) ** TOKEN_LENGTH
"""How many tokens there are: about 2^76."""

ID_BYTES: Final = 16
_LETTERS: Final = frozenset(TOKEN_ALPHABET)
_GAPS: Final = re.compile(r"[\s\x00-\x1f\x7f\ufeff]+")
_LINES: Final = re.compile(r"[\r\n\t\x00-\x1f\x7f\ufeff]+")
_AROUND_ADDRESSES: Final = "<>()[]\"'.,;!"
_KIND_OF_CODE: Final = re.compile(r"^\][A-Za-z][0-9A-Za-z]")
"""What a scanner may send before the text: `]Q1` for a QR code (ISO/IEC 15424 section 4)."""

TOKEN_BYTES: Final = 18
"""64 random bits more than a token has: cut down to one, no token is likelier than another by more
than 2^-64 of its chance (FIPS 186-5, appendix A.3.1, does so with as many)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision, and whether it was made now or given before."""

    decision: Decision
    repeated: bool


@dataclass(frozen=True, slots=True)
class Maker:
    """Who makes a pass by hand.

    Args:
        actor: as the audit trail calls them.
        request_id: of the request that asked for it, for the audit trail.
        pass_id: of the pass, where the same request can come twice.
        chat: where in Telegram the code is sent; none where it is shown instead.
    """

    actor: str
    request_id: str = ""
    pass_id: UUID | None = None
    chat: str = ""
    language: Language = Language.EN


def accept(
    store: Store,
    event: Event,
    *,
    gate: str,
    device_id: str,
    pass_lifetime: timedelta,
    now: datetime,
    sent_at: datetime | None = None,
    visitor_wait: timedelta = VISITOR_WAIT,
) -> Answer:
    """Decide on an event and keep it with all that follows; the same event again changes nothing.

    `sent_at` is when the event was sent, by the clock that `occurred_at` is by; None where that is
    not known.

    Raises EventConflict where the id is taken by a different event, or came from another device.
    """
    occurrence = Occurrence.of(event.occurred_at, sent_at, now)
    while True:
        around = store.events.surroundings(gate)
        offered = offer(
            event,
            around,
            device_id,
            pass_lifetime,
            now,
            gate=gate,
            occurrence=occurrence,
            visitor_wait=visitor_wait,
        )
        answer = settled(offered, store.events.add(offered))
        if answer is not None:
            return answer


def offer(
    event: Event,
    around: Surroundings,
    device_id: str,
    pass_lifetime: timedelta,
    now: datetime,
    *,
    gate: str,
    occurrence: Occurrence | None = None,
    visitor_wait: timedelta = VISITOR_WAIT,
) -> Acceptance:
    """Decide on an event, and return what is to be kept; raise GateUnknown without its gate.

    Without an `occurrence` the event's own time is taken at its word.
    """
    if around.gate is None:
        raise GateUnknown(f"there is no gate {gate}")
    occurred = occurrence or Occurrence.of(event.occurred_at, None, now)
    lifetime = lifetime_at(around.gate, pass_lifetime)
    decision = decide(event, gate, lifetime, now, occurrence=occurred, closed=around.gate.closed)
    told = audience.of(
        around,
        around.gate,
        event,
        decision,
        occurrence=occurred,
        visitor_wait=visitor_wait,
    )
    return Acceptance(
        event,
        device_id,
        decision,
        told.deliveries,
        around.guards,
        told.visitor,
        happened_at=occurred.at,
    )


def settled(offered: Acceptance, fate: Receipt | Fate) -> Answer | None:
    """Return the answer to an event; None where its surroundings changed: look again, then decide.

    Raises EventConflict where the id is taken by a different event, or came from another device.
    """
    if isinstance(fate, Receipt):
        return Answer(_repeated(fate, offered.event, offered.device_id), repeated=True)
    return Answer(offered.decision, repeated=False) if fate is Fate.WRITTEN else None


def decide(
    event: Event,
    gate: str,
    pass_lifetime: timedelta,
    now: datetime,
    *,
    occurrence: Occurrence | None = None,
    closed: bool = False,
) -> Decision:
    """Return the answer to a verdict: a pass for a mask worn well, a refusal for all else.

    The pass lives from the occurrence. Where it would be over, or nobody can tell when the event
    occurred, that is the reason of the refusal, whatever the label. At a gate that is closed no
    pass is made.
    """
    occurred = occurrence or Occurrence.of(event.occurred_at, None, now)
    if occurred.at is None:
        return _refused(event, gate, now, _clock_ahead(event))
    expires_at = occurred.at + pass_lifetime
    if expires_at <= now:
        return _refused(event, gate, now, _too_late(occurred.at))
    if closed:
        refusal = REFUSALS_WHILE_CLOSED.get(event.label, GATE_CLOSED)
        return _refused(event, gate, now, refusal)
    if event.label in REFUSALS:
        return _refused(event, gate, now, REFUSALS[event.label])
    return Decision(
        event_id=event.id,
        gate=gate,
        access=Access.GRANTED,
        decided_at=now,
        issued_pass=_new_pass(expires_at),
    )


def _refused(event: Event, gate: str, now: datetime, refusal: Refusal) -> Decision:
    return Decision(
        event_id=event.id, gate=gate, access=Access.REFUSED, decided_at=now, refusal=refusal
    )


def _too_late(at: datetime) -> Refusal:
    return Refusal(
        reason=RefusalReason.TOO_LATE,
        message="This verdict came too late for a pass: it was made at "
        f"{at:%Y-%m-%d %H:%M:%S} UTC.",
    )


def _clock_ahead(event: Event) -> Refusal:
    at = event.occurred_at
    return Refusal(
        reason=RefusalReason.CLOCK_AHEAD,
        message="This verdict got no pass: its time, "
        f"{at:%Y-%m-%d %H:%M:%S} UTC, lies in the future. The door's clock is ahead.",
    )


def lifetime_at(gate: Gate, default: timedelta) -> timedelta:
    """Return how long a gate's passes are good."""
    own = gate.pass_lifetime_s
    return default if own is None else timedelta(seconds=own)


def issue_by_hand(
    store: Store,
    gate: Gate,
    maker: Maker,
    *,
    reason: str,
    lifetime: timedelta,
    now: datetime,
) -> IssuedPass | None:
    """Make a pass without an event, and write down who did and why in the same step.

    Returns:
        None where the maker's `pass_id` is there already: the request came twice.

    Raises:
        GateClosed: the gate is closed, now and not only when `gate` was read.
        GateUnknown: there is no such gate any more.
    """
    issued = _new_pass(now + lifetime, maker.pass_id)
    told = [audience.of_pass(maker.chat, gate, issued, maker.language, now)] if maker.chat else []
    why = fields_of(
        actor=maker.actor,
        act="pass.issued",
        subject=f"pass:{issued.id}",
        now=now,
        gate=gate.id,
        reason=reason,
        request_id=maker.request_id,
    )
    while True:
        held, guards = store.gates.guarded(gate.id)
        if held is None:
            raise GateUnknown(f"there is no gate {gate.id}")
        if held.closed:
            raise GateClosed(f"gate {gate.id} is closed: open it to make passes there")
        match store.manual_passes.add(issued, gate.id, why, told, now, guards=guards):
            case Fate.WRITTEN:
                return issued
            case Fate.TAKEN:
                return None


def _new_pass(expires_at: datetime, pass_id: UUID | None = None) -> IssuedPass:
    # One call of the system's generator for both.
    random = secrets.token_bytes(ID_BYTES + TOKEN_BYTES)
    return IssuedPass(
        id=pass_id or UUID(bytes=random[:ID_BYTES], version=4),
        token=token_of(random[ID_BYTES:]),
        expires_at=expires_at,
    )


def token_of(random: bytes) -> str:
    """Return the 13 letters, evenly drawn from the alphabet, that TOKEN_BYTES random bytes make."""
    number = int.from_bytes(random) % TOKENS
    letters = []
    for _ in range(TOKEN_LENGTH):
        number, place = divmod(number, len(TOKEN_ALPHABET))
        letters.append(TOKEN_ALPHABET[place])
    return "".join(letters)


def redeem(
    store: Store,
    *,
    scanned: str,
    nonce: str,
    gate: str,
    key_id: str,
    now: datetime,
    name: str = "",
    role: str = "",
) -> Redemption:
    """Settle one attempt to enter, and keep it.

    Args:
        store: the store.
        scanned: what a scanner read.
        nonce: the scanner's own, for this attempt.
        gate: where the scanner stands.
        key_id: whose attempt it is.
        now: the present.
        name: what people call them.
        role: what they may do.

    Raises:
        GateUnknown: there is no such gate, so nobody is admitted there.
    """
    attempt = Attempt(token_or_text(scanned), gate, nonce, key_id, now, name=name, role=role)
    settlement = store.passes.redeem(attempt)
    if settlement is None:
        raise StoreFault("an attempt without guards was answered as if it had some")
    return redemption(settlement)


def redemption(settled: Settlement) -> Redemption:
    """Return what the person at the door is told."""
    return Redemption(
        outcome=settled.outcome,
        message=MESSAGES[settled.outcome],
        at=settled.at,
        pass_id=settled.pass_id,
        redeemed_at=settled.redeemed_at,
        redeemed_gate=settled.redeemed_gate,
    )


def token_in(scanned: str) -> str | None:
    """Return the one token that a scanner's text holds; None where it holds none, or several.

    An attempt is about one person, so nothing is chosen where a text holds several tokens.
    """
    found = tokens_in(scanned)
    return found[0] if len(found) == 1 else None


def token_or_text(scanned: str) -> str:
    """Return what an attempt is about: the token, or the text where it holds none.

    Such a text is looked up like a token, and is as unknown as one that was never made: so it is
    an attempt like any other.
    """
    return token_in(scanned) or scanned


def tokens_in(scanned: str) -> list[str]:
    """Return the tokens that a scanner's text holds, each once: bare, or in `…/p/<token>`.

    Most texts are a token or an address and nothing else. Some scanners send more: a prefix that
    names the kind of code (ISO/IEC 15424), control characters, or several codes in lines of their
    own; and people paste an address with words around it. In a text of several words a token
    counts in an address, or alone in its line, since ordinary words have 13 letters too.

    The host is not compared: codes stay good when the public address changes, and what admits is
    the token alone.
    """
    text = scanned.strip()
    if _is_token(text):
        return [text]
    words = _GAPS.split(text)
    found = [token for word in words if (token := _token_of_address(word)) is not None]
    if not found:
        lines = (_KIND_OF_CODE.sub("", line.strip()) for line in _LINES.split(text))
        found = [line for line in lines if _is_token(line)]
    return list(dict.fromkeys(found))


def _token_of_address(word: str) -> str | None:
    try:
        parts = urlsplit(_KIND_OF_CODE.sub("", word).strip(_AROUND_ADDRESSES))
    except ValueError:
        return None
    if parts.scheme.lower() not in {"http", "https"}:
        return None
    head, _, token = parts.path.rstrip("/").rpartition("/")
    return token if head.endswith("/p") and _is_token(token) else None


def _is_token(text: str) -> bool:
    return len(text) == TOKEN_LENGTH and _LETTERS.issuperset(text)


def _repeated(receipt: Receipt, event: Event, device_id: str) -> Decision:
    if receipt.device_id != device_id or receipt.event != event:
        raise EventConflict(
            f"event {event.id} was accepted before with other contents; give a new event a new id"
        )
    return receipt.decision
