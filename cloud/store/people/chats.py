"""Chats: the bot's state of each chat; and the bot's lease and name."""

from datetime import datetime, timedelta
from typing import cast

import redis

from cloud.contract import Language
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms, to_ms

LEAD = """
-- Take or renew the lease. KEYS: lease; ARGV: holder, length (ms).
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

RESIGN = """
-- Release the lease, if this holder has it. KEYS: lease; ARGV: holder.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


@translates_redis_errors
class Chats:
    """A chat's language, how long it is muted, and the lease of the bot that answers chats."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._lead = client.register_script(LEAD)
        self._resign = client.register_script(RESIGN)

    def language(self, chat: str) -> Language | None:
        """Return the language of a chat, if it is known."""
        held = cast(bytes | None, self._client.hget(keyspace.chat(chat), "language"))
        return Language(held.decode()) if held else None

    def speak(self, chat: str, language: Language) -> None:
        """Keep a chat's language."""
        self._client.hset(keyspace.chat(chat), "language", language.value)

    def mute(self, chat: str, until: datetime | None) -> None:
        """Send a chat no alerts until then; None ends this."""
        if until is None:
            self._client.hdel(keyspace.chat(chat), "muted_until")
        else:
            self._client.hset(keyspace.chat(chat), "muted_until", to_ms(until))

    def muted_until(self, chat: str, now: datetime) -> datetime | None:
        """Return until when a chat is muted, if it is."""
        held = cast(bytes | None, self._client.hget(keyspace.chat(chat), "muted_until"))
        until = from_ms(held) if held else None
        return until if until is not None and until > now else None

    def lead(self, bot: str, lifetime: timedelta) -> bool:
        """Take or renew the bot's lease for `lifetime`; return False if another bot holds it."""
        key, length = keyspace.BOT_LEADER, int(lifetime.total_seconds() * 1000)
        return bool(self._lead(keys=[key], args=[bot, length]))

    def resign(self, bot: str) -> None:
        """Release the bot's lease."""
        self._resign(keys=[keyspace.BOT_LEADER], args=[bot])

    def introduce(self, username: str) -> None:
        """Keep the bot's name, which is part of the links to it."""
        self._client.set(keyspace.BOT_NAME, username)

    def bot_name(self) -> str | None:
        """Return the bot's name; None before its first start."""
        held = cast(bytes | None, self._client.get(keyspace.BOT_NAME))
        return held.decode() if held else None
