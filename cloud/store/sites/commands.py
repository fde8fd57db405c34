"""Commands that wait for devices, and the settings of gates."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, cast

import redis

from cloud.contract import Command, CommandKind, DeviceSettings, GateSettings, ModelOrder, ModelRole
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set, require_gate
from cloud.store.moments import from_ms, to_ms
from cloud.store.records import Fields, parsed, text

KEPT_AT_MOST: Final = 100
"""Commands that wait for one device at most; beyond it the oldest are removed. Most only tell of a
state that is kept elsewhere, and the others are an operator's request, who sees that it failed."""

KEPT_FOR: Final = timedelta(days=7)

WAKEUPS_KEPT: Final = 1000
"""Entries that the stream of wake-ups keeps; its readers are behind by a few at most."""


@translates_redis_errors
class Commands:
    """Commands by device, each until it is acknowledged; and the settings of gates."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def issue(
        self,
        devices: Iterable[str],
        kind: CommandKind,
        now: datetime,
        *,
        model: ModelOrder | None = None,
        role: ModelRole | None = None,
        lines: int | None = None,
    ) -> None:
        """Send a command to each of the devices, and wake those that wait.

        Args:
            devices: Their ids.
            kind: Of the command.
            now: The present.
            model: Of `update_model`.
            role: Of `roll_back_model`.
            lines: Of `send_log`.
        """
        fields: dict[Any, Any] = {"kind": kind.value, "at": to_ms(now)}
        if model is not None:
            fields["model"] = model.model_dump_json()
        if role is not None:
            fields["role"] = role
        if lines is not None:
            fields["lines"] = lines
        with self._client.pipeline() as pipe:
            for device_id in devices:
                stream = keyspace.commands(device_id)
                pipe.xadd(stream, fields, maxlen=KEPT_AT_MOST, approximate=False)
                pipe.expire(stream, KEPT_FOR)
                pipe.xadd(keyspace.COMMAND_WAKEUPS, {"device": device_id}, maxlen=WAKEUPS_KEPT)
            pipe.execute()

    def waiting(self, device_id: str, after: str | None) -> list[Command]:
        """Remove a device's commands up to `after`, and return the others, the oldest first."""
        stream = keyspace.commands(device_id)
        if after is not None:
            milliseconds, _, number = after.partition("-")
            self._client.xtrim(stream, minid=f"{milliseconds}-{int(number) + 1}", approximate=False)
        entries = cast(list[tuple[bytes, Fields]], self._client.xrange(stream))
        return [
            Command.model_validate(
                {
                    "id": entry_id.decode(),
                    "kind": fields[b"kind"].decode(),
                    "issued_at": from_ms(fields[b"at"]),
                    "model": parsed(ModelOrder, fields[b"model"]) if b"model" in fields else None,
                    "role": text(fields.get(b"role")),
                    "lines": int(fields[b"lines"]) if b"lines" in fields else None,
                }
            )
            for entry_id, fields in entries
        ]

    def settings(self, gate: str) -> DeviceSettings:
        """Return the settings of a gate."""
        pipe = self._client.pipeline()
        pipe.hget(keyspace.GATE_SETTINGS, gate)
        pipe.hget(keyspace.GATE_REVISIONS, gate)
        document, revision = pipe.execute()
        held = parsed(GateSettings, document) if document else GateSettings()
        return DeviceSettings(gate=gate, settings=held, revision=int(revision or 0))

    def set(self, gate: str, settings: GateSettings) -> DeviceSettings:
        """Change the settings of a gate, under the next revision.

        Returns:
            The settings with their revision.

        Raises:
            GateUnknown: there is no such gate.
        """

        def write(pipe: Any) -> int:
            require_gate(pipe, gate)
            revision = int(pipe.hget(keyspace.GATE_REVISIONS, gate) or 0) + 1
            pipe.multi()
            pipe.hset(keyspace.GATE_SETTINGS, gate, settings.model_dump_json())
            pipe.hset(keyspace.GATE_REVISIONS, gate, revision)
            return revision

        revision = check_and_set(self._client, write, keyspace.GATES, keyspace.GATE_REVISIONS)
        return DeviceSettings(gate=gate, settings=settings, revision=revision)
