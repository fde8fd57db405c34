"""Keys: who may call what. The secret of a key is shown once and kept as a hash."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import redis

from cloud.contract import IssuedKey, Key, KeyChange, KeyStatus, NewKey, Role
from cloud.errors import KeyExpired, KeyInvalid, KeyOver, KeyRevoked, MalformedRequest
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set, require_gate
from cloud.store.moments import now
from cloud.store.records import parsed

SECRET_BYTES = 32
PREFIX = "mg"

DECLARED = re.compile(rf"{PREFIX}_[0-9a-f]{{12}}_[A-Za-z0-9_-]{{43,128}}")
"""43 characters of base64 hold 256 bits."""


class StoredKey(Key):
    """A key as it is kept."""

    secret_sha256: str
    device_id: str | None = None
    """The device that this key belongs to, if any."""
    replaces: str | None = None
    """The device's former key, which is good until this one is first used."""
    replaced_by: str | None = None
    """The device's next key."""

    @property
    def document(self) -> str:
        """The key as it is kept, in JSON; its status follows from the time, so it is left out."""
        return self.model_dump_json(exclude={"status"})

    def status_at(self, moment: datetime) -> KeyStatus:
        """Return the status of the key at a moment."""
        if self.revoked:
            return KeyStatus.REVOKED
        expired = self.expires_at is not None and moment >= self.expires_at
        return KeyStatus.EXPIRED if expired else KeyStatus.ACTIVE

    def shown(self, moment: datetime) -> Key:
        """Return the key as it is listed at a moment, without its secret."""
        return Key.model_validate({**self.model_dump(), "status": self.status_at(moment)})


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key: the part that is kept, and the text, which is not."""

    stored: StoredKey
    text: str

    def __repr__(self) -> str:
        return f"MintedKey({self.stored.id})"

    def issued(self) -> IssuedKey:
        """Return the only answer that shows the text."""
        return IssuedKey.model_validate({**self.stored.model_dump(), "key": self.text})


def mint(
    name: str,
    role: Role,
    gate: str | None,
    device_id: str | None = None,
    expires_at: datetime | None = None,
) -> MintedKey:
    """Return a new key, which is not kept yet. Its text is `mg_<id>_<secret>`.

    The secret is 256 random bits, so a fast hash is enough. Slow hashes (argon2, bcrypt) protect
    weak passwords, and would slow down every request here. NIST SP 800-63B section 5.1.2.2 asks for
    a salted slow hash below 112 bits of entropy only.

    Args:
        name: for people.
        role: the role of its bearer.
        gate: the one gate where the bearer has the role; None for every gate.
        device_id: the device that the key belongs to, if any.
        expires_at: when the key expires; None for never.

    Returns:
        The key, to be kept and to be shown once.
    """
    key_id = secrets.token_hex(6)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    stored = StoredKey(
        id=key_id,
        name=name,
        role=role,
        gate=gate,
        device_id=device_id,
        created_at=now(),
        expires_at=expires_at,
        secret_sha256=_sha256(secret),
    )
    return MintedKey(stored, f"{PREFIX}_{key_id}_{secret}")


def declared(
    text: str, name: str, role: Role, gate: str | None, expires_at: datetime | None = None
) -> StoredKey:
    """Return the part that is kept of a key that was made elsewhere.

    Args:
        text: the key, as `mint` writes it.
        name: for people.
        role: the role of its bearer.
        gate: the one gate where the bearer has the role; None for every gate.
        expires_at: when the key expires; None for never.

    Returns:
        The key as it is kept.

    Raises:
        KeyInvalid: `text` is not the text of a key, or is short enough to be guessed.
    """
    if not DECLARED.fullmatch(text):
        raise KeyInvalid(
            "this is not a key: give mg_, 12 hexadecimal digits, _ and at least 43 random letters, "
            "digits, - or _"
        )
    key_id, secret = split_key(text)
    return StoredKey(
        id=key_id,
        name=name,
        role=role,
        gate=gate,
        created_at=now(),
        expires_at=expires_at,
        secret_sha256=_sha256(secret),
    )


def expiry_of(wanted: NewKey | KeyChange, moment: datetime) -> datetime | None:
    """Return when a key is to expire.

    Args:
        wanted: a request with a lifetime, a moment, or neither.
        moment: the present.

    Returns:
        The moment; None for never.

    Raises:
        MalformedRequest: the moment is past.
    """
    if wanted.lifetime_s is not None:
        return moment + timedelta(seconds=wanted.lifetime_s)
    if wanted.expires_at is not None and wanted.expires_at <= moment:
        raise MalformedRequest(
            "this moment is past; give a later one, or revoke the key", ("body", "expires_at")
        )
    return wanted.expires_at


def amended(key: StoredKey, change: KeyChange, moment: datetime) -> StoredKey:
    """Return a key with another name or expiry.

    A key that has ended stays so: a key that people believe to be dead must not come back.

    Args:
        key: the key as it is kept.
        change: the new name, expiry or both.
        moment: the present.

    Returns:
        The key as it is to be kept.

    Raises:
        KeyOver: the expiry was to change, and the key was revoked, replaced, or has expired.
    """
    fields: dict[str, Any] = {}
    if change.name is not None:
        fields["name"] = change.name
    if "expires_at" in change.model_fields_set or change.lifetime_s is not None:
        if key.replaced_by is not None:
            raise KeyOver("the device has a newer key: set the expiry of that one")
        status = key.status_at(moment)
        if status is not KeyStatus.ACTIVE:
            raise KeyOver(f"this key is {status.value} and stays so; make a new one")
        fields["expires_at"] = expiry_of(change, moment)
    return _with(key, **fields)


def split_key(text: str) -> tuple[str, str]:
    """Return the id and the secret of a key's text.

    Args:
        text: as `mint` writes it.

    Returns:
        Id and secret.

    Raises:
        KeyInvalid: `text` has not the form of a key.
    """
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != PREFIX or not key_id.isalnum() or not secret:
        raise KeyInvalid("this is not a key of this server; keys begin with mg_")
    return key_id, secret


def verified(stored: StoredKey | None, secret: str) -> StoredKey:
    """Return the kept key, if `secret` is its secret and the key is good now.

    The time is compared at each call, so a key in a process's cache expires too.

    Args:
        stored: the key that is kept under the id; None where there is none.
        secret: the secret that the caller sent.

    Returns:
        The key.

    Raises:
        KeyInvalid: there is no such key, or the secret is another one.
        KeyRevoked: the key was revoked or replaced.
        KeyExpired: the key has expired.
    """
    # Compared for an unknown id too, so that the time taken does not tell which ids exist.
    expected = stored.secret_sha256 if stored else _sha256("")
    if not hmac.compare_digest(_sha256(secret), expected) or stored is None:
        raise KeyInvalid("this key is not known here; ask an admin for one")
    if stored.revoked:
        raise KeyRevoked("this key was revoked; ask an admin for a new one")
    if stored.expires_at is not None and now() >= stored.expires_at:
        if stored.replaced_by is not None:
            raise KeyRevoked("this key was replaced by a newer one, and its time is over")
        raise KeyExpired(
            f"this key expired at {stored.expires_at:%Y-%m-%d %H:%M:%S} UTC; ask an admin for a "
            "new one"
        )
    return stored


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
            first_used = self.change(key_id, lambda key: _with(key, replaces=None))
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
        return self.change(key_id, lambda key: _with(key, revoked=True)) is not None


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
    kept = _with(made.stored, replaces=key.id)
    keys = [kept, _with(key, expires_at=until, replaced_by=kept.id)]
    if former is not None:
        keys.append(_with(former, revoked=True))
    return MintedKey(kept, made.text), until, keys


def _with(key: StoredKey, **fields: Any) -> StoredKey:
    return key.model_copy(update=fields)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
