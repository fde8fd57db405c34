"""Previews: who watches a gate's camera, and the publishing of its pictures.

No picture is kept. Each is a published message, which Redis holds in no key and writes into no
file.
"""

from datetime import datetime, timedelta
from typing import Final

import redis

from cloud.errors import PreviewCrowded
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import to_ms

PACE: Final = timedelta(milliseconds=180)
"""Least time between two pictures of a device: five a second, and a little for the network."""

WATCHED_FOR: Final = timedelta(seconds=10)
"""How long a request for one picture counts as watching. A viewer who asks for picture after
picture causes one request to the device."""

ASKED_AGAIN_AFTER: Final = timedelta(seconds=5)

WATCH = """
-- Count a viewer in until a moment, if there is room. KEYS: viewers
-- ARGV: viewer, now (ms), until (ms), most viewers. Answers 1, or 0 where there is no room.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if not redis.call('ZSCORE', KEYS[1], ARGV[1])
  and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('PEXPIREAT', KEYS[1], tonumber(ARGV[3]) + 60000)
return 1
"""


@translates_redis_errors
class Previews:
    """The viewers of each gate, and the pictures that are published to them."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._watch = client.register_script(WATCH)

    def watch(self, gate: str, viewer: str, most: int, now: datetime) -> bool:
        """Count a viewer for the next seconds.

        Args:
            gate: whose camera is watched.
            viewer: who watches.
            most: how many may watch at a time.
            now: the present.

        Returns:
            Whether the gate's devices should be asked for pictures again.

        Raises:
            PreviewCrowded: `most` others watch already.
        """
        until = to_ms(now + WATCHED_FOR)
        if not self._watch(keys=[keyspace.viewers(gate)], args=[viewer, to_ms(now), until, most]):
            raise PreviewCrowded(f"{most} people watch this gate already", 10)
        asked = self._client.set(keyspace.preview_asked(gate), b"", px=ASKED_AGAIN_AFTER, nx=True)
        return bool(asked)

    def unwatch(self, gate: str, viewer: str) -> None:
        """Stop counting a viewer."""
        self._client.zrem(keyspace.viewers(gate), viewer)

    def is_early(self, device_id: str) -> bool:
        """Note that a device sends a picture; return whether its last one is less than PACE ago."""
        noted = self._client.set(keyspace.preview_pace(device_id), b"", px=PACE, nx=True)
        return not noted

    def publish(self, gate: str, picture: bytes, now: datetime) -> bool:
        """Publish a picture to all viewers.

        The gate's devices are not asked again while their pictures come.

        Returns:
            False where nobody watches.
        """
        if not self._client.zcount(keyspace.viewers(gate), to_ms(now), "+inf"):
            return False
        pipe = self._client.pipeline(transaction=False)
        pipe.set(keyspace.preview_asked(gate), b"", px=ASKED_AGAIN_AFTER)
        pipe.publish(keyspace.preview(gate), picture)
        pipe.execute()
        return True
