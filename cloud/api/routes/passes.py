"""Passes: redeemed by scanners, shown by kiosks, revoked by operators."""

from datetime import datetime
from inspect import cleandoc
from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Body, Query, Request, Response

from cloud import gatekeeping, qr
from cloud import store as cloud_store
from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.credentials import body_as, credentials_of, described
from cloud.api.access.dependencies import (
    Caller,
    Now,
    Principal,
    SettingsDep,
    StoreDep,
    async_store_of,
    at_gate,
    metrics_of,
    readable_gate,
)
from cloud.api.access.roles import ROLES
from cloud.api.parameters import Before, Limit
from cloud.api.problems import documented
from cloud.contract import (
    Outcome,
    PassPage,
    PassRecord,
    PassSource,
    PassStatus,
    ProblemCode,
    Redemption,
    RedemptionRequest,
    Role,
    UndoRequest,
)
from cloud.contract.base import GateId, UtcTime
from cloud.errors import GateRequired, PassOver, PassUnknown, RoleForbidden, UndoRefused
from cloud.gatekeeping import Scan
from cloud.settings import Settings
from cloud.signing import PassSigner
from cloud.store import PolicyContext, Store, StoredPass, UndoOutcome

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1/passes", tags=["passes"])

EXAMPLE_REQUEST = {"token": "7Kq2mXw9RtB4z", "nonce": "b1946ac92492d234", "gate": "main"}
EXAMPLE_UNDO = {"reason": "the turnstile did not turn", "nonce": "b1946ac92492d234"}

UNDO_REFUSALS: Final = {
    UndoOutcome.NOT_REDEEMED: "this pass is not redeemed, so there is nothing to undo",
    UndoOutcome.OTHER_NONCE: "no attempt of this nonce has redeemed the pass, so there is nothing "
    "of it to undo",
    UndoOutcome.OTHER_SCANNER: "another scanner redeemed this pass; that scanner or an operator "
    "may undo it",
    UndoOutcome.TOO_LATE: "this pass was redeemed more than a minute ago, which is too long ago to "
    "undo it",
    UndoOutcome.NONCE_NEEDED: "a redemption of this pass was undone before; send the `nonce` of "
    "the redemption that is to be undone now",
}


@router.post(
    "/redeem",
    response_model=Redemption,
    responses=documented(
        ProblemCode.GATE_REQUIRED, ProblemCode.GATE_FORBIDDEN, ProblemCode.GATE_UNKNOWN
    ),
    openapi_extra=described(RedemptionRequest, by_session=True, a_token=EXAMPLE_REQUEST),
    description=cleandoc(
        """
        Redeem a pass. A refusal is an answer, too, and its status is 200.

        The token is the content of the QR code: the bare token, or the address that ends in it. The
        same nonce with the same token gets the same answer for an hour.

        A door that admitted somebody while the cloud was away sends the attempt later, with
        `admitted_at`. The outcome then says whether the admission was right: `already_redeemed` is
        a double use.
        """
    ),
)
async def redeem_pass(request: Request) -> Response:
    """Redeem a pass."""
    credentials = await credentials_of(request, "redeem_pass")
    body = await request.body()
    now = cloud_store.now()
    admitted_at: datetime | None = None

    def verify(context: PolicyContext) -> Scan:
        nonlocal admitted_at
        caller = credentials.caller(context)
        wanted = body_as(RedemptionRequest, request, body)
        gate = wanted.gate or caller.gate
        if gate is None:
            raise GateRequired(
                "this key is bound to no gate: say in `gate` where the scanner stands"
            )
        admitted_at = _admitted_at(wanted, caller, now)
        return Scan(
            wanted.token,
            wanted.nonce,
            at_gate(caller, gate),
            caller.id,
            caller.name,
            caller.role.value,
            admitted_at=admitted_at,
        )

    redemption = await gatekeeping.redeem(
        async_store_of(request), verify, key_id=credentials.key_id, now=now
    )
    metrics_of(request).attempted(redemption)
    if admitted_at is not None and redemption.outcome is not Outcome.ADMITTED:
        # The person is inside already, so the staff must learn of it.
        metrics_of(request).admitted_wrongly(redemption)
        log.warning(
            "offline_admission_was_wrong",
            pass_id=str(redemption.pass_id) if redemption.pass_id else None,
            outcome=redemption.outcome.value,
            redeemed_at=redemption.redeemed_at and redemption.redeemed_at.isoformat(),
        )
    structlog.contextvars.bind_contextvars(
        key_id=credentials.key_id,
        outcome=redemption.outcome.value,
        pass_id=str(redemption.pass_id) if redemption.pass_id else None,
    )
    return Response(redemption.model_dump_json(), media_type="application/json")


@router.get(
    "",
    responses=documented(ProblemCode.GATE_FORBIDDEN),
    description=cleandoc(
        """
        Read passes, newest first, never with their tokens.

        A page may be short of `limit` and still have a `next`.
        """
    ),
)
def list_passes(
    *,
    caller: Caller,
    store: StoreDep,
    now: Now,
    gate: Annotated[GateId | None, Query(description="Of this gate alone")] = None,
    status: Annotated[
        PassStatus | None, Query(description="With this status alone, as it is now")
    ] = None,
    source: Annotated[
        PassSource | None, Query(description="Of events alone, or made by hand alone")
    ] = None,
    since: Annotated[UtcTime | None, Query(description="Made then or later")] = None,
    until: Annotated[UtcTime | None, Query(description="Made before then")] = None,
    before: Before = None,
    limit: Limit = 50,
) -> PassPage:
    """Read passes, newest first, never with their tokens."""
    items, read_on = store.pass_index.page(
        now=now,
        gate=readable_gate(caller, gate),
        status=status,
        source=source,
        since=since,
        until=until,
        before=before,
        limit=limit,
    )
    return PassPage(items=items, next=read_on)


@router.get(
    "/{pass_id}", responses=documented(ProblemCode.PASS_UNKNOWN, ProblemCode.GATE_FORBIDDEN)
)
def get_pass(pass_id: UUID, caller: Caller, store: StoreDep, now: Now) -> PassRecord:
    """Read a pass. Its token is shown to nobody but its bearer."""
    return _seen(_held(store, pass_id, caller), caller, now)


@router.delete(
    "/{pass_id}",
    status_code=204,
    responses=documented(
        ProblemCode.PASS_UNKNOWN, ProblemCode.PASS_OVER, ProblemCode.GATE_FORBIDDEN
    ),
)
def revoke_pass(pass_id: UUID, caller: Caller, store: StoreDep, trail: TrailDep, now: Now) -> None:
    """Revoke a pass before it is used. Revoking it again changes nothing."""
    held = _held(store, pass_id, caller)
    status = held.record(now).status
    if status is PassStatus.ISSUED:
        if store.passes.revoke(pass_id, now):
            trail.record("pass.revoked", f"pass:{pass_id}", gate=held.gate)
            log.info("pass_revoked", pass_id=str(pass_id))
            return
        # Somebody redeemed or revoked the pass meanwhile.
        status = _held(store, pass_id, caller).record(now).status
    if status in {PassStatus.REDEEMED, PassStatus.EXPIRED}:
        raise PassOver(f"the pass is {status.value} already")


@router.post(
    "/{pass_id}/undo",
    responses=documented(
        ProblemCode.PASS_UNKNOWN, ProblemCode.UNDO_REFUSED, ProblemCode.GATE_FORBIDDEN
    ),
    description=cleandoc(
        """
        Undo a redemption within a minute, for instance where the turnstile did not turn.

        The scanner that redeemed the pass may do so, and operators may. The pass is good again
        until it expires. Name the redemption by its `nonce`: then a repeated request returns the
        pass as it is, and undoes no later redemption.
        """
    ),
)
def undo_redemption(
    *,
    pass_id: UUID,
    wanted: Annotated[UndoRequest, Body(openapi_examples={"stuck": {"value": EXAMPLE_UNDO}})],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> PassRecord:
    """Undo a redemption within a minute: the turnstile did not turn."""
    held = _held(store, pass_id, caller)
    own = caller.id if caller.role is Role.SCANNER else None
    undoing = gatekeeping.undo(store, held, key_id=own, nonce=wanted.nonce, now=now)
    if undoing in UNDO_REFUSALS:
        raise UndoRefused(UNDO_REFUSALS[undoing])
    if undoing is UndoOutcome.UNDONE:
        trail.record(
            "pass.redemption_undone", f"pass:{pass_id}", gate=held.gate, reason=wanted.reason
        )
        log.info("redemption_undone", pass_id=str(pass_id))
    return _seen(_held(store, pass_id, caller), caller, now)


_QR_PROBLEMS = documented(
    ProblemCode.PASS_UNKNOWN, ProblemCode.PASS_OVER, ProblemCode.GATE_FORBIDDEN
)


class SvgResponse(Response):
    """A QR code as vector graphics."""

    media_type = "image/svg+xml"


class PngResponse(Response):
    """A QR code as a picture."""

    media_type = "image/png"


@router.get("/{pass_id}/qr.svg", response_class=SvgResponse, responses=_QR_PROBLEMS)
def get_pass_qr_svg(
    pass_id: UUID, caller: Caller, store: StoreDep, settings: SettingsDep, now: Now
) -> SvgResponse:
    """Draw the pass's QR code for a screen, while the pass can be used."""
    return SvgResponse(qr.svg(_payload(store, settings, pass_id, caller, now)))


@router.get("/{pass_id}/qr.png", response_class=PngResponse, responses=_QR_PROBLEMS)
def get_pass_qr_png(
    pass_id: UUID, caller: Caller, store: StoreDep, settings: SettingsDep, now: Now
) -> PngResponse:
    """Draw the pass's QR code as PNG, while the pass can be used."""
    content = _payload(store, settings, pass_id, caller, now)
    return PngResponse(store.passes.qr(pass_id) or qr.png(content))


def _admitted_at(wanted: RedemptionRequest, caller: Principal, now: datetime) -> datetime | None:
    """Return when the door admitted the bearer without the cloud; None for an attempt of now.

    A door whose clock is ahead admitted the bearer now at the latest.

    Raises:
        RoleForbidden: The caller is no scanner.
    """
    if wanted.admitted_at is None:
        return None
    if caller.role is not Role.SCANNER:
        raise RoleForbidden("only a scanner's key may send `admitted_at`")
    return min(wanted.admitted_at, now)


def _seen(held: StoredPass, caller: Principal, now: datetime) -> PassRecord:
    """Return a pass as the caller may see it: a reason may tell of somebody's health."""
    record = held.record(now)
    if caller.role in ROLES["list_passes"]:
        return record
    return record.model_copy(update={"made_by": None, "reason": None})


def _held(store: Store, pass_id: UUID, caller: Principal) -> StoredPass:
    held = store.passes.get(pass_id)
    if held is None:
        raise PassUnknown(f"there is no pass {pass_id}, or it is past its retention")
    at_gate(caller, held.gate)
    return held


def _payload(
    store: Store, settings: Settings, pass_id: UUID, caller: Principal, now: datetime
) -> str:
    held = _held(store, pass_id, caller)
    record = held.record(now)
    token = store.passes.token(pass_id)
    if record.status is not PassStatus.ISSUED or token is None:
        over = PassStatus.EXPIRED if record.status is PassStatus.ISSUED else record.status
        raise PassOver(f"the pass is {over.value}")
    signer = PassSigner.of_setting(settings.pass_signing_key)
    signed = None if signer is None else signer.sign(token, held.gate, held.expires_at)
    return qr.payload(token, settings.public_url, signed)
