"""Telegram's limits, kept for the whole fleet: the generic cell rate algorithm, in one script.

GCRA (ITU-T Recommendation I.371, annex A, as a virtual schedule): a limit of one message every T
with a burst of b keeps the time at which it would be unused again, the theoretical arrival time
(TAT). A message may go at t when t >= TAT - (b - 1) T; the TAT is then max(TAT, t) + T. So at
most b + W/T messages go in any window of length W, which is what the constants below are cut to.

The limits are those of https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this:
30 messages a second overall, one a second in a chat, 20 a minute in a group.

Telegram answers 429 with `retry_after` for each of the three, and does not say which it is. The
chat of the message is then held for that time. Where several chats get such an answer at almost the
same time, the cause is taken to be the limit of the whole bot, and the fleet is held too.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import redis

from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms

FLEET_PER_SECOND = 30

FLEET_BURST = 5
"""Messages of the fleet that may be sent at once; the others of a second are spread evenly."""

CHAT_INTERVAL_MS = 1_000

GROUP_INTERVAL_MS = 4_000
GROUP_BURST = 5
"""5 at once and then one every 4 s are 20 in the worst minute."""

PLACE_LIFETIME_MS = 3_600_000
"""How long a waiting delivery keeps its place in its chat's line."""

FLEET_HOLD_CHATS = 3
FLEET_HOLD_WINDOW_MS = 60_000
"""So many different chats that must wait, within this time, hold the fleet. Busy chats rarely get
such answers together; a bot over its own limit gets them for every chat that it writes to."""

LONGEST_HOLD_S = 86_400.0
"""A longer `retry_after` is cut to a day, which is as long as a delivery is tried."""

TAKE = """
-- Let a message go, or answer how long it has to wait (ms). Only a message that goes counts.
-- KEYS: hold of the fleet (ms since 1970), TAT of the fleet, hash of the chat, place of this
--       message, holds of chats
-- ARGV: interval of the fleet (ms), burst of the fleet, interval of the chat, burst of the chat,
--       lifetime of a place, now ('' for this server's clock), chat
-- A message to a busy chat gets a place: a moment, one interval after the last place given. So a
-- hundred messages that wait for one chat come back one after the other, in order.
local now = tonumber(ARGV[6])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
end
local hold = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'),
  tonumber(redis.call('ZSCORE', KEYS[5], ARGV[7]) or '0'))
if hold > now then return tostring(hold - now) end

local fleet_interval, fleet_burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local chat_interval, chat_burst = tonumber(ARGV[3]), tonumber(ARGV[4])
local chat = redis.call('HMGET', KEYS[3], 'tat', 'line')
local chat_tat, line = tonumber(chat[1] or '0'), tonumber(chat[2] or '0')
local chat_free = chat_tat - (chat_burst - 1) * chat_interval
local place = tonumber(redis.call('GET', KEYS[4]) or '')

if not place and (chat_free > now or line > now) then
  place = math.max(chat_free, line)
  redis.call('SET', KEYS[4], string.format('%.3f', place), 'PX', ARGV[5])
  redis.call('HSET', KEYS[3], 'line', string.format('%.3f', place + chat_interval))
  redis.call('PEXPIRE', KEYS[3], math.ceil(place - now + 2 * chat_interval * chat_burst))
end
local chat_wait = math.max(chat_free, place or 0) - now
if chat_wait > 0 then return tostring(chat_wait) end

local fleet_tat = tonumber(redis.call('GET', KEYS[2]) or '0')
local fleet_wait = fleet_tat - (fleet_burst - 1) * fleet_interval - now
if fleet_wait > 0 then return tostring(fleet_wait) end

fleet_tat = math.max(fleet_tat, now) + fleet_interval
redis.call('SET', KEYS[2], string.format('%.3f', fleet_tat),
  'PX', math.ceil(fleet_tat - now) + 1000)
chat_tat = math.max(chat_tat, now) + chat_interval
redis.call('HSET', KEYS[3], 'tat', string.format('%.3f', chat_tat))
redis.call('PEXPIRE', KEYS[3], math.ceil(math.max(chat_tat, line) - now) + 1000)
redis.call('DEL', KEYS[4])
return '0'
"""

HOLD = """
-- Hold a chat for a while, and the fleet where several chats must wait. A longer hold stays.
-- Answers 1 where this call holds the fleet.
-- KEYS: hold of the fleet, holds of chats (sorted by their end), chats told to wait (sorted by when
--       they were told), for how long they were told (ms, hash)
-- ARGV: chat, length (ms), now ('' for this server's clock), chats that hold the fleet, window (ms)
local chat, length, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5])
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
end

local function longer(key)
  local left = redis.call('PTTL', key)
  if left >= 0 then return math.max(left, length + 1000) end
  return length + 1000
end

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local lifetime = longer(KEYS[2])
redis.call('ZADD', KEYS[2], 'GT', string.format('%.3f', now + length), chat)
redis.call('PEXPIRE', KEYS[2], math.ceil(lifetime))

for _, old in ipairs(redis.call('ZRANGE', KEYS[3], '-inf', now - window, 'BYSCORE')) do
  redis.call('ZREM', KEYS[3], old)
  redis.call('HDEL', KEYS[4], old)
end
redis.call('ZADD', KEYS[3], now, chat)
redis.call('HSET', KEYS[4], chat, length)
redis.call('PEXPIRE', KEYS[3], window)
redis.call('PEXPIRE', KEYS[4], window)

if redis.call('ZCARD', KEYS[3]) < tonumber(ARGV[4]) then return 0 end
local shortest = length
for _, told in ipairs(redis.call('HVALS', KEYS[4])) do
  shortest = math.min(shortest, tonumber(told))
end
local till = now + shortest
if till > tonumber(redis.call('GET', KEYS[1]) or '0') then
  redis.call('SET', KEYS[1], string.format('%.3f', till), 'PX', math.ceil(shortest) + 1000)
end
return 1
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit: `burst` messages at once, and then one every `interval_ms`."""

    interval_ms: float
    burst: int


def fleet_rate(per_second: int) -> Rate:
    """Return the limit that lets at most `per_second` messages go in any second."""
    burst = min(FLEET_BURST, max(per_second - 1, 1))
    return Rate(1000 / max(per_second - burst, 1), burst)


def chat_rate(chat: str) -> Rate:
    """Return the limit of a chat; groups and channels have negative ids or an @name."""
    if chat.startswith(("-", "@")):
        return Rate(GROUP_INTERVAL_MS, GROUP_BURST)
    return Rate(CHAT_INTERVAL_MS, 1)


@translates_redis_errors
class TelegramLimiter:
    """The limiter that all workers and the bot share, on the clock of Redis."""

    def __init__(self, client: redis.Redis, per_second: int = FLEET_PER_SECOND) -> None:
        self._client = client
        self._fleet = fleet_rate(per_second)
        self._take = client.register_script(TAKE)
        self._hold = client.register_script(HOLD)

    def take(self, chat: str, message: str, now_ms: float | None = None) -> timedelta:
        """Ask for permission to send a message.

        Args:
            chat: where it goes: a chat's id or @name.
            message: its id, by which it keeps its place in the line of its chat.
            now_ms: milliseconds since 1970, instead of Redis' own clock.

        Returns:
            Zero where the message may be sent now, which counts it; else how long to wait.
        """
        rate = chat_rate(chat)
        waiting = self._take(
            keys=[
                keyspace.TELEGRAM_HOLD,
                keyspace.TELEGRAM_FLEET,
                keyspace.telegram_chat(chat),
                keyspace.telegram_place(message),
                keyspace.TELEGRAM_CHAT_HOLDS,
            ],
            args=[
                *(self._fleet.interval_ms, self._fleet.burst),
                *(rate.interval_ms, rate.burst),
                *(PLACE_LIFETIME_MS, "" if now_ms is None else now_ms, chat),
            ],
        )
        return timedelta(milliseconds=float(waiting))

    def hold(self, chat: str, seconds: float, now_ms: float | None = None) -> bool:
        """Hold a chat for as long as Telegram asks with `retry_after`.

        Where FLEET_HOLD_CHATS different chats must wait within FLEET_HOLD_WINDOW_MS, the fleet is
        held for the shortest of their times. That is the time of the bot's own limit, if it is the
        cause, and a chat that has to wait longer delays no other chat.

        Args:
            chat: the chat that the refused message was for.
            seconds: how long; it is cut to LONGEST_HOLD_S.
            now_ms: milliseconds since 1970, instead of Redis' own clock.

        Returns:
            Whether the fleet is held too.
        """
        length_ms = min(max(seconds, 0.0), LONGEST_HOLD_S) * 1000
        return bool(
            self._hold(
                keys=[
                    keyspace.TELEGRAM_HOLD,
                    keyspace.TELEGRAM_CHAT_HOLDS,
                    keyspace.TELEGRAM_TOLD,
                    keyspace.TELEGRAM_ASKED,
                ],
                args=[
                    *(chat, length_ms, "" if now_ms is None else now_ms),
                    *(FLEET_HOLD_CHATS, FLEET_HOLD_WINDOW_MS),
                ],
            )
        )

    def held_until(self, chat: str, now: datetime) -> datetime | None:
        """Return until when a chat is held; None where it is not."""
        till = self._client.zscore(keyspace.TELEGRAM_CHAT_HOLDS, chat)
        until = from_ms(int(till)) if till else None
        return until if until is not None and until > now else None

    def held_chats(self, now: datetime) -> int:
        """Return how many chats are held now."""
        key = keyspace.TELEGRAM_CHAT_HOLDS
        return self._client.zcount(key, f"({now.timestamp() * 1000}", "+inf")

    def fleet_held_s(self, now: datetime) -> float:
        """Return for how many more seconds the fleet is held; 0 where it is not."""
        till = cast(bytes | None, self._client.get(keyspace.TELEGRAM_HOLD))
        return max(float(till) / 1000 - now.timestamp(), 0.0) if till else 0.0
