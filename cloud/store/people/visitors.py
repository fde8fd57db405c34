"""Visitors: chats that wait at a gate for the next pass there, and the code of the gate's link.

They are a list, the first to come first. The first of them is read with the rest of an event's
policy context, and taken from the list by the write that accepts the event, if it still holds: one
pass has one visitor, and one visitor one pass.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, cast

import redis

from cloud.contract import Language
from cloud.contract.passes import TOKEN_ALPHABET
from cloud.errors import GateUnknown
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms, to_ms

CODE_LENGTH = 10
"""10 letters of 58 are 58 bits: only a person who has seen the code at the gate knows it."""

READ_AT_MOST = 20
"""Visitors that are read to find one that still waits. A visitor who joins removes expired ones
from the front."""

JOIN = """
-- Let a chat wait at a gate, and at no other. A chat that waits there already keeps its place.
-- KEYS: visitors of the gate, wait of the chat, gates
-- ARGV: the visitor, gate, now (ms since 1970), expiry, prefix of visitors
-- Answers how many are before it, or -1 where there is no such gate.
if redis.call('HEXISTS', KEYS[3], ARGV[2]) == 0 then return -1 end
local gate, member = string.match(redis.call('GET', KEYS[2]) or '', '^([^:]*):(.*)$')
if gate == ARGV[2] then
  local place = redis.call('LPOS', KEYS[1], member)
  if place then return place end
elseif gate then
  redis.call('LREM', ARGV[5] .. gate, 1, member)
end
local first = redis.call('LINDEX', KEYS[1], 0)
while first and tonumber(string.match(first, '%d+$')) <= tonumber(ARGV[3]) do
  redis.call('LPOP', KEYS[1])
  first = redis.call('LINDEX', KEYS[1], 0)
end
local length = redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIREAT', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], ARGV[2] .. ':' .. ARGV[1], 'PXAT', ARGV[4])
return length - 1
"""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A chat that waits, its language, and until when it waits."""

    chat: str
    language: Language
    until: datetime

    @property
    def member(self) -> str:
        """The visitor as the list holds it."""
        return f"{self.chat}:{self.language.value}:{to_ms(self.until)}"

    @classmethod
    def read(cls, member: bytes) -> Self:
        """Return the visitor that the list holds."""
        chat, language, until = member.decode().split(":")
        return cls(chat, Language(language), from_ms(until))


def first_waiting(visitors: Iterable[Visitor], now: datetime) -> Visitor | None:
    """Return the first visitor who still waits, or None."""
    return next((visitor for visitor in visitors if visitor.until > now), None)


def arrived_by(visitors: Iterable[Visitor], moment: datetime, wait: timedelta) -> list[Visitor]:
    """Return the visitors who had joined by a moment; `wait` is how long each waits."""
    return [visitor for visitor in visitors if visitor.until - wait <= moment]


@translates_redis_errors
class Visitors:
    """Waiting chats by gate, the first to come first; and a code for each gate."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._join = client.register_script(JOIN)

    def code(self, gate: str) -> str:
        """Return the gate's code; the first call makes it."""
        held = cast(bytes | None, self._client.hget(keyspace.GATE_CODES, gate))
        return held.decode() if held is not None else self._new_code(gate, replacing=None)

    def replace_code(self, gate: str) -> str:
        """Replace the gate's code; the former code stops working."""
        held = cast(bytes | None, self._client.hget(keyspace.GATE_CODES, gate))
        return self._new_code(gate, replacing=held)

    def gate_of(self, code: str) -> str | None:
        """Return the gate that a code belongs to, or None."""
        gate = cast(bytes | None, self._client.hget(keyspace.GATES_BY_CODE, code))
        return gate.decode() if gate is not None else None

    def join(
        self,
        gate: str,
        chat: str,
        now: datetime,
        lifetime: timedelta,
        language: Language = Language.EN,
    ) -> int:
        """Let a chat wait at a gate, and at no other.

        Returns:
            How many are before it.

        Raises:
            GateUnknown: there is no such gate.
        """
        visitor = Visitor(chat, language, now + lifetime)
        before = cast(
            int,
            self._join(
                keys=[keyspace.visitors(gate), keyspace.visit(chat), keyspace.GATES],
                args=[
                    *(visitor.member, gate),
                    *(to_ms(now), to_ms(visitor.until)),
                    keyspace.visitors(""),
                ],
            ),
        )
        if before < 0:
            raise GateUnknown(f"there is no gate {gate}")
        return before

    def leave(self, chat: str) -> str | None:
        """End a chat's wait; return the gate where it waited, or None."""
        held = cast(bytes | None, self._client.getdel(keyspace.visit(chat)))
        if held is None:
            return None
        gate, _, member = held.decode().partition(":")
        self._client.lrem(keyspace.visitors(gate), 1, member)
        return gate

    def place(self, chat: str, now: datetime) -> tuple[str, int] | None:
        """Return the gate at which a chat waits and how many are before it, or None."""
        held = cast(bytes | None, self._client.get(keyspace.visit(chat)))
        if held is None:
            return None
        gate = held.decode().partition(":")[0]
        chats = [visitor.chat for visitor in self._waiting(gate, now)]
        return (gate, chats.index(chat)) if chat in chats else None

    def waiting(self, gate: str, now: datetime) -> int:
        """Return how many wait at the gate."""
        return len(self._waiting(gate, now))

    def at_gate(self, gate: str, now: datetime) -> list[Visitor]:
        """Return the visitors who wait at the gate, the first to come first."""
        return self._waiting(gate, now)

    def _waiting(self, gate: str, now: datetime) -> list[Visitor]:
        members = cast(list[bytes], self._client.lrange(keyspace.visitors(gate), 0, -1))
        held = (Visitor.read(member) for member in members)
        return [visitor for visitor in held if visitor.until > now]

    def _new_code(self, gate: str, *, replacing: bytes | None) -> str:
        code = "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(CODE_LENGTH))
        with self._client.pipeline() as pipe:
            if replacing is None:
                pipe.hsetnx(keyspace.GATE_CODES, gate, code)
            else:
                pipe.hset(keyspace.GATE_CODES, gate, code)
                pipe.hdel(keyspace.GATES_BY_CODE, replacing)
            pipe.hget(keyspace.GATE_CODES, gate)
            kept = pipe.execute()[-1].decode()
        self._client.hset(keyspace.GATES_BY_CODE, kept, gate)
        return str(kept)
