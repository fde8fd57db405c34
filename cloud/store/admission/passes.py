"""Passes, by id and by the hash of their token."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

import orjson
import redis

from cloud.contract import Delivery, Outcome, PassStatus
from cloud.errors import GateUnknown
from cloud.store import keyspace
from cloud.store.acceptance import BatchBuilder
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms, to_ms
from cloud.store.records import Fields, StoredPass
from cloud.store.reports import statistics
from cloud.store.scripts import AMEND, REDEEM, UNDO
from cloud.store.tokens import sha256_of
from cloud.store.transaction import NO_PRECONDITIONS, Batch, Preconditions

ANSWER_LIFETIME = timedelta(hours=1)
"""How long a repeated attempt gets the same answer; scanners retry within seconds."""

UNDO_WINDOW = timedelta(minutes=1)
"""A turnstile that did not turn is noticed at once. A later wish to undo is for a second person."""


class UndoOutcome(StrEnum):
    """What the wish to undo a redemption came to; only the first changes anything."""

    UNDONE = "undone"
    STALE = "changed"
    """The pass is not as it was read, or the preconditions do not hold. Read it again and retry."""
    REPEATED = "repeated"
    """This very redemption was undone before."""
    NOT_REDEEMED = "not_redeemed"
    OTHER_NONCE = "other_nonce"
    """Another attempt redeemed the pass, or none did by this nonce."""
    OTHER_SCANNER = "other_scanner"
    TOO_LATE = "too_late"
    NONCE_NEEDED = "nonce_needed"
    """One of this pass was undone before, so the latest may not be the one that is meant."""


@dataclass(frozen=True, slots=True)
class RedemptionResult:
    """The result of one attempt to use a token."""

    outcome: Outcome
    at: datetime
    pass_id: UUID | None
    redeemed_at: datetime | None
    redeemed_gate: str | None

    @classmethod
    def read(cls, reply: bytes | int | None, gate: str) -> "RedemptionResult | None":
        """Return what REDEEM answered at a gate; None where its preconditions did not hold.

        Raises:
            GateUnknown: there is no such gate, so nobody is admitted there.
        """
        if reply is None:
            return None
        if isinstance(reply, int):
            raise GateUnknown(f"there is no gate {gate}")
        answer = orjson.loads(reply)
        return cls(
            outcome=Outcome(answer["outcome"]),
            at=from_ms(answer["at"]),
            pass_id=UUID(answer["pass_id"]) if "pass_id" in answer else None,
            redeemed_at=from_ms(answer["redeemed_at"]) if "redeemed_at" in answer else None,
            redeemed_gate=answer.get("redeemed_gate"),
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to enter: by what, where, and by whose scanner.

    Args:
        token: what was scanned; where that holds no token, the whole text.
        gate: where the scanner stands.
        nonce: the scanner's own, for this attempt.
        key_id: whose attempt it is: a key's id, an account's, or a chat's.
        now: the present.
        preconditions: what must still hold for the attempt to be decided.
        name: what people call the one with that id.
        role: what they may do.
        deliveries: what is told if the attempt is admitted; written in the same step.
        admitted_at: when a door admitted the bearer while the cloud was away; None for an attempt
            that is decided now. The pass must have been good then, and a gate that is closed now
            changes nothing.
    """

    token: str = field(repr=False)
    gate: str
    nonce: str
    key_id: str
    now: datetime
    preconditions: Preconditions = NO_PRECONDITIONS
    name: str = ""
    role: str = ""
    deliveries: Sequence[Delivery] = ()
    admitted_at: datetime | None = None

    @property
    def happened_at(self) -> datetime:
        """When the bearer stood at the door."""
        return self.admitted_at or self.now

    def keys(self) -> list[str]:
        """Return the KEYS of REDEEM."""
        sha256 = sha256_of(self.token)
        return [
            keyspace.redemption(self.key_id, self.nonce, self.gate, sha256),
            keyspace.token(sha256),
            statistics.key(self.gate, self.happened_at),
            keyspace.GATES,
            keyspace.redemptions(),
            keyspace.redemptions(self.gate),
        ]

    def arguments(self, batches: BatchBuilder, retention: timedelta) -> list[Any]:
        """Return the ARGV of REDEEM; attempts older than `retention` are dropped."""
        return [
            keyspace.PASS_PREFIX,
            self.gate,
            to_ms(self.now),
            int(ANSWER_LIFETIME.total_seconds() * 1000),
            statistics.counter(self.happened_at, statistics.REDEEMED),
            self.preconditions.packed,
            self.key_id,
            self.nonce,
            self.name,
            self.role,
            max(to_ms(self.now - retention), 0),
            _commands(batches, self.deliveries, self.now),
            "" if self.admitted_at is None else to_ms(self.admitted_at),
        ]


def _commands(batches: BatchBuilder, deliveries: Sequence[Delivery], now: datetime) -> bytes:
    """Return the commands that write deliveries, for a script that has RUN; nothing for none."""
    if not deliveries:
        return b""
    batch = Batch()
    batches.add_deliveries(batch, deliveries, now)
    return batch.commands


@translates_redis_errors
class Passes:
    """Passes, and the script that redeems them."""

    def __init__(self, client: redis.Redis, batches: BatchBuilder, retention: timedelta) -> None:
        self._client = client
        self._batches = batches
        self._retention = retention
        self._redeem = client.register_script(REDEEM)
        self._undo = client.register_script(UNDO)
        self._amend = client.register_script(AMEND)

    def get(self, pass_id: UUID) -> StoredPass | None:
        """Return the pass, or None."""
        fields = cast(Fields, self._client.hgetall(keyspace.pass_(pass_id)))
        return StoredPass.read(pass_id, fields) if fields else None

    def token(self, pass_id: UUID) -> str | None:
        """Return the token while the pass has not expired."""
        token = cast(bytes | None, self._client.get(keyspace.pass_token(pass_id)))
        return token.decode() if token is not None else None

    def of_token(self, token: str) -> StoredPass | None:
        """Return the pass that a token belongs to, or None."""
        held = cast(bytes | None, self._client.get(keyspace.token(sha256_of(token))))
        return self.get(UUID(held.decode())) if held is not None else None

    def redeem(self, attempt: Attempt) -> RedemptionResult | None:
        """Redeem a pass, or refuse to, in one atomic step.

        The same step reads whether the gate is closed. The same attempt gets the same answer again.

        Returns:
            The result; None where the preconditions did not hold. The caller then reads the policy
            context again and tries again.

        Raises:
            GateUnknown: there is no such gate, so nobody is admitted there.
        """
        reply = self._redeem(
            keys=attempt.keys(), args=attempt.arguments(self._batches, self._retention)
        )
        return RedemptionResult.read(reply, attempt.gate)

    def undo(
        self,
        held: StoredPass,
        key_id: str | None,
        now: datetime,
        nonce: str | None = None,
        window: timedelta = UNDO_WINDOW,
        *,
        preconditions: Preconditions = NO_PRECONDITIONS,
        deliveries: Sequence[Delivery] = (),
    ) -> UndoOutcome:
        """Make a redeemed pass good again, once for each attempt that redeemed it.

        Args:
            held: the pass, as it was read.
            key_id: whose redemption may be undone; None for everybody's.
            now: the present.
            nonce: of the attempt that is to be undone. Without it the latest redemption is meant,
                which is certain only while none of this pass was undone before.
            window: how long ago the redemption may be.
            preconditions: what must still hold for it to be undone.
            deliveries: what is told if it is undone; written in the same step.

        Returns:
            What it came to. An attempt that is sent again after it was undone admits nobody.
        """
        at = held.redeemed_at
        counters, counter = statistics.cell(held.gate, at or now, statistics.REDEEMED)
        reply = self._undo(
            keys=[keyspace.pass_(held.id), counters],
            args=[
                "" if at is None else to_ms(at),
                to_ms(now - window),
                key_id or "",
                counter,
                nonce or "",
                to_ms(now),
                keyspace.UNDONE_PREFIX,
                int(self._retention.total_seconds() * 1000),
                preconditions.packed,
                _commands(self._batches, deliveries, now),
            ],
        )
        return UndoOutcome(reply.decode())

    def revoke(self, pass_id: UUID, now: datetime) -> bool:
        """Revoke the pass if it was not used; return whether that was done now."""
        return bool(
            self._amend(
                keys=[keyspace.pass_(pass_id)],
                args=[
                    *("status", PassStatus.ISSUED.value),
                    *("status", PassStatus.REVOKED.value),
                    *("revoked_at", to_ms(now)),
                ],
            )
        )

    def qr(self, pass_id: UUID) -> bytes | None:
        """Return the PNG that a worker drew, while the pass has not expired."""
        return cast(bytes | None, self._client.get(keyspace.pass_qr(pass_id)))

    def keep_qr(self, held: StoredPass, image: bytes, now: datetime) -> None:
        """Keep the PNG until the pass expires, and note when it was first ready."""
        self._client.set(keyspace.pass_qr(held.id), image, pxat=to_ms(held.expires_at))
        keys, args = [keyspace.pass_(held.id)], ["qr_ready_at", "", "qr_ready_at", str(to_ms(now))]
        # A device whose clock is ahead measures nothing.
        if held.seen_at is not None and held.seen_at <= now:
            took = (now - held.seen_at).total_seconds()
            counters, counter = statistics.cell(held.gate, now, statistics.drawn(took))
            keys.append(counters)
            args.append(counter)
        self._amend(keys=keys, args=args)
