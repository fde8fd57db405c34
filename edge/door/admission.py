"""The rule of the door: the cloud decides; while it is away, a signature may.

1. The cloud is asked first. Its answer is final.
2. While the cloud is away, a door with the policy `closed` opens for nobody.
3. With the policy `signed`, the door opens for a pass whose signature is good, which is for this
   gate, has not expired, was not used at this door, and was not claimed at the site's hub.
4. The admission is in the ledger before the lock opens. If it cannot be recorded, the lock stays
   shut.

What an outage allows is then found by the cloud: `edge.door.reconciliation` reports each admission.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import structlog

from cloud.contract import Outcome, RedemptionRequest
from cloud.contract.signed_passes import PassClaim, SignedPass
from edge.delivery.client import Client
from edge.door.hub_client import Claiming
from edge.door.ledger import Ledger, sha256_of
from edge.door.settings import HubPolicy, OfflinePolicy
from edge.door.signatures import PassVerifier
from edge.errors import CloudUnreachableError, HubUnreachableError, KeyRefusedError, LedgerError

_log = structlog.get_logger(__name__)

NONCE_BYTES: Final = 16
"""Random bytes of a nonce: 128 bits, so that no two attempts share one."""


class Refusal(StrEnum):
    """Why a door without the cloud stays shut; the other reasons are outcomes of the cloud."""

    CLOUD_AWAY = "cloud_away"
    NOT_SIGNED = "not_signed"
    HUB_AWAY = "hub_away"
    KEY_REFUSED = "key_refused"
    NOT_RECORDED = "not_recorded"


_MESSAGES: Final[dict[str, str]] = {
    Outcome.ADMITTED: "Welcome. Please walk in.",
    Outcome.EXPIRED: "This pass has expired. Please look at the camera to get a new one.",
    Outcome.ALREADY_REDEEMED: "This pass has been used already. Each pass lets one person in once.",
    Outcome.WRONG_GATE: "This pass is for another entrance.",
    Refusal.CLOUD_AWAY: "This door cannot check passes just now. Please ask the staff.",
    Refusal.NOT_SIGNED: "This door cannot check this code just now. Please ask the staff.",
    Refusal.HUB_AWAY: "This door cannot check passes just now. Please ask the staff.",
    Refusal.KEY_REFUSED: "This door is not set up. Please ask the staff.",
    Refusal.NOT_RECORDED: "This door cannot check passes just now. Please ask the staff.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the door does with a code.

    Attributes:
        outcome: `admitted`, or why not: an `Outcome` of the cloud or a `Refusal`.
        message: For the person at the door.
        offline: Whether the door decided without the cloud.
    """

    outcome: str
    message: str
    offline: bool = False

    @property
    def opens(self) -> bool:
        """Whether the lock opens."""
        return self.outcome == Outcome.ADMITTED


@dataclass(frozen=True, slots=True)
class OfflineRules:
    """What a door may do while the cloud is away.

    Attributes:
        policy: Whether a signature opens the door.
        gate: Gate of this door; None only with the policy `closed`.
        verifier: Verifies signatures.
        claim: Claims a pass at the site's hub; None without a hub.
        without_hub: What happens while the hub is away too.
    """

    policy: OfflinePolicy
    gate: str | None
    verifier: PassVerifier
    claim: Claiming | None = None
    without_hub: HubPolicy = HubPolicy.CLOSED


def _now() -> datetime:
    return datetime.now(UTC)


class Admission:
    """Decides on each code that was read.

    Args:
        client: With the key of a scanner.
        ledger: Of this door.
        rules: For the time without the cloud.
        clock: Returns the time in UTC.
        new_nonce: Returns the nonce of an attempt.
    """

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        rules: OfflineRules,
        *,
        clock: Callable[[], datetime] = _now,
        new_nonce: Callable[[], str] = lambda: secrets.token_urlsafe(NONCE_BYTES),
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._rules = rules
        self._clock = clock
        self._new_nonce = new_nonce

    def decide(self, scanned: str) -> Answer:
        """Decide on a code.

        Args:
            scanned: The text that a reader read.

        Returns:
            What the door does.
        """
        nonce = self._new_nonce()
        request = RedemptionRequest(token=scanned, nonce=nonce, gate=self._rules.gate)
        try:
            redemption = self._client.redeem(request)
        except CloudUnreachableError as error:
            return self._decide_alone(scanned, nonce, str(error))
        except KeyRefusedError as error:
            _log.error("scanner_key_refused", reason=str(error))
            return _answer(Refusal.KEY_REFUSED)
        if redemption.outcome is Outcome.ADMITTED:
            self._remember(scanned, nonce)
        return Answer(redemption.outcome, redemption.message)

    def _remember(self, scanned: str, nonce: str) -> None:
        """Remember a pass that the cloud has redeemed, since an outage may follow."""
        signed = SignedPass.read(scanned)
        if signed is None or self._rules.policy is not OfflinePolicy.SIGNED:
            return
        token = signed.claim.token
        try:
            self._ledger.remember(token, nonce, self._clock())
            if self._rules.claim is not None:
                self._rules.claim(sha256_of(token), nonce)
        except (LedgerError, HubUnreachableError) as error:
            # The cloud knows of the redemption, so the person walks in all the same.
            _log.warning("admission_not_remembered", reason=str(error))

    def _decide_alone(self, scanned: str, nonce: str, reason: str) -> Answer:
        if self._rules.policy is not OfflinePolicy.SIGNED:
            _log.warning("door_stays_shut", reason=reason)
            return _answer(Refusal.CLOUD_AWAY, offline=True)
        _log.warning("door_decides_alone", reason=reason)
        claim = self._rules.verifier.claim_of(scanned)
        if claim is None:
            return _answer(Refusal.NOT_SIGNED, offline=True)
        return _answer(self._outcome_of(claim, scanned, nonce), offline=True)

    def _outcome_of(self, claim: PassClaim, scanned: str, nonce: str) -> Outcome | Refusal:
        now = self._clock()
        if claim.gate != self._rules.gate:
            return Outcome.WRONG_GATE
        if now >= claim.expires_at:
            return Outcome.EXPIRED
        try:
            used = self._ledger.is_used(claim.token)
            refusal = Outcome.ALREADY_REDEEMED if used else self._refusal_of_the_hub(claim, nonce)
            if refusal is None and not self._ledger.admit_offline(claim.token, scanned, nonce, now):
                refusal = Outcome.ALREADY_REDEEMED
        except LedgerError as error:
            _log.error("ledger_failed", reason=str(error))
            return Refusal.NOT_RECORDED
        if refusal is None:
            _log.info("admitted_without_cloud", gate=claim.gate)
        return refusal or Outcome.ADMITTED

    def _refusal_of_the_hub(self, claim: PassClaim, nonce: str) -> Outcome | Refusal | None:
        if self._rules.claim is None:
            return None
        try:
            answer = self._rules.claim(sha256_of(claim.token), nonce)
        except HubUnreachableError as error:
            _log.warning("hub_away", reason=str(error))
            return None if self._rules.without_hub is HubPolicy.OWN_MEMORY else Refusal.HUB_AWAY
        return None if answer.granted else Outcome.ALREADY_REDEEMED


def _answer(outcome: Outcome | Refusal, *, offline: bool = False) -> Answer:
    return Answer(outcome, _MESSAGES[outcome], offline)
