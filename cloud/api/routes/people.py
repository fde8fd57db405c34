"""People in Telegram: the link that brings visitors to a gate, and the staff of a gate."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Path

from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.dependencies import Caller, Now, SettingsDep, StoreDep, at_gate
from cloud.api.lists import LINKED, PagesDep, made
from cloud.api.parameters import GatePath
from cloud.api.problems import documented
from cloud.api.routes.gates import existing
from cloud.contract import (
    NewPairingCode,
    PairingCode,
    ProblemCode,
    StaffMember,
    VisitorLink,
)
from cloud.contract.people import ChatId
from cloud.errors import StaffUnknown
from cloud.invitations import deep_link, dismiss, visitor_link

router = APIRouter(prefix="/v1/gates", tags=["people"])

_AT_A_GATE = documented(ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN)


@router.get("/{gate_id}/visitor-link", responses=_AT_A_GATE)
def get_visitor_link(gate_id: GatePath, caller: Caller, store: StoreDep, now: Now) -> VisitorLink:
    """Read the deep link that makes a chat a visitor who waits here for the next pass."""
    existing(store, at_gate(caller, gate_id))
    return visitor_link(store, gate_id, now)


@router.post("/{gate_id}/visitor-link", status_code=201, responses=_AT_A_GATE)
def replace_visitor_link(
    gate_id: GatePath, caller: Caller, store: StoreDep, trail: TrailDep, now: Now
) -> VisitorLink:
    """Make another link; the one before brings nobody any more."""
    existing(store, at_gate(caller, gate_id))
    store.visitors.replace_code(gate_id)
    trail.record("visitor_link.replaced", f"gate:{gate_id}", gate=gate_id)
    return visitor_link(store, gate_id, now)


@router.post("/{gate_id}/pairing-codes", status_code=201, responses=_AT_A_GATE)
def create_pairing_code(
    *,
    gate_id: GatePath,
    new: Annotated[
        NewPairingCode, Body(openapi_examples={"a guard": {"value": {"role": "guard"}}})
    ],
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    trail: TrailDep,
    now: Now,
) -> PairingCode:
    """Make a one-time code: who sends it to the bot as `/start <code>` becomes staff here."""
    existing(store, at_gate(caller, gate_id))
    lifetime = timedelta(seconds=settings.pairing_code_lifetime_s)
    made = store.staff.new_code(gate_id, new.role, lifetime, now)
    trail.record("pairing_code.created", f"role:{new.role}", gate=gate_id)
    return made.model_copy(update={"url": deep_link(store, made.code)})


@router.get("/{gate_id}/staff", responses={**_AT_A_GATE, **LINKED})
def list_staff(
    gate_id: GatePath, caller: Caller, store: StoreDep, pages: PagesDep
) -> list[StaffMember]:
    """List the chats that have a role at this gate, the oldest first."""
    existing(store, at_gate(caller, gate_id))
    return pages.of(
        store.staff.of_gate(gate_id),
        lambda member: made(member.paired_at, member.chat),
        lambda member: member.chat,
    )


@router.delete(
    "/{gate_id}/staff/{chat}",
    status_code=204,
    responses=documented(
        ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN, ProblemCode.STAFF_UNKNOWN
    ),
)
def delete_staff(
    gate_id: GatePath,
    chat: Annotated[ChatId, Path(description="As `list_staff` shows it")],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
) -> None:
    """Take a chat's role at this gate back, and its alerts with it."""
    existing(store, at_gate(caller, gate_id))
    if not dismiss(store, gate_id, chat):
        raise StaffUnknown(f"chat {chat} has no role at gate {gate_id}")
    trail.record("staff.dismissed", f"chat:{chat}", gate=gate_id)
