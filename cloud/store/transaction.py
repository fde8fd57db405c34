"""Conditional writes in one round trip: a batch of commands runs only while its preconditions hold.

WATCH would take one round trip before the MULTI, and hold a connection in between. Here a decision
is made on data that the process read before, perhaps seconds ago. One script compares that data by
value and then writes. The very next event so notices a revoked key or a new subscriber, however
long a process has cached the old state.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any, Self

import orjson

from cloud.store.records import Fields

Command = tuple[str | int, ...]
"""A Redis command with its arguments."""

UNCHANGED = """
-- Whether what some commands answer is what was read before.
-- preconditions: JSON, the digest that is expected and then the commands; empty for none.
local function unchanged(preconditions)
  if preconditions == '' then return true end
  local read, commands = {}, cjson.decode(preconditions)
  for i = 2, #commands do
    local reply = redis.call(unpack(commands[i]))
    if type(reply) ~= 'table' then reply = {reply or ''} end
    read[#read + 1] = #reply
    for _, part in ipairs(reply) do
      read[#read + 1] = #part
      read[#read + 1] = part
    end
  end
  return redis.sha1hex(table.concat(read, ':')) == commands[1]
end
"""

RUN = """
-- Run the commands of a Batch. commands: JSON.
-- APPEND <stream> <stream> <record> <oldest ms> <field> <value> ... appends to both streams under
-- one id, drops what is older, and notes the id in the record.
-- RECORD <stream> <stream> <oldest ms> <lifetime s> <words of the entry> <record and its fields>
-- does so for a record that is written only then, in one HSET with the id.
local function run(commands)
  for _, command in ipairs(cjson.decode(commands)) do
    if command[1] == 'APPEND' then
      local oldest = command[5]
      local id = redis.call('XADD', command[2], 'MINID', '~', oldest, '*', unpack(command, 6))
      redis.call('XADD', command[3], 'MINID', '~', oldest, id, unpack(command, 6))
      redis.call('HSET', command[4], 'cursor', id)
    elseif command[1] == 'RECORD' then
      local oldest, entry, record = command[4], command[6], command[7]
      local id = redis.call('XADD', command[2], 'MINID', '~', oldest, '*', unpack(entry))
      redis.call('XADD', command[3], 'MINID', '~', oldest, id, unpack(entry))
      record[#record + 1] = 'cursor'
      record[#record + 1] = id
      redis.call('HSET', unpack(record))
      redis.call('EXPIRE', record[1], command[5])
    else
      redis.call(unpack(command))
    end
  end
end
"""

RUN_ALL = RUN + "run(ARGV[1])"
"""The commands of a Batch, for an EVAL inside of a MULTI. ARGV: commands (JSON)."""

WRITE = (
    UNCHANGED
    + RUN
    + """
-- Write a record with all that follows from it, if it is not there and the preconditions hold.
-- KEYS: record; ARGV: preconditions, commands (JSON).
if not unchanged(ARGV[1]) then return {0} end
if redis.call('EXISTS', KEYS[1]) == 1 then return {1, redis.call('HGETALL', KEYS[1])} end
run(ARGV[2])
return {2}
"""
)


def _parts(replies: Iterable[Any]) -> Iterator[bytes]:
    for reply in replies:
        held: list[bytes] = reply if isinstance(reply, list) else [reply or b""]
        yield str(len(held)).encode()
        for part in held:
            yield str(len(part)).encode()
            yield part


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What a decision rests on: commands, and a digest of what they answered.

    `packed` is the JSON that `unchanged` takes, made once for all decisions on one reading.
    """

    packed: bytes

    @classmethod
    def on(cls, commands: Sequence[Command], replies: Iterable[Any]) -> Self:
        """Return preconditions that hold while the commands get the same replies."""
        digest = hashlib.sha1(b":".join(_parts(replies)), usedforsecurity=False).hexdigest()
        return cls(orjson.dumps([digest, *commands]))


NO_PRECONDITIONS = Preconditions(b"")


class Batch:
    """Commands for the script WRITE, in order.

    The commands are sent as one JSON text: redis-py for asyncio packs each argument in Python,
    which for the two hundred words of an event costs more than everything else. Frequent numbers
    are sent as text: Lua reads numbers as floating point, and formatting twenty of those is a tenth
    of Redis's time for an event.
    """

    __slots__ = ("_commands", "_preconditions")

    def __init__(self, preconditions: Preconditions = NO_PRECONDITIONS) -> None:
        self._preconditions = preconditions
        self._commands: list[Sequence[Any]] = []

    def add(self, *command: str | int) -> None:
        """Add a command."""
        self._commands.append(command)

    def hash(self, key: str, fields: Mapping[str, Any], lifetime_s: str | None = None) -> None:
        """Add a write of a hash that expires after `lifetime_s` seconds."""
        self._commands.append(("HSET", key, *chain.from_iterable(fields.items())))
        if lifetime_s is not None:
            self._commands.append(("EXPIRE", key, lifetime_s))

    def append(
        self, streams: tuple[str, str], record: str, oldest: str, entry: Mapping[str, Any]
    ) -> None:
        """Add an append to both streams under one id, noted in the record; drop older entries."""
        words = chain.from_iterable(entry.items())
        self._commands.append(("APPEND", *streams, record, oldest, *words))

    def record(
        self,
        key: str,
        fields: Mapping[str, Any],
        *,
        lifetime_s: str,
        streams: tuple[str, str],
        oldest: str,
        entry: Mapping[str, Any],
    ) -> None:
        """Add a write of a hash with its entry in two streams; `append` takes one HSET more.

        Args:
            key: The key of the hash. The hash also gets the field `cursor`: the id of the entry.
            fields: The fields of the hash.
            lifetime_s: Seconds until the hash expires.
            streams: The streams that the entry is appended to, under one id.
            oldest: Milliseconds since 1970; older entries are dropped.
            entry: The fields of the entry.
        """
        words = list(chain.from_iterable(entry.items()))
        record = [key, *chain.from_iterable(fields.items())]
        self._commands.append(("RECORD", *streams, oldest, lifetime_s, words, record))

    @property
    def arguments(self) -> list[bytes]:
        """The ARGV of WRITE."""
        return [self._preconditions.packed, self.commands]

    @property
    def commands(self) -> bytes:
        """The commands as JSON, for a script that has RUN."""
        return orjson.dumps(self._commands)


class WriteOutcome(IntEnum):
    """The outcome of writing a Batch."""

    STALE = 0
    """Nothing was written: the preconditions no longer hold."""

    EXISTS = 1
    """Nothing was written: the record exists already."""

    WRITTEN = 2


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of WRITE, with the existing record where the outcome is EXISTS."""

    outcome: WriteOutcome
    record: Fields


def written(reply: Any) -> WriteResult:
    """Return the result that a reply of WRITE holds."""
    outcome = WriteOutcome(reply[0])
    flat = reply[1] if outcome is WriteOutcome.EXISTS else []
    return WriteResult(outcome, dict(zip(flat[::2], flat[1::2], strict=True)))
