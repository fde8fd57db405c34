"""Passes: kept by id and found by the hash of their token."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import redis

from cloud.contract import Outcome, PassStatus
from cloud.store import keyspace, statistics
from cloud.store.connection import at_the_door
from cloud.store.moments import from_ms, to_ms
from cloud.store.records import Fields, StoredPass
from cloud.store.scripts import AMEND, REDEEM

ANSWER_LIFETIME = timedelta(hours=1)
"""How long an attempt can be repeated for the same answer; scanners retry within seconds."""


def sha256_of(token: str) -> str:
    """Return the name under which a token is looked up.

    A fast hash is right for it: a token is 76 random bits, so there is no dictionary to try.
    """
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one attempt to use a token came to."""

    outcome: Outcome
    at: datetime
    pass_id: UUID | None
    redeemed_at: datetime | None
    redeemed_gate: str | None


@at_the_door
class Passes:
    """Passes, and the script that redeems them."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._redeem = client.register_script(REDEEM)
        self._amend = client.register_script(AMEND)

    def get(self, pass_id: UUID) -> StoredPass | None:
        """Return the pass, or None."""
        fields = cast(Fields, self._client.hgetall(keyspace.pass_(pass_id)))
        return StoredPass.read(pass_id, fields) if fields else None

    def token(self, pass_id: UUID) -> str | None:
        """Return the token while the pass has not expired."""
        token = cast(bytes | None, self._client.get(keyspace.pass_token(pass_id)))
        return token.decode() if token is not None else None

    def redeem(
        self, *, token: str, gate: str, nonce: str, key_id: str, now: datetime
    ) -> Settlement:
        """Settle one attempt, atomically; the same attempt again gets the same answer."""
        sha256 = sha256_of(token)
        counters, counter = statistics.cell(gate, now, statistics.REDEEMED)
        answer = json.loads(
            self._redeem(
                keys=[
                    keyspace.redemption(key_id, nonce, gate, sha256),
                    keyspace.token(sha256),
                    counters,
                ],
                args=[
                    keyspace.PASS_PREFIX,
                    gate,
                    to_ms(now),
                    int(ANSWER_LIFETIME.total_seconds() * 1000),
                    counter,
                ],
            )
        )
        return Settlement(
            outcome=Outcome(answer["outcome"]),
            at=from_ms(answer["at"]),
            pass_id=UUID(answer["pass_id"]) if "pass_id" in answer else None,
            redeemed_at=from_ms(answer["redeemed_at"]) if "redeemed_at" in answer else None,
            redeemed_gate=answer.get("redeemed_gate"),
        )

    def revoke(self, pass_id: UUID) -> bool:
        """Revoke the pass if it was not used; return whether that was done now."""
        return bool(
            self._amend(
                keys=[keyspace.pass_(pass_id)],
                args=["status", PassStatus.ISSUED.value, "status", PassStatus.REVOKED.value],
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
