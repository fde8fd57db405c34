"""Writing on condition, in one round trip: commands that run together if what they rest on is
still as it was read, and not at all if it is not.

WATCH takes a round trip before and one for the MULTI, and holds a connection in between. Here the
decision is made on what the process read before (perhaps seconds ago), and one script compares
that by value and then writes. A revoked key or a new subscriber is so seen by the very next
event, however long a process remembers the old state.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cloud.store.records import Fields

Command = tuple[str | bytes | int, ...]
"""A Redis command with its arguments."""

UNCHANGED = """
-- Whether what `guards` commands answer, from ARGV[at] on, is what was read before. Each command
-- is its length and its words. Answers the place after them, or nil where something changed.
local function unchanged(at)
  local guards, expected = tonumber(ARGV[at]), ARGV[at + 1]
  at = at + 2
  local read = {}
  for _ = 1, guards do
    local length = tonumber(ARGV[at])
    local reply = redis.call(unpack(ARGV, at + 1, at + length))
    if type(reply) ~= 'table' then reply = {reply or ''} end
    read[#read + 1] = #reply
    for _, part in ipairs(reply) do
      read[#read + 1] = #part
      read[#read + 1] = part
    end
    at = at + length + 1
  end
  if guards > 0 and redis.sha1hex(table.concat(read, ':')) ~= expected then return nil end
  return at
end
"""

WRITE = (
    UNCHANGED
    + """
-- Write a record with all that follows from it, if it is not there and the guards hold.
-- KEYS: record; ARGV: guards, then commands, each as its length and its words.
-- APPEND <stream> <stream> <record> <oldest ms> <field> <value> ... appends to both streams under
-- one id, drops what is older, and notes the id in the record.
local at = unchanged(1)
if not at then return {0} end
if redis.call('EXISTS', KEYS[1]) == 1 then return {1, redis.call('HGETALL', KEYS[1])} end
while at <= #ARGV do
  local length = tonumber(ARGV[at])
  local first, last = at + 1, at + length
  if ARGV[first] == 'APPEND' then
    local oldest = ARGV[first + 4]
    local id = redis.call('XADD', ARGV[first + 1], 'MINID', '~', oldest, '*',
      unpack(ARGV, first + 5, last))
    redis.call('XADD', ARGV[first + 2], 'MINID', '~', oldest, id, unpack(ARGV, first + 5, last))
    redis.call('HSET', ARGV[first + 3], 'cursor', id)
  else
    redis.call(unpack(ARGV, first, last))
  end
  at = last + 1
end
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


class Guards:
    """What a decision rests on: commands, and a digest of what they answered."""

    __slots__ = ("arguments",)

    def __init__(self, commands: Sequence[Command], replies: Iterable[Any]) -> None:
        digest = hashlib.sha1(b":".join(_parts(replies)), usedforsecurity=False).hexdigest()
        self.arguments: list[Any] = [len(commands), digest if commands else ""]
        for command in commands:
            self.arguments.append(len(command))
            self.arguments.extend(command)


UNGUARDED = Guards((), ())


class Batch:
    """Commands for WRITE, in order."""

    __slots__ = ("arguments",)

    def __init__(self, guards: Guards = UNGUARDED) -> None:
        self.arguments: list[Any] = list(guards.arguments)

    def add(self, *command: str | bytes | int) -> None:
        """Run this command too."""
        self.arguments.append(len(command))
        self.arguments.extend(command)

    def hash(self, key: str, fields: Mapping[str, Any], lifetime_s: int | None = None) -> None:
        """Write a hash, and forget it after `lifetime_s`."""
        self.arguments += (2 + 2 * len(fields), "HSET", key)
        for pair in fields.items():
            self.arguments += pair
        if lifetime_s is not None:
            self.add("EXPIRE", key, lifetime_s)

    def append(
        self, streams: tuple[str, str], record: str, oldest: int, entry: Mapping[str, Any]
    ) -> None:
        """Append to both streams under one id, drop what is older, note the id in the record."""
        self.arguments += (5 + 2 * len(entry), "APPEND", *streams, record, max(oldest, 0))
        for pair in entry.items():
            self.arguments += pair


class Fate(IntEnum):
    """What became of a Batch."""

    CHANGED = 0
    """Nothing was written: what the guards compare is not as it was read."""

    TAKEN = 1
    """Nothing was written: the record is there already."""

    WRITTEN = 2


@dataclass(frozen=True, slots=True)
class Written:
    """The answer of WRITE; `record` is what is there where the fate is TAKEN."""

    fate: Fate
    record: Fields


def written(reply: Any) -> Written:
    """Return what WRITE answered."""
    fate = Fate(reply[0])
    flat = reply[1] if fate is Fate.TAKEN else []
    return Written(fate, dict(zip(flat[::2], flat[1::2], strict=True)))
