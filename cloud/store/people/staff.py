"""Staff: chats that were paired with a gate by a one-time code, and what they may do there."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, cast

import redis

from cloud.contract import PairingCode, StaffMember, StaffRole
from cloud.contract.passes import TOKEN_ALPHABET
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set
from cloud.store.records import parsed

CODE_LENGTH = 12
"""12 letters of 58 are 70 bits, which nobody guesses in minutes. Telegram takes up to 64."""


@translates_redis_errors
class Staff:
    """Members by gate and by chat, and codes by hash."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def new_code(
        self, gate: str, role: StaffRole, lifetime: timedelta, now: datetime
    ) -> PairingCode:
        """Make a one-time code, which is kept as a hash until it is used or expires."""
        code = "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(CODE_LENGTH))
        made = PairingCode(code=code, gate=gate, role=role, expires_at=now + lifetime)
        document = made.model_copy(update={"code": ""}).model_dump_json()
        self._client.set(_code_key(code), document, ex=lifetime)
        return made

    def pair(self, code: str, chat: str, name: str, now: datetime) -> StaffMember | None:
        """Give a chat the role of a code, and use the code up.

        Returns:
            The member; None where the code was never made, was used, has expired, or is for a gate
            that was deleted.
        """
        code_key = _code_key(code)

        def write(pipe: Any) -> StaffMember | None:
            document = pipe.get(code_key)
            if document is None:
                return None
            made = parsed(PairingCode, document)
            good = now < made.expires_at and pipe.hexists(keyspace.GATES, made.gate)
            member = StaffMember(
                chat=chat, gate=made.gate, role=made.role, name=name[:200], paired_at=now
            )
            pipe.multi()
            pipe.delete(code_key)
            if good:
                pipe.hset(keyspace.staff(made.gate), chat, member.model_dump_json())
                pipe.sadd(keyspace.staffed(chat), made.gate)
            return member if good else None

        return check_and_set(self._client, write, code_key, keyspace.GATES)

    def of_gate(self, gate: str) -> list[StaffMember]:
        """Return the gate's staff, the oldest first."""
        documents = cast(list[bytes], self._client.hvals(keyspace.staff(gate)))
        held = (parsed(StaffMember, document) for document in documents)
        return sorted(held, key=lambda member: (member.paired_at, member.chat))

    def of_chat(self, chat: str) -> list[StaffMember]:
        """Return the roles of a chat, by gate."""
        gates = cast(set[bytes], self._client.smembers(keyspace.staffed(chat)))
        pipe = self._client.pipeline(transaction=False)
        for gate in sorted(gates):
            pipe.hget(keyspace.staff(gate.decode()), chat)
        return [parsed(StaffMember, document) for document in pipe.execute() if document]

    def dismiss(self, gate: str, chat: str) -> bool:
        """Remove a chat's role at a gate; return False if it had none."""
        with self._client.pipeline() as pipe:
            pipe.hdel(keyspace.staff(gate), chat)
            pipe.srem(keyspace.staffed(chat), gate)
            return bool(pipe.execute()[0])


def _code_key(code: str) -> str:
    return keyspace.pairing_code(hashlib.sha256(code.encode()).hexdigest())
