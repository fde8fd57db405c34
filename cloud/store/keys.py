"""Keys: who may call what. A key's secret is shown once and kept as a hash."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import redis

from cloud.contract import IssuedKey, Key, Role
from cloud.errors import KeyInvalid, KeyRevoked
from cloud.store import keyspace
from cloud.store.connection import at_the_door
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
    """The device whose own key this is."""
    replaces: str | None = None
    """The device's key until now, good until this one is first used."""
    replaced_by: str | None = None
    """The device's key from now on."""


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key: what is kept of it, and its text, which is not."""

    stored: StoredKey
    text: str

    def __repr__(self) -> str:
        return f"MintedKey({self.stored.id})"

    def issued(self) -> IssuedKey:
        """Return the one answer that shows the text."""
        return IssuedKey.model_validate({**self.stored.model_dump(), "key": self.text})


def mint(name: str, role: Role, gate: str | None, device_id: str | None = None) -> MintedKey:
    """Return a new key, not kept yet: `mg_<id>_<secret>`.

    The secret is 256 random bits, so a fast hash keeps it: slow hashes (argon2, bcrypt) make up
    for what people choose as passwords, and would only slow down every request here (NIST
    SP 800-63B section 5.1.2.2 asks for a salted slow hash below 112 bits of entropy only).
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
        secret_sha256=_sha256(secret),
    )
    return MintedKey(stored, f"{PREFIX}_{key_id}_{secret}")


def declared(text: str, name: str, role: Role, gate: str | None) -> StoredKey:
    """Return what is kept of a key that was made elsewhere.

    Raises KeyInvalid where `text` is not made as `mint` makes one, or is so short that it could be
    guessed: a fast hash keeps it.
    """
    if not DECLARED.fullmatch(text):
        raise KeyInvalid(
            "this is not a key: give mg_, 12 hexadecimal digits, _ and at least 43 random letters, "
            "digits, - or _"
        )
    key_id, secret = taken_apart(text)
    return StoredKey(
        id=key_id,
        name=name,
        role=role,
        gate=gate,
        created_at=now(),
        secret_sha256=_sha256(secret),
    )


def taken_apart(text: str) -> tuple[str, str]:
    """Return a key's id and its secret; raise KeyInvalid where `text` is not made like a key."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != PREFIX or not key_id.isalnum() or not secret:
        raise KeyInvalid("this is not a key of this server; keys begin with mg_")
    return key_id, secret


def proved(stored: StoredKey | None, secret: str) -> StoredKey:
    """Return the key that is kept, once `secret` proves it; raise KeyInvalid or KeyRevoked."""
    # Compared for an unknown id too, so that the time taken says nothing about which ids are.
    expected = stored.secret_sha256 if stored else _sha256("")
    if not hmac.compare_digest(_sha256(secret), expected) or stored is None:
        raise KeyInvalid("this key is not known here; ask an admin for one")
    if stored.revoked:
        raise KeyRevoked("this key was revoked; ask an admin for a new one")
    if stored.expires_at is not None and now() >= stored.expires_at:
        raise KeyRevoked("this key was replaced by a newer one, and its time is over")
    return stored


@at_the_door
class Keys:
    """Keys by id."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def add(self, key: StoredKey) -> None:
        """Keep a new key."""
        self._client.hset(keyspace.KEYS, key.id, key.model_dump_json())

    def keep(self, key: StoredKey) -> StoredKey:
        """Keep a key unless it is there; return the one that is kept.

        Raises KeyInvalid where another key has its id.
        """
        if self._client.hsetnx(keyspace.KEYS, key.id, key.model_dump_json()):
            return key
        held = self.get(key.id)
        if held is None or not hmac.compare_digest(held.secret_sha256, key.secret_sha256):
            raise KeyInvalid(f"another key has the id {key.id}; make a new one")
        return held

    def authenticate(self, text: str) -> StoredKey:
        """Return whose key `text` is; raise KeyInvalid or KeyRevoked."""
        key_id, secret = taken_apart(text)
        stored = proved(self.get(key_id), secret)
        if stored.replaces is not None:
            # The device has its new key, and shows it: the old one is done.
            self.revoke(stored.replaces)
            stored = stored.model_copy(update={"replaces": None})
            self.add(stored)
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

    def roll(self, key: StoredKey, overlap: timedelta) -> tuple[MintedKey, datetime]:
        """Make a device's next key; return it, and until when `key` is good at most.

        A next key that was made before and never used is taken back: its answer was lost.
        """
        until = now() + overlap
        if key.expires_at is not None:
            until = min(until, key.expires_at)
        if key.replaced_by is not None:
            self.revoke(key.replaced_by)
        made = mint(key.name, key.role, key.gate, key.device_id)
        kept = made.stored.model_copy(update={"replaces": key.id})
        former = key.model_copy(update={"expires_at": until, "replaced_by": kept.id})
        with self._client.pipeline() as pipe:
            pipe.hset(keyspace.KEYS, kept.id, kept.model_dump_json())
            pipe.hset(keyspace.KEYS, former.id, former.model_dump_json())
            pipe.execute()
        return MintedKey(kept, made.text), until

    def revoke(self, key_id: str) -> bool:
        """Take a key back; return False if there is none of that id."""
        stored = self.get(key_id)
        if stored is None:
            return False
        self.add(stored.model_copy(update={"revoked": True}))
        return True


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
