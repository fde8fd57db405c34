"""Keys: who may call what."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from cloud.contract.base import GateId, OneLine, UtcTime, Wire


class Role(StrEnum):
    DEVICE = "device"
    SCANNER = "scanner"
    KIOSK = "kiosk"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class NewKey(Wire):
    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), OneLine
    ]
    role: Role
    gate: GateId | None = Field(
        default=None, description="Binds the key to one gate; scanners and kiosks should be bound"
    )


class Key(NewKey):
    id: str
    created_at: UtcTime
    revoked: bool = False
    expires_at: UtcTime | None = Field(
        default=None, description="Set for a device's old key once a new one was made"
    )


class IssuedKey(Key):
    """The answer that shows a key's secret, once."""

    key: str
