"""Devices, the one-time codes that enrol them, and their heartbeats."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import redis

from cloud.contract import Device, Enrolment, EnrolmentCode, EnrolmentRequest, Heartbeat, Role
from cloud.contract.base import UtcTime, Wire
from cloud.contract.passes import TOKEN_ALPHABET
from cloud.errors import DeviceUnknown, EnrolmentCodeInvalid, GateUnknown
from cloud.store import keyspace
from cloud.store.access.key_repository import rolled
from cloud.store.access.keys import MintedKey, StoredKey, mint
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set, require_gate
from cloud.store.records import parsed
from cloud.store.sites import absences

CODE_LENGTH = 12
"""12 letters of 58 are 70 bits: a person types them once, and nobody guesses them in an hour."""


class StoredDevice(Device):
    """A device as it is kept."""

    key_id: str


class LastHeartbeat(Wire):
    """A device's last heartbeat, and when it came by the cloud's clock."""

    heartbeat: Heartbeat
    seen_at: UtcTime


class CodeRecord(Wire):
    """An enrolment code as it is kept, under its hash."""

    gate: str
    expires_at: UtcTime


@translates_redis_errors
class Devices:
    """Devices by id, their last heartbeats, and enrolment codes by hash."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def new_code(self, gate: str, lifetime: timedelta, now: datetime) -> EnrolmentCode:
        """Make a one-time code for a gate, which is kept as a hash until it expires."""
        code = "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(CODE_LENGTH))
        record = CodeRecord(gate=gate, expires_at=now + lifetime)
        self._client.set(_code_key(code), record.model_dump_json(), ex=lifetime)
        return EnrolmentCode(code=code, gate=gate, expires_at=record.expires_at)

    def enrol(self, request: EnrolmentRequest, now: datetime) -> Enrolment:
        """Enrol a device: keep it with its key, and delete the code, in one MULTI.

        Returns:
            The device's id and key.

        Raises:
            EnrolmentCodeInvalid: the code was never made, was used, has expired, or is for a gate
                that was deleted.
        """
        code_key = _code_key(request.code.strip())

        def write(pipe: Any) -> Enrolment:
            document = pipe.get(code_key)
            record = parsed(CodeRecord, document) if document else None
            if record is None or now >= record.expires_at:
                raise EnrolmentCodeInvalid(_CODE_REFUSED)
            try:
                require_gate(pipe, record.gate)
            except GateUnknown as error:
                raise EnrolmentCodeInvalid(_CODE_REFUSED) from error
            device_id = secrets.token_hex(6)
            key = mint(request.name, Role.DEVICE, record.gate, device_id)
            device = StoredDevice(
                id=device_id,
                name=request.name,
                gate=record.gate,
                enrolled_at=now,
                key_id=key.stored.id,
            )
            pipe.multi()
            pipe.delete(code_key)
            pipe.hset(keyspace.DEVICES, device_id, device.model_dump_json())
            pipe.hset(keyspace.KEYS, key.stored.id, key.stored.document)
            return Enrolment(device_id=device_id, device_key=key.text, gate=record.gate)

        return check_and_set(self._client, write, code_key, keyspace.GATES)

    def beat(self, device_id: str, heartbeat: Heartbeat, now: datetime) -> None:
        """Keep a device's last heartbeat."""
        sign = LastHeartbeat(heartbeat=heartbeat, seen_at=now)
        self._client.hset(keyspace.HEARTBEATS, device_id, sign.model_dump_json())

    def all(self) -> list[Device]:
        """Return every device with its last heartbeat, the oldest first."""
        pipe = self._client.pipeline(transaction=False)
        pipe.hvals(keyspace.DEVICES)
        pipe.hgetall(keyspace.HEARTBEATS)
        pipe.hgetall(keyspace.ABSENCES)
        return devices_from(*pipe.execute())

    def seen(self, device_id: str) -> Device | None:
        """Return the device with its last heartbeat, or None."""
        pipe = self._client.pipeline(transaction=False)
        pipe.hget(keyspace.DEVICES, device_id)
        pipe.hget(keyspace.HEARTBEATS, device_id)
        pipe.hgetall(keyspace.ABSENCES)
        document, sign, announced = pipe.execute()
        if not document:
            return None
        return _seen(parsed(StoredDevice, document), sign, absences.until(announced, device_id))

    def get(self, device_id: str) -> StoredDevice | None:
        """Return the device, or None."""
        document = cast(bytes | None, self._client.hget(keyspace.DEVICES, device_id))
        return parsed(StoredDevice, document) if document else None

    def rename(self, device_id: str, name: str) -> bool:
        """Rename a device and all of its keys; return False if there is no such device."""

        def write(pipe: Any) -> bool:
            stored = _kept(pipe, device_id)
            if stored is None:
                return False
            keys = [key.model_copy(update={"name": name}) for key in _keys_of(pipe, stored)]
            pipe.multi()
            renamed = stored.model_copy(update={"name": name})
            pipe.hset(keyspace.DEVICES, device_id, renamed.model_dump_json())
            if keys:
                pipe.hset(keyspace.KEYS, mapping={key.id: key.document for key in keys})
            return True

        return check_and_set(self._client, write, keyspace.KEYS, keyspace.DEVICES)

    def roll(self, key: StoredKey, overlap: timedelta) -> tuple[MintedKey, datetime]:
        """Make the next key of the device that this key belongs to; see `Keys.roll`."""

        def write(pipe: Any) -> tuple[MintedKey, datetime]:
            stored = _kept(pipe, key.device_id or "")
            if stored is None or stored.revoked:
                raise DeviceUnknown("this key belongs to no enrolled device")
            made, until, keys = rolled(pipe, key.id, overlap)
            changed = stored.model_copy(update={"key_id": made.stored.id})
            pipe.multi()
            pipe.hset(keyspace.KEYS, mapping={each.id: each.document for each in keys})
            pipe.hset(keyspace.DEVICES, stored.id, changed.model_dump_json())
            return made, until

        return check_and_set(self._client, write, keyspace.KEYS, keyspace.DEVICES)

    def revoke(self, device_id: str) -> bool:
        """Revoke a device with all of its keys; return False if there is no such device."""

        def write(pipe: Any) -> bool:
            stored = _kept(pipe, device_id)
            if stored is None:
                return False
            keys = [key.model_copy(update={"revoked": True}) for key in _keys_of(pipe, stored)]
            revoked = stored.model_copy(update={"revoked": True})
            pipe.multi()
            pipe.hset(keyspace.DEVICES, device_id, revoked.model_dump_json())
            if keys:
                pipe.hset(keyspace.KEYS, mapping={key.id: key.document for key in keys})
            return True

        return check_and_set(self._client, write, keyspace.KEYS, keyspace.DEVICES)


_CODE_REFUSED = (
    "this enrolment code was never made, has been used, has expired, or is for a gate that was "
    "deleted; make a new one with "
    "`python -m cloud enrolment-codes create`"
)


def devices_from(
    documents: Iterable[bytes], heartbeats: Mapping[bytes, bytes], announced: Mapping[bytes, bytes]
) -> list[Device]:
    """Return devices with their last heartbeats, the oldest first.

    Args:
        documents: the values of `keyspace.DEVICES`.
        heartbeats: the hash `keyspace.HEARTBEATS`.
        announced: the hash `keyspace.ABSENCES`.
    """
    held = (parsed(StoredDevice, document) for document in documents)
    devices = (
        _seen(stored, heartbeats.get(stored.id.encode()), absences.until(announced, stored.id))
        for stored in held
    )
    return sorted(devices, key=lambda device: (device.enrolled_at, device.id))


def _seen(stored: StoredDevice, sign: bytes | None, absent_until: datetime | None) -> Device:
    last = parsed(LastHeartbeat, sign) if sign else None
    return Device.model_validate(
        {
            **stored.model_dump(exclude={"last_heartbeat", "last_seen_at"}),
            "expected_offline_until": absent_until,
            "last_heartbeat": last.heartbeat if last else None,
            "last_seen_at": last.seen_at if last else None,
        }
    )


def _kept(pipe: Any, device_id: str) -> StoredDevice | None:
    document = pipe.hget(keyspace.DEVICES, device_id)
    return parsed(StoredDevice, document) if document else None


def _keys_of(pipe: Any, device: StoredDevice) -> list[StoredKey]:
    held = (parsed(StoredKey, document) for document in pipe.hvals(keyspace.KEYS))
    return [key for key in held if key.device_id == device.id or key.id == device.key_id]


def _code_key(code: str) -> str:
    return keyspace.enrolment_code(hashlib.sha256(code.encode()).hexdigest())
