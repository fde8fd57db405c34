"""Keys: who may call what."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from cloud.contract.base import Boolean, GateId, Integer, UtcTime, Wire
from cloud.contract.text import KeptName, Name


class Role(StrEnum):
    DEVICE = "device"
    SCANNER = "scanner"
    KIOSK = "kiosk"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class KeyStatus(StrEnum):
    """The status of a key at the moment of the answer."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class CallerKind(StrEnum):
    """How a request was authenticated."""

    KEY = "key"
    SESSION = "session"


KeyLifetime = Annotated[Integer, Field(ge=1, le=315_360_000)]
"""Seconds, up to ten years."""


class _Expiry(Wire):
    expires_at: UtcTime | None = Field(
        default=None, description="The key opens nothing from then on; null: it does not expire"
    )
    lifetime_s: KeyLifetime | None = Field(
        default=None, description="Seconds from now to the expiry, instead of `expires_at`"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.expires_at is not None and self.lifetime_s is not None:
            raise ValueError("give expires_at or lifetime_s, not both")
        return self


class _Holder(Wire):
    role: Role
    gate: GateId | None = Field(
        default=None, description="Binds the key to one gate; scanners and kiosks should be bound"
    )


class NewKey(_Expiry, _Holder):
    name: Name


class KeyChange(_Expiry):
    """Changes to a key; a field that is left out stays as it is."""

    name: Name | None = None


class Key(_Holder):
    name: KeptName
    id: str
    created_at: UtcTime
    revoked: Boolean = False
    expires_at: UtcTime | None = Field(
        default=None,
        description="The key opens nothing from then on. A device's old key has one too, once a"
        " new key was made",
    )
    status: KeyStatus = Field(default=KeyStatus.ACTIVE, description="At the moment of the answer")


class IssuedKey(Key):
    """The only answer that shows a key's secret."""

    key: str


class OwnKey(_Holder):
    """The caller: name, role and gate."""

    name: KeptName
    kind: CallerKind = Field(description="Whether a key or a session came with the request")
    id: str = Field(description="Of the key; with a session, of the account")
    device_id: str | None = Field(default=None, description="The device whose own key this is")
    expires_at: UtcTime | None = Field(
        default=None, description="When the key, or the session, ends; null: a key without expiry"
    )
    operations: list[str] = Field(
        description="What the caller may call, as `operationId` in /openapi.json, sorted"
    )
