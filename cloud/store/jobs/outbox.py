"""The outbox: jobs on their way to a queue on another Redis (transactional outbox).

No transaction spans two servers. So the commands that queue a job are written into the outbox by
the script that writes the job's cause. A relay runs them on the queue's Redis later, at least once:
an entry is removed only afterwards. The queue's Redis keeps a note of each entry that it has run,
so that the entry of a relay that died before it removed the entry is not run twice.
"""

from datetime import datetime, timedelta
from typing import Any, Final, cast

import redis

from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import to_ms

AT_A_TIME: Final = 100

NOTED_FOR: Final = timedelta(days=1)
"""A relay comes back within seconds to an entry that it did not remove. Later than this the job
would be queued twice, and the second job would find its delivery settled."""

TAKE = """
-- Run the commands of an entry, unless they were run. The note comes last: where memory is short,
-- an entry is rather run twice than lost.
-- KEYS: note; ARGV: how long it is kept (ms), commands (JSON)
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for _, command in ipairs(cjson.decode(ARGV[2])) do redis.call(unpack(command)) end
redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
return 1
"""


@translates_redis_errors
class Outbox:
    """Commands that were written to the data's Redis, for the queue's Redis."""

    def __init__(self, client: redis.Redis, queue_client: redis.Redis) -> None:
        self._client = client
        self._take = queue_client.register_script(TAKE)

    def __len__(self) -> int:
        """Return how many entries wait."""
        return self._client.xlen(keyspace.OUTBOX)

    def waited_s(self, now: datetime) -> float:
        """Return how long the entry that waits longest has waited, in seconds; 0 with none."""
        head = cast(Any, self._client.xrange(keyspace.OUTBOX, count=1))
        if not head:
            return 0.0
        # An entry's id begins with the moment, in ms, at which it was added.
        since = int(head[0][0].decode().partition("-")[0])
        return max((to_ms(now) - since) / 1000, 0.0)

    def relay(self, wait: timedelta = timedelta(milliseconds=1)) -> int:
        """Run entries on the queue's Redis, the oldest first. Any number of relays may run at once.

        Args:
            wait: how long to wait for the first entry.

        Returns:
            How many entries were run.
        """
        waits_ms = max(int(wait.total_seconds() * 1000), 1)
        read = cast(Any, self._client.xread({keyspace.OUTBOX: "0-0"}, AT_A_TIME, waits_ms))
        entries = read[0][1] if read else []
        for cursor, fields in entries:
            self._take(
                keys=[keyspace.relayed(cursor.decode())],
                args=[int(NOTED_FOR.total_seconds() * 1000), fields[b"commands"]],
            )
            self._client.xdel(keyspace.OUTBOX, cursor)
        return len(entries)
