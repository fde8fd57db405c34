"""Deletion: the end of a gate, whose history stays readable.

One transaction removes the gate with its devices, keys, accounts, subscribers, staff and visitors.
An event, a manual pass or an enrolment that is written at the same time depends on the gate's
record, and fails without it. Events, attempts, statistics and the audit trail keep the gate's id
and are removed by their age. The id is never used again: a new gate of that id would have the
history of the old one, and people may still carry codes of the old one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import redis

from cloud.contract import Gate, KeyStatus, PassStatus, StaffMember, Subscriber
from cloud.contract.base import UtcTime
from cloud.errors import GateInUse, GateUnknown
from cloud.store import keyspace
from cloud.store.access.accounts import StoredAccount, normalised_name
from cloud.store.access.keys import StoredKey
from cloud.store.admission.passes import Passes
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set
from cloud.store.moments import to_ms
from cloud.store.people.visitors import Visitor
from cloud.store.records import parsed
from cloud.store.reports.audit import entry, fields_of
from cloud.store.sites.devices import StoredDevice
from cloud.store.sites.gates import forget

BATCH: Final = 500

M = TypeVar("M", StoredDevice, StoredKey, StoredAccount)


class DeletedGate(Gate):
    """The record of a gate that was deleted."""

    deleted_at: UtcTime


@dataclass(frozen=True, slots=True)
class DeletionRequest:
    """Who deletes a gate, and why, as the audit trail keeps it.

    Args:
        actor: as `fields_of` takes it.
        reason: why, in their words.
        request_id: of the request that asked for it.
    """

    actor: str
    reason: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class GateContents:
    """What belongs to a gate, and is deleted with it."""

    devices: list[StoredDevice] = field(default_factory=list)
    keys: list[StoredKey] = field(default_factory=list)
    """Keys of people and scanners; a device's keys are deleted with the device."""

    accounts: list[StoredAccount] = field(default_factory=list)
    subscribers: list[Subscriber] = field(default_factory=list)
    staff: list[StaffMember] = field(default_factory=list)
    visitors: list[Visitor] = field(default_factory=list)
    passes: list[UUID] = field(default_factory=list)

    def summary(self) -> str:
        """Return how many there are of each, as in `2 devices, 1 key`; empty for none."""
        counts = (
            (len(self.devices), "device", "devices"),
            (len(self.keys), "key", "keys"),
            (len(self.accounts), "account", "accounts"),
            (len(self.subscribers), "subscriber", "subscribers"),
            (len(self.staff), "chat of staff", "chats of staff"),
            (len(self.visitors), "waiting visitor", "waiting visitors"),
            (len(self.passes), "pass that is still good", "passes that are still good"),
        )
        return ", ".join(
            f"{count} {one if count == 1 else many}" for count, one, many in counts if count
        )


@translates_redis_errors
class Deletion:
    """Deletes gates."""

    def __init__(self, client: redis.Redis, passes: Passes, audit_retention: timedelta) -> None:
        self._client = client
        self._passes = passes
        self._audit_retention = audit_retention

    def gate(
        self, gate_id: str, request: DeletionRequest, now: datetime, *, force: bool = False
    ) -> Gate:
        """Delete a gate.

        Args:
            gate_id: of the gate.
            request: who deletes it, and why.
            now: the present.
            force: delete what belongs to the gate too.

        Returns:
            The gate as it was.

        Raises:
            GateUnknown: there is no such gate.
            GateInUse: something belongs to the gate, and `force` is not given. Nothing was changed.
        """
        good = self._good_passes(gate_id, now)

        def write(pipe: Any) -> Gate:
            document = pipe.hget(keyspace.GATES, gate_id)
            if document is None:
                raise GateUnknown(f"there is no gate {gate_id}")
            gate = parsed(Gate, document)
            found = _contents(pipe, gate_id, good, now)
            summary = found.summary()
            if summary and not force:
                raise GateInUse(
                    f"{summary} at gate {gate_id} would go with it: take them away first, or "
                    "delete it with force"
                )
            code = pipe.hget(keyspace.GATE_CODES, gate_id)
            keys = _of(pipe, keyspace.KEYS, StoredKey, gate_id)
            pipe.multi()
            self._end(pipe, gate, now)
            if code is not None:
                pipe.hdel(keyspace.GATES_BY_CODE, code)
            _remove_contents(pipe, gate_id, found, keys, now)
            for act, subject, detail in _acts(gate, found, summary):
                words = fields_of(
                    actor=request.actor,
                    act=act,
                    subject=subject,
                    now=now,
                    gate=gate_id,
                    reason=request.reason,
                    request_id=request.request_id,
                    detail=detail,
                )
                pipe.execute_command(*entry(words, now - self._audit_retention))
            return gate

        gate = check_and_set(
            self._client,
            write,
            *(keyspace.GATES, keyspace.GATE_CODES),
            *(keyspace.KEYS, keyspace.DEVICES, keyspace.ACCOUNTS),
            *(keyspace.subscribers(gate_id), keyspace.staff(gate_id), keyspace.visitors(gate_id)),
        )
        # Without their gate the passes admit nobody. They are revoked only now, when no more can be
        # made, so that lists show all of them as revoked.
        for pass_id in self._good_passes(gate_id, now):
            self._passes.revoke(pass_id, now)
        return gate

    def gates(self) -> list[str]:
        """Return the ids of the gates that were deleted, sorted."""
        held = cast(list[bytes], self._client.hkeys(keyspace.DELETED_GATES))
        return sorted(gate.decode() for gate in held)

    def is_deleted(self, gate_id: str) -> bool:
        """Return whether there was a gate of this id."""
        return bool(self._client.hexists(keyspace.DELETED_GATES, gate_id))

    def _end(self, pipe: Any, gate: Gate, now: datetime) -> None:
        kept = DeletedGate.model_validate({**gate.model_dump(), "deleted_at": now})
        pipe.hset(keyspace.DELETED_GATES, gate.id, kept.model_dump_json())
        for name in (
            keyspace.GATES,
            keyspace.GATE_SETTINGS,
            keyspace.GATE_REVISIONS,
            keyspace.GATE_CODES,
        ):
            pipe.hdel(name, gate.id)
        pipe.delete(keyspace.viewers(gate.id), keyspace.preview_asked(gate.id))

    def _good_passes(self, gate_id: str, now: datetime) -> list[UUID]:
        found: list[UUID] = []
        keys: list[bytes] = []
        for key in self._client.scan_iter(match=f"{keyspace.PASS_PREFIX}*", count=BATCH):
            keys.append(key)
            if len(keys) == BATCH:
                found += self._good_of(keys, gate_id, now)
                keys = []
        return found + self._good_of(keys, gate_id, now)

    def _good_of(self, keys: list[bytes], gate_id: str, now: datetime) -> list[UUID]:
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.hmget(key, "gate", "status", "expires_at")
        good = (gate_id.encode(), PassStatus.ISSUED.value.encode())
        return [
            UUID(key.decode().removeprefix(keyspace.PASS_PREFIX))
            for key, (gate, status, expires_at) in zip(keys, pipe.execute(), strict=True)
            if (gate, status) == good and int(expires_at) > to_ms(now)
        ]


def _of(pipe: Any, name: str, kind: type[M], gate_id: str) -> list[M]:
    held = (parsed(kind, document) for document in pipe.hvals(name))
    return [each for each in held if each.gate == gate_id]


def _contents(pipe: Any, gate_id: str, passes: list[UUID], now: datetime) -> GateContents:
    devices = _of(pipe, keyspace.DEVICES, StoredDevice, gate_id)
    keys = _of(pipe, keyspace.KEYS, StoredKey, gate_id)
    waiting = (Visitor.read(each) for each in pipe.lrange(keyspace.visitors(gate_id), 0, -1))
    return GateContents(
        devices=[device for device in devices if not device.revoked],
        keys=[
            key for key in keys if key.device_id is None and key.status_at(now) is KeyStatus.ACTIVE
        ],
        accounts=_of(pipe, keyspace.ACCOUNTS, StoredAccount, gate_id),
        subscribers=[
            parsed(Subscriber, each) for each in pipe.hvals(keyspace.subscribers(gate_id))
        ],
        staff=[parsed(StaffMember, each) for each in pipe.hvals(keyspace.staff(gate_id))],
        visitors=[visitor for visitor in waiting if visitor.until > now],
        passes=passes,
    )


def _remove_contents(
    pipe: Any, gate_id: str, found: GateContents, keys: list[StoredKey], now: datetime
) -> None:
    for key in keys:
        if key.status_at(now) is KeyStatus.ACTIVE:
            revoked = key.model_copy(update={"revoked": True})
            pipe.hset(keyspace.KEYS, key.id, revoked.document)
    for device in found.devices:
        shut_out = device.model_copy(update={"revoked": True})
        pipe.hset(keyspace.DEVICES, device.id, shut_out.model_dump_json())
        pipe.delete(keyspace.commands(device.id))
    for account in found.accounts:
        # Its sessions end with it: a session is good only while its account exists.
        pipe.hdel(keyspace.ACCOUNTS, account.id)
        pipe.hdel(keyspace.ACCOUNT_NAMES, normalised_name(account.name))
    for subscriber in found.subscribers:
        forget(pipe, gate_id, subscriber)
    for member in found.staff:
        pipe.srem(keyspace.staffed(member.chat), gate_id)
    for visitor in found.visitors:
        # A visitor in the gate's list waits nowhere else.
        pipe.delete(keyspace.visit(visitor.chat))
    pipe.delete(keyspace.subscribers(gate_id), keyspace.staff(gate_id), keyspace.visitors(gate_id))


def _acts(gate: Gate, found: GateContents, summary: str) -> Iterator[tuple[str, str, str]]:
    """Yield act, subject and detail of what a deletion does, for the audit trail."""
    detail = f'name: "{gate.name}"' + (f"; {summary}" if summary else "")
    yield "gate.deleted", f"gate:{gate.id}", detail
    for device in found.devices:
        yield "device.revoked", f"device:{device.id}", ""
    for key in found.keys:
        yield "key.revoked", f"key:{key.id}", ""
    for account in found.accounts:
        yield "account.deleted", f"account:{account.name}", ""
