"""The audit trail: who did what, when, to what, and why."""

from typing import Annotated

from pydantic import Field, StringConstraints

from cloud.contract.base import GateId, UtcTime, Wire

ActName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}(\.[a-z_]{1,40}){1,2}$")]
"""A noun and a verb in the past: `pass.revoked`, `pass.scanned.admitted`."""


class AuditEntry(Wire):
    at: UtcTime
    actor: str = Field(
        description="`key:<id>`, `account:<name>`, `chat:<id>`, `command`, `worker` or `telegram`"
    )
    act: ActName
    subject: str = Field(description="What it was done to: `pass:<id>`, `gate:<id>`, `key:<id>` …")
    gate: GateId | None = Field(default=None, description="The gate that it concerns, if one")
    reason: str = Field(default="", description="Why, in the words of who did it")
    detail: str = Field(
        default="", description='What it changed, where that can be told: `name: "Old" → "New"`'
    )
    request_id: str = Field(default="", description="The `X-Request-Id` of the request that did it")
    cursor: str = Field(description="Place in the trail; opaque")


class AuditPage(Wire):
    """Entries, the newest first."""

    items: list[AuditEntry]
    next: str | None = Field(
        default=None, description="Give it as `before` to read on; absent at the end"
    )
