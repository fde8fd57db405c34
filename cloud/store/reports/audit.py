"""The audit trail: one stream, which is appended to and never changed, and trimmed by age."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import redis
from pydantic import BaseModel

from cloud.contract import AuditEntry
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms, to_ms
from cloud.store.records import Fields
from cloud.store.streams import read_backwards
from cloud.store.transaction import Command

COMMAND = "command"
"""The actor of commands of `python -m cloud …`: a person who may log in to the machine."""


def fields_of(
    *,
    actor: str,
    act: str,
    subject: str,
    now: datetime,
    gate: str | None = None,
    reason: str = "",
    request_id: str = "",
    detail: str = "",
) -> dict[str, str]:
    """Return one entry as the stream holds it, for a script that writes it with the act itself.

    Args:
        actor: `key:<id>`, `account:<name>`, `chat:<id>`, COMMAND, `worker` or `telegram`.
        act: a noun and a verb in the past: `pass.revoked`.
        subject: the object of the act: `pass:<id>`.
        now: when the act was done.
        gate: the gate that the act concerns, if one.
        reason: why, in the actor's words.
        request_id: of the request that asked for the act.
        detail: what the act changed: `name: "Old" → "New"`.
    """
    return {
        "at": str(to_ms(now)),
        "actor": actor,
        "act": act,
        "subject": subject,
        "gate": gate or "",
        "reason": reason,
        "request_id": request_id,
        "detail": detail,
    }


def differences(before: BaseModel, after: BaseModel) -> str:
    """Return the differences of two states of one object, for the detail of an entry.

    Args:
        before: the former state.
        after: the new state.

    Returns:
        `name: "Old" → "New", pass_lifetime_s: null → 60`; empty where nothing differs.
    """
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return ", ".join(
        f"{name}: {_written(old.get(name))} → {_written(value)}"
        for name, value in new.items()
        if old.get(name) != value
    )


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def entry(fields: Mapping[str, str], oldest: datetime) -> Command:
    """Return the command that appends one entry and trims entries older than `oldest`."""
    words = chain.from_iterable(fields.items())
    return ("XADD", keyspace.AUDIT, "MINID", "~", max(to_ms(oldest), 0), "*", *words)


@translates_redis_errors
class Audit:
    """Acts of people and of keys, in their order."""

    def __init__(self, client: redis.Redis, retention: timedelta) -> None:
        self._client = client
        self._retention = retention

    def record(
        self,
        *,
        actor: str,
        act: str,
        subject: str,
        now: datetime,
        gate: str | None = None,
        reason: str = "",
        request_id: str = "",
        detail: str = "",
    ) -> None:
        """Append one act; the arguments are those of `fields_of`."""
        fields = fields_of(
            actor=actor,
            act=act,
            subject=subject,
            now=now,
            gate=gate,
            reason=reason,
            request_id=request_id,
            detail=detail,
        )
        self._client.execute_command(*entry(fields, now - self._retention))  # type: ignore[no-untyped-call]

    def page(
        self,
        *,
        gate: str | None = None,
        actor: str | None = None,
        act: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> tuple[list[AuditEntry], str | None]:
        """Return up to `limit` acts, newest first, and the cursor to read on from."""
        wanted = {b"gate": gate, b"actor": actor, b"act": act}
        page = read_backwards(
            self._client,
            keyspace.AUDIT,
            before,
            {name: value for name, value in wanted.items() if value is not None},
            limit,
        )
        return [_entry(cursor, fields) for cursor, fields in page.entries], page.next_cursor


def _entry(cursor: str, fields: Fields) -> AuditEntry:
    told = {name.decode(): value.decode() for name, value in fields.items()}
    at = from_ms(told.pop("at"))
    gate = told.pop("gate") or None
    return AuditEntry.model_validate({**told, "at": at, "gate": gate, "cursor": cursor})
