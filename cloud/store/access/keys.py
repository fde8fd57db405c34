"""Keys: their form, status and checks. The secret of a key is shown once and kept as a hash."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cloud.contract import IssuedKey, Key, KeyChange, KeyStatus, NewKey, Role
from cloud.contract.base import Boolean
from cloud.errors import KeyExpired, KeyInvalid, KeyOver, KeyRevoked, MalformedRequest
from cloud.store.moments import now

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
    screen: Boolean = False
    """Whether a screen at a door was paired with it."""

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
    return with_fields(key, **fields)


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


def with_fields(key: StoredKey, **fields: Any) -> StoredKey:
    """Return a key with some other fields."""
    return key.model_copy(update=fields)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
