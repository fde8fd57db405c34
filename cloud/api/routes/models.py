"""Model packages for devices, and the order to a device to take one or to go back."""

import hashlib
import re
from inspect import cleandoc
from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from cloud import model_packages
from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.dependencies import Caller, Now, Principal, StoreDep
from cloud.api.lists import LINKED, PagesDep, made
from cloud.api.problems import documented
from cloud.api.routes.commands import OwnDevice, reachable
from cloud.contract import (
    CommandKind,
    ModelChoice,
    ModelPackage,
    ModelRollback,
    ProblemCode,
)
from cloud.contract.base import Sha256
from cloud.errors import GateForbidden, ModelUnknown
from cloud.model_packages import order, said
from cloud.store import Store

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1", tags=["models"])

ModelId = Annotated[Sha256, Path(description="SHA-256 of the package")]
_RANGE = re.compile(r"bytes=([0-9]{1,12})-")


class ZipResponse(Response):
    """A model package."""

    media_type = "application/zip"


@router.post(
    "/models",
    status_code=201,
    responses=documented(
        ProblemCode.MODEL_INVALID, ProblemCode.MODELS_FULL, ProblemCode.GATE_FORBIDDEN
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    description=cleandoc(
        """
        Keep a model package for the devices; the same package again changes nothing.

        A package is a ZIP of a model's files and a `manifest.json` that names this model alone, as
        `python -m cloud models add` makes it.
        """
    ),
)
async def add_model(
    request: Request, caller: Caller, store: StoreDep, trail: TrailDep, now: Now
) -> ModelPackage:
    """Keep a model package for the devices; the same package again changes nothing."""
    _refuse_bound(caller)
    content = await request.body()

    def keep() -> ModelPackage:
        packed = model_packages.read(content)
        package = ModelPackage(
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            role=packed.role,
            name=packed.name,
            version=packed.version,
            added_at=now,
        )
        if store.models.add(package, content):
            trail.record("model.added", f"model:{package.sha256}", detail=said(package))
        return store.models.get(package.sha256) or package

    return await run_in_threadpool(keep)


@router.get("/models", responses=LINKED)
def list_models(_caller: Caller, store: StoreDep, pages: PagesDep) -> list[ModelPackage]:
    """List the model packages, the oldest first."""
    return pages.of(
        store.models.all(),
        lambda package: made(package.added_at, package.sha256),
        lambda package: package.sha256,
    )


@router.delete(
    "/models/{sha256}",
    status_code=204,
    responses=documented(ProblemCode.MODEL_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
)
def delete_model(sha256: ModelId, caller: Caller, store: StoreDep, trail: TrailDep) -> None:
    """Delete a model package. Devices that run its model keep it."""
    _refuse_bound(caller)
    package = _package(store, sha256)
    store.models.delete(sha256)
    trail.record("model.deleted", f"model:{sha256}", detail=said(package))


_ON_A_DEVICE = documented(ProblemCode.DEVICE_UNKNOWN, ProblemCode.GATE_FORBIDDEN)


@router.post(
    "/devices/{device_id}/model",
    status_code=202,
    responses={**_ON_A_DEVICE, **documented(ProblemCode.MODEL_UNKNOWN)},
)
def update_device_model(
    *,
    device_id: str,
    choice: Annotated[
        ModelChoice, Body(openapi_examples={"a package": {"value": {"sha256": "6a" * 32}}})
    ],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> None:
    """Ask a device to take a model. Its heartbeats report how that goes, as `model_update`."""
    device = reachable(store, caller, device_id)
    package = _package(store, choice.sha256)
    store.commands.issue([device.id], CommandKind.UPDATE_MODEL, now, model=order(package))
    trail.record(
        "device.model_update_asked",
        f"device:{device.id}",
        gate=device.gate,
        detail=f"{said(package)}, SHA-256 {package.sha256}",
    )
    log.info("model_update_asked", device_id=device.id, sha256=package.sha256)


@router.post("/devices/{device_id}/model/rollback", status_code=202, responses=_ON_A_DEVICE)
def roll_back_device_model(
    *,
    device_id: str,
    rollback: Annotated[
        ModelRollback, Body(openapi_examples={"the detector": {"value": {"role": "detector"}}})
    ],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> None:
    """Ask a device to go back to the model that it ran before its last update."""
    device = reachable(store, caller, device_id)
    store.commands.issue([device.id], CommandKind.ROLL_BACK_MODEL, now, role=rollback.role)
    trail.record(
        "device.model_rollback_asked",
        f"device:{device.id}",
        gate=device.gate,
        detail=f"role {rollback.role}",
    )


@router.get(
    "/devices/me/models/{sha256}",
    response_class=ZipResponse,
    responses=documented(ProblemCode.MODEL_UNKNOWN),
    description=cleandoc(
        """
        Get a model package. `Range: bytes=N-` goes on where a download broke off: the answer is 206
        with the rest.
        """
    ),
)
def get_model(sha256: ModelId, _own: OwnDevice, request: Request, store: StoreDep) -> ZipResponse:
    """Get a model package, or the rest of it from a byte on."""
    package = _package(store, sha256)
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    start = int(asked.group(1)) if asked else 0
    if start >= package.size:
        # A range that cannot be satisfied may be ignored (RFC 9110 section 14.2).
        start = 0
    content = store.models.content(sha256, start)
    if len(content) != package.size - start:
        raise ModelUnknown(_unknown(sha256))  # deleted in between
    headers = {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"}
    if not start:
        return ZipResponse(content, headers=headers)
    headers["Content-Range"] = f"bytes {start}-{package.size - 1}/{package.size}"
    return ZipResponse(content, status_code=206, headers=headers)


def _refuse_bound(caller: Principal) -> None:
    """Raise GateForbidden for a caller of one gate: the packages are those of all gates."""
    if caller.gate is not None:
        raise GateForbidden(f"you are for gate {caller.gate} alone; the models are for all gates")


def _package(store: Store, sha256: str) -> ModelPackage:
    package = store.models.get(sha256)
    if package is None:
        raise ModelUnknown(_unknown(sha256))
    return package


def _unknown(sha256: str) -> str:
    return f"there is no model package {sha256}; GET /v1/models lists them"
