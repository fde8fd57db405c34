"""Manual passes: operators make them for people whom the camera cannot judge."""

from datetime import timedelta
from inspect import cleandoc
from typing import Annotated

import structlog
from fastapi import APIRouter, Body

from cloud import gatekeeping
from cloud.api.access.audit_trail import actor_of, request_id
from cloud.api.access.dependencies import Caller, Now, SettingsDep, StoreDep, at_gate
from cloud.api.parameters import GatePath
from cloud.api.problems import documented
from cloud.contract import ManualPass, NewPass, ProblemCode
from cloud.errors import GateUnknown, StoreFault

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1/gates", tags=["passes"])

EXAMPLE = {"reason": "cannot wear a mask, has a doctor's note", "lifetime_s": 600}


@router.post(
    "/{gate_id}/passes",
    status_code=201,
    responses=documented(
        ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN, ProblemCode.GATE_CLOSED
    ),
    description=cleandoc(
        """
        Make a pass by hand. Its token is shown only here; its code is at `/v1/passes/{id}/qr.svg`.

        The pass belongs to whoever is given it: a visitor who waits at the gate goes on waiting,
        and nobody gets a message. The reason is kept in the audit trail. A closed gate makes no
        passes.
        """
    ),
)
def create_pass(
    *,
    gate_id: GatePath,
    wanted: Annotated[NewPass, Body(openapi_examples={"by hand": {"value": EXAMPLE}})],
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    now: Now,
) -> ManualPass:
    """Make a pass by hand."""
    gate = store.gates.get(at_gate(caller, gate_id))
    if gate is None:
        raise GateUnknown(f"there is no gate {gate_id}")
    own = gatekeeping.lifetime_at(gate, timedelta(seconds=settings.pass_lifetime_s))
    issued = gatekeeping.issue_manual_pass(
        store,
        gate,
        gatekeeping.PassIssuer(actor_of(caller), request_id()),
        reason=wanted.reason,
        lifetime=own if wanted.lifetime_s is None else timedelta(seconds=wanted.lifetime_s),
        now=now,
    )
    if issued is None:
        raise StoreFault("a pass with the id that was just made exists already")
    log.info("pass_issued_by_hand", pass_id=str(issued.id), gate=gate_id)
    return ManualPass(**issued.model_dump(), gate=gate_id)
