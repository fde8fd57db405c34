"""How routes write to the audit trail: what the caller of a request did, under its request's id."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import Depends

from cloud.api.access.dependencies import Caller, Now, Principal, StoreDep
from cloud.store import OpenSession, Store


@dataclass(frozen=True, slots=True)
class Trail:
    """Writes down what the caller of this request did."""

    store: Store
    actor: str
    now: datetime
    request_id: str

    def record(
        self,
        act: str,
        subject: str,
        *,
        gate: str | None = None,
        reason: str = "",
        detail: str = "",
    ) -> None:
        """Write down one act, such as `pass.revoked` on `pass:<id>`."""
        self.store.audit.record(
            actor=self.actor,
            act=act,
            subject=subject,
            now=self.now,
            gate=gate,
            reason=reason,
            detail=detail,
            request_id=self.request_id,
        )


def request_id() -> str:
    """Return the id under which the log and the answer's X-Request-Id know this request."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def trail_of(caller: Caller, store: StoreDep, now: Now) -> Trail:
    """Return the trail that speaks for the caller."""
    return Trail(store, actor_of(caller), now, request_id())


def actor_of(caller: Principal) -> str:
    """Return what the trail calls a caller."""
    return f"account:{caller.name}" if isinstance(caller, OpenSession) else f"key:{caller.id}"


TrailDep = Annotated[Trail, Depends(trail_of)]
