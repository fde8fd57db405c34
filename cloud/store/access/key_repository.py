"""Kept keys, by id, and the change from a device's key to its next one."""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import redis

from cloud.errors import KeyInvalid, KeyRevoked
from cloud.store import keyspace
from cloud.store.access.keys import (
    MintedKey,
    StoredKey,
    mint,
    split_key,
    verified,
    with_fields,
)
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set, require_gate
from cloud.store.moments import now
from cloud.store.records import parsed


@translates_redis_errors
class Keys:
    """Keys by id."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def add(self, key: StoredKey) -> None:
        """Keep a new key.

        Raises:
            GateUnknown: the key is bound to a gate that does not exist.
        """

        def write(pipe: Any) -> None:
            if key.gate is not None:
                require_gate(pipe, key.gate)
            pipe.multi()
            pipe.hset(keyspace.KEYS, key.id, key.document)

        check_and_set(self._client, write, keyspace.GATES)

    def keep(self, key: StoredKey) -> StoredKey:
        """Keep a key unless it is kept already.

        Returns:
            The key that is kept.

        Raises:
            KeyInvalid: another key has its id.
            GateUnknown: the key is bound to a gate that does not exist.
        """

        def write(pipe: Any) -> StoredKey:
            held = kept_key(pipe, key.id)
            if held is None and key.gate is not None:
                require_gate(pipe, key.gate)
            pipe.multi()
            if held is None:
                pipe.hset(keyspace.KEYS, key.id, key.document)
            return held or key

        held = check_and_set(self._client, write, keyspace.KEYS, keyspace.GATES)
        if not hmac.compare_digest(held.secret_sha256, key.secret_sha256):
            raise KeyInvalid(f"another key has the id {key.id}; make a new one")
        return held

    def authenticate(self, text: str) -> StoredKey:
        """Return the key that a text proves.

        The first use of a device's next key revokes its former one.

        Raises:
            KeyInvalid: `text` is no key that is kept here.
            KeyRevoked: the key was revoked or replaced.
            KeyExpired: the key has expired.
        """
        key_id, secret = split_key(text)
        stored = verified(self.get(key_id), secret)
        if stored.replaces is not None:
            self.revoke(stored.replaces)
            first_used = self.change(key_id, lambda key: with_fields(key, replaces=None))
            stored = verified(first_used, secret)
        return stored

    def all(self) -> list[StoredKey]:
        """Return every key, the oldest first."""
        documents = cast(list[bytes], self._client.hvals(keyspace.KEYS))
        held = (parsed(StoredKey, document) for document in documents)
        return sorted(held, key=lambda key: (key.created_at, key.id))

    def get(self, key_id: str) -> StoredKey | None:
        """Return the key, or None."""
        document = cast(bytes | None, self._client.hget(keyspace.KEYS, key_id))
        return parsed(StoredKey, document) if document else None

    def change(self, key_id: str, changed: Callable[[StoredKey], StoredKey]) -> StoredKey | None:
        """Change a key. Of two changes at a time, neither undoes the other.

        Args:
            key_id: of the key.
            changed: returns the changed key; it may be called more than once.

        Returns:
            The changed key; None where there is no such key.
        """

        def write(pipe: Any) -> StoredKey | None:
            held = kept_key(pipe, key_id)
            if held is None:
                return None
            new = changed(held)
            pipe.multi()
            pipe.hset(keyspace.KEYS, key_id, new.document)
            return new

        return check_and_set(self._client, write, keyspace.KEYS)

    def roll(self, key: StoredKey, overlap: timedelta) -> tuple[MintedKey, datetime]:
        """Make a device's next key.

        A next key that was made before and never used is revoked: its answer was lost.

        Args:
            key: the device's present key.
            overlap: how long the present key stays good, unless the next one is used before.

        Returns:
            The next key, and until when `key` is good at most.

        Raises:
            KeyRevoked: `key` was revoked meanwhile.
        """

        def write(pipe: Any) -> tuple[MintedKey, datetime]:
            made, until, keys = rolled(pipe, key.id, overlap)
            pipe.multi()
            pipe.hset(keyspace.KEYS, mapping={each.id: each.document for each in keys})
            return made, until

        return check_and_set(self._client, write, keyspace.KEYS)

    def revoke(self, key_id: str) -> bool:
        """Revoke a key; return False if there is no such key."""
        return self.change(key_id, lambda key: with_fields(key, revoked=True)) is not None


def kept_key(pipe: Any, key_id: str) -> StoredKey | None:
    """Return a key by a pipeline that watches KEYS, or None."""
    document = pipe.hget(keyspace.KEYS, key_id)
    return parsed(StoredKey, document) if document else None


def rolled(
    pipe: Any, key_id: str, overlap: timedelta
) -> tuple[MintedKey, datetime, list[StoredKey]]:
    """Return a device's next key, by a pipeline that watches KEYS.

    The next key inherits an expiry that an admin set, and no expiry that is the end of an overlap.

    Args:
        pipe: the pipeline.
        key_id: of the device's present key.
        overlap: how long the present key stays good, unless the next one is used before.

    Returns:
        The next key, until when the present one is good, and all keys to be kept.

    Raises:
        KeyRevoked: the present key was revoked.
    """
    key = kept_key(pipe, key_id)
    if key is None or key.revoked:
        raise KeyRevoked("this key was revoked; ask an admin for a new one")
    former = kept_key(pipe, key.replaced_by) if key.replaced_by is not None else None
    expires_at = key.expires_at if former is None else former.expires_at
    until = now() + overlap
    if key.expires_at is not None:
        until = min(until, key.expires_at)
    made = mint(key.name, key.role, key.gate, key.device_id, expires_at)
    kept = with_fields(made.stored, replaces=key.id)
    keys = [kept, with_fields(key, expires_at=until, replaced_by=kept.id)]
    if former is not None:
        keys.append(with_fields(former, revoked=True))
    return MintedKey(kept, made.text), until, keys
