"""Screens at doors: asked for, confirmed by operators, listed and revoked."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Query

from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.dependencies import Caller, Now, StoreDep, at_gate, readable_gate
from cloud.api.lists import LINKED, PagesDep, made
from cloud.api.parameters import GatePath
from cloud.api.problems import documented
from cloud.api.routes.gates import existing
from cloud.contract import (
    NewScreen,
    PendingScreen,
    ProblemCode,
    Screen,
    ScreenConfirmation,
    ScreenLink,
)
from cloud.contract.base import GateId
from cloud.errors import ScreenUnknown
from cloud.store.access.limits import SCREEN_CODES_OF_A_CALLER, SCREENS_OF_A_CALLER

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1", tags=["screens"])


@router.post(
    "/screens",
    status_code=201,
    responses=documented(
        ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN, ProblemCode.SCREEN_CODE_INVALID
    ),
)
def create_screen(
    new: Annotated[NewScreen, Body(openapi_examples={"a screen": {"value": {"gate": "main"}}})],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> PendingScreen:
    """Ask for a screen's key; it opens nothing until an operator confirms the screen's code."""
    store.limits.count(SCREENS_OF_A_CALLER, "screens-of", caller.id)
    existing(store, at_gate(caller, new.gate))
    if new.link_code is None:
        return store.screens.ask(new.gate, now)
    screen = store.screens.pair_by_link(new.gate, new.link_code, now)
    trail.record("screen.paired", f"screen:{screen.id}", gate=new.gate, reason="one-time link")
    log.info("screen_paired", screen_id=screen.id, gate=new.gate)
    return screen


@router.get("/screens", responses={**documented(ProblemCode.GATE_FORBIDDEN), **LINKED})
def list_screens(
    caller: Caller,
    store: StoreDep,
    pages: PagesDep,
    gate: Annotated[GateId | None, Query(description="Paired with this gate alone")] = None,
) -> list[Screen]:
    """List the screens that were paired, the oldest first; revoked ones too."""
    at = readable_gate(caller, gate)
    held = [screen for screen in store.screens.all() if at in {None, screen.gate}]
    return pages.of(
        held, lambda screen: made(screen.paired_at, screen.id), lambda screen: screen.id
    )


@router.delete(
    "/screens/{screen_id}",
    status_code=204,
    responses=documented(ProblemCode.SCREEN_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
)
def revoke_screen(screen_id: str, caller: Caller, store: StoreDep, trail: TrailDep) -> None:
    """Revoke a screen: within seconds it shows no more than that it is not paired."""
    screen = store.screens.get(screen_id)
    if screen is None:
        raise ScreenUnknown("there is no screen of this id")
    at_gate(caller, screen.gate)
    store.keys.revoke(screen_id)
    if not screen.revoked:
        trail.record("screen.revoked", f"screen:{screen_id}", gate=screen.gate)
        log.info("screen_revoked", screen_id=screen_id)


@router.post(
    "/gates/{gate_id}/screens",
    status_code=201,
    responses=documented(
        ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN, ProblemCode.SCREEN_CODE_INVALID
    ),
)
def confirm_screen(
    *,
    gate_id: GatePath,
    confirmation: Annotated[
        ScreenConfirmation,
        Body(openapi_examples={"a tablet": {"value": {"code": "K7PM-2XQD", "name": "Tablet"}}}),
    ],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> Screen:
    """Pair the screen that shows this code with the gate."""
    store.limits.count(SCREEN_CODES_OF_A_CALLER, "screen-codes-of", caller.id)
    existing(store, at_gate(caller, gate_id))
    screen = store.screens.confirm(gate_id, confirmation.code, confirmation.name, now)
    trail.record("screen.paired", f"screen:{screen.id}", gate=gate_id, reason=screen.name)
    log.info("screen_paired", screen_id=screen.id, gate=gate_id)
    return screen


@router.post(
    "/gates/{gate_id}/screen-links",
    status_code=201,
    responses=documented(ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
)
def create_screen_link(
    gate_id: GatePath, caller: Caller, store: StoreDep, trail: TrailDep, now: Now
) -> ScreenLink:
    """Make a one-time code: who opens `/door/<gate>#<code>` within an hour is a paired screen."""
    existing(store, at_gate(caller, gate_id))
    link = store.screens.new_link(gate_id, now)
    trail.record("screen_link.created", f"gate:{gate_id}", gate=gate_id)
    return link
