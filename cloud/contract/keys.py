"""Keys: who may call what."""

from enum import StrEnum

from pydantic import Field

from cloud.contract.base import Boolean, GateId, UtcTime, Wire
from cloud.contract.text import KeptName, Name


class Role(StrEnum):
    DEVICE = "device"
    SCANNER = "scanner"
    KIOSK = "kiosk"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class NewKey(Wire):
    name: Name
    role: Role
    gate: GateId | None = Field(
        default=None, description="Binds the key to one gate; scanners and kiosks should be bound"
    )


class Key(NewKey):
    name: KeptName
    id: str
    created_at: UtcTime
    revoked: Boolean = False
    expires_at: UtcTime | None = Field(
        default=None, description="Set for a device's old key once a new one was made"
    )


class IssuedKey(Key):
    """The answer that shows a key's secret, once."""

    key: str
