"""Redemptions: who tried to enter, where, and what came of it."""

from inspect import cleandoc
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from cloud.api.access.dependencies import Caller, StoreDep, readable_gate
from cloud.api.parameters import Before, Limit
from cloud.api.problems import documented
from cloud.contract import Outcome, ProblemCode, RedemptionPage
from cloud.contract.base import GateId, UtcTime

router = APIRouter(prefix="/v1/redemptions", tags=["passes"])


@router.get(
    "",
    responses=documented(ProblemCode.GATE_FORBIDDEN),
    description=cleandoc(
        """
        Read attempts to redeem a pass, admitted and refused, newest first.

        Attempts by scanners, by people and by chats are all listed; a repeated one is listed once.
        A page may be short of `limit` and still have a `next`.
        """
    ),
)
def list_redemptions(
    *,
    caller: Caller,
    store: StoreDep,
    gate: Annotated[GateId | None, Query(description="At this gate alone")] = None,
    outcome: Annotated[Outcome | None, Query(description="With this outcome alone")] = None,
    scanner: Annotated[
        str | None,
        Query(
            description="By this key, account or chat alone, as `scanner` names it",
            min_length=1,
            max_length=64,
        ),
    ] = None,
    of_pass: Annotated[
        UUID | None, Query(alias="pass", description="Of this pass alone, by its id")
    ] = None,
    since: Annotated[UtcTime | None, Query(description="Made then or later")] = None,
    until: Annotated[UtcTime | None, Query(description="Made before then")] = None,
    before: Before = None,
    limit: Limit = 50,
) -> RedemptionPage:
    """Read attempts to redeem a pass, admitted and refused, newest first."""
    items, read_on = store.redemptions.page(
        gate=readable_gate(caller, gate),
        outcome=outcome,
        scanner=scanner,
        pass_id=of_pass,
        since=since,
        until=until,
        before=before,
        limit=limit,
    )
    return RedemptionPage(items=items, next=read_on)
