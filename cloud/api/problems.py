"""Errors as problem details (RFC 9457): every answer that is not a success is made here."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cloud import availability
from cloud.contract import Problem, ProblemCode
from cloud.contract.problems import PROBLEM_MEDIA_TYPE
from cloud.errors import MalformedRequest, RequestRefused, StoreError, StoreUnavailable

log = structlog.get_logger("cloud.api")

RETRY_AFTER_S = 2

STATUS: Final[Mapping[ProblemCode, int]] = {
    ProblemCode.MALFORMED_REQUEST: 422,
    ProblemCode.BODY_TOO_LARGE: 413,
    ProblemCode.KEY_MISSING: 401,
    ProblemCode.KEY_INVALID: 401,
    ProblemCode.KEY_REVOKED: 401,
    ProblemCode.KEY_EXPIRED: 401,
    ProblemCode.ROLE_FORBIDDEN: 403,
    ProblemCode.GATE_FORBIDDEN: 403,
    ProblemCode.GATE_UNKNOWN: 404,
    ProblemCode.GATE_REQUIRED: 422,
    ProblemCode.GATE_EXISTS: 409,
    ProblemCode.GATE_CLOSED: 409,
    ProblemCode.GATE_IN_USE: 409,
    ProblemCode.EVENT_UNKNOWN: 404,
    ProblemCode.EVENT_CONFLICT: 409,
    ProblemCode.PASS_UNKNOWN: 404,
    ProblemCode.PASS_OVER: 410,
    ProblemCode.UNDO_REFUSED: 409,
    ProblemCode.SUBSCRIBER_UNKNOWN: 404,
    ProblemCode.STAFF_UNKNOWN: 404,
    ProblemCode.DELIVERY_UNKNOWN: 404,
    ProblemCode.DELIVERY_NOT_FAILED: 409,
    ProblemCode.KEY_UNKNOWN: 404,
    ProblemCode.KEY_OVER: 409,
    ProblemCode.DEVICE_UNKNOWN: 404,
    ProblemCode.ENROLMENT_CODE_INVALID: 403,
    ProblemCode.SCREEN_UNKNOWN: 404,
    ProblemCode.SCREEN_CODE_INVALID: 403,
    ProblemCode.TOO_MANY_LISTENERS: 503,
    ProblemCode.RATE_LIMITED: 429,
    ProblemCode.CREDENTIALS_INVALID: 401,
    ProblemCode.SESSION_INVALID: 401,
    ProblemCode.SESSION_UNKNOWN: 404,
    ProblemCode.CSRF_TOKEN_INVALID: 403,
    ProblemCode.ACCOUNT_UNKNOWN: 404,
    ProblemCode.ACCOUNT_EXISTS: 409,
    ProblemCode.PASSWORD_WEAK: 422,
    ProblemCode.PREVIEW_UNWANTED: 409,
    ProblemCode.PREVIEW_INVALID: 422,
    ProblemCode.PREVIEW_ABSENT: 404,
    ProblemCode.PREVIEW_FORBIDDEN: 403,
    ProblemCode.PREVIEW_CROWDED: 429,
    ProblemCode.MODEL_UNKNOWN: 404,
    ProblemCode.MODEL_INVALID: 422,
    ProblemCode.MODELS_FULL: 409,
    ProblemCode.LOG_ABSENT: 404,
    ProblemCode.FORMAT_UNAVAILABLE: 501,
    ProblemCode.NOT_FOUND: 404,
    ProblemCode.METHOD_NOT_ALLOWED: 405,
    ProblemCode.HTTP_INVALID: 400,
    ProblemCode.HEADER_FIELDS_TOO_LARGE: 431,
    ProblemCode.TARGET_TOO_LONG: 414,
    ProblemCode.REQUEST_TIMEOUT: 408,
    ProblemCode.TOO_MANY_CONNECTIONS: 503,
    ProblemCode.STORE_UNAVAILABLE: 503,
    ProblemCode.INTERNAL: 500,
}

TITLES: Final[Mapping[ProblemCode, str]] = {
    ProblemCode.MALFORMED_REQUEST: "The request does not follow the contract",
    ProblemCode.BODY_TOO_LARGE: "The request's body is too large",
    ProblemCode.KEY_MISSING: "A key is needed",
    ProblemCode.KEY_INVALID: "The key is not known",
    ProblemCode.KEY_REVOKED: "The key was revoked",
    ProblemCode.KEY_EXPIRED: "The key has expired",
    ProblemCode.ROLE_FORBIDDEN: "The key's role may not do this",
    ProblemCode.GATE_FORBIDDEN: "The key is bound to another gate",
    ProblemCode.GATE_UNKNOWN: "There is no such gate",
    ProblemCode.GATE_REQUIRED: "A gate must be named",
    ProblemCode.GATE_EXISTS: "The gate exists already",
    ProblemCode.GATE_CLOSED: "The gate is closed",
    ProblemCode.GATE_IN_USE: "The gate is in use",
    ProblemCode.EVENT_UNKNOWN: "There is no such event",
    ProblemCode.EVENT_CONFLICT: "The event's id is taken",
    ProblemCode.PASS_UNKNOWN: "There is no such pass",
    ProblemCode.PASS_OVER: "The pass is over",
    ProblemCode.UNDO_REFUSED: "This redemption cannot be undone",
    ProblemCode.SUBSCRIBER_UNKNOWN: "There is no such subscriber",
    ProblemCode.STAFF_UNKNOWN: "The gate has no such chat",
    ProblemCode.DELIVERY_UNKNOWN: "There is no such delivery",
    ProblemCode.DELIVERY_NOT_FAILED: "The delivery has not failed",
    ProblemCode.KEY_UNKNOWN: "There is no such key",
    ProblemCode.KEY_OVER: "The key is no longer good",
    ProblemCode.DEVICE_UNKNOWN: "There is no such device",
    ProblemCode.ENROLMENT_CODE_INVALID: "The enrolment code cannot be used",
    ProblemCode.SCREEN_UNKNOWN: "There is no such screen",
    ProblemCode.SCREEN_CODE_INVALID: "The screen's code cannot be used",
    ProblemCode.FORMAT_UNAVAILABLE: "This server cannot write that format",
    ProblemCode.TOO_MANY_LISTENERS: "As many listen already as may",
    ProblemCode.RATE_LIMITED: "Too many requests",
    ProblemCode.CREDENTIALS_INVALID: "Name or password are wrong",
    ProblemCode.SESSION_INVALID: "The session has ended",
    ProblemCode.SESSION_UNKNOWN: "A key has no session",
    ProblemCode.CSRF_TOKEN_INVALID: "The session's page must prove itself",
    ProblemCode.ACCOUNT_UNKNOWN: "There is no such account",
    ProblemCode.ACCOUNT_EXISTS: "The account exists already",
    ProblemCode.PASSWORD_WEAK: "The password is too weak",
    ProblemCode.PREVIEW_UNWANTED: "Nobody watches",
    ProblemCode.PREVIEW_INVALID: "The picture cannot be taken",
    ProblemCode.PREVIEW_ABSENT: "No picture comes",
    ProblemCode.PREVIEW_FORBIDDEN: "The gate allows no preview",
    ProblemCode.PREVIEW_CROWDED: "Too many people watch",
    ProblemCode.MODEL_UNKNOWN: "There is no such model package",
    ProblemCode.MODEL_INVALID: "The model package cannot be used",
    ProblemCode.MODELS_FULL: "The cloud keeps as many model packages as it may",
    ProblemCode.LOG_ABSENT: "The device has sent no log",
    ProblemCode.NOT_FOUND: "There is nothing at this address",
    ProblemCode.METHOD_NOT_ALLOWED: "This address does not take this method",
    ProblemCode.HTTP_INVALID: "This is not a request of HTTP/1.1",
    ProblemCode.HEADER_FIELDS_TOO_LARGE: "The request's head is too large",
    ProblemCode.TARGET_TOO_LONG: "The request's target is too long",
    ProblemCode.REQUEST_TIMEOUT: "The request took too long to arrive",
    ProblemCode.TOO_MANY_CONNECTIONS: "Too many connections are open",
    ProblemCode.STORE_UNAVAILABLE: "The store is away",
    ProblemCode.INTERNAL: "Something broke on our side",
}


def problem(
    code: ProblemCode,
    detail: str = "",
    *,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the answer for a code, with its status and the headers that belong to it."""
    status = STATUS[code]
    sent = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        sent["WWW-Authenticate"] = 'Bearer realm="maskgate"'
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        sent["Retry-After"] = str(RETRY_AFTER_S)
    body = Problem(title=TITLES[code], status=status, detail=detail, code=code, errors=errors or [])
    return JSONResponse(
        body.model_dump(mode="json"),
        status_code=status,
        headers=sent,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def documented(*codes: ProblemCode) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the problems that a route may answer with."""
    answers: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        answer = answers.setdefault(
            STATUS[code], {"description": "", "content": {PROBLEM_MEDIA_TYPE: {"examples": {}}}}
        )
        answer["description"] += ("; " if answer["description"] else "") + TITLES[code]
        content = answer["content"][PROBLEM_MEDIA_TYPE]
        content["schema"] = {"$ref": "#/components/schemas/Problem"}
        content["examples"][code.value] = {
            "value": Problem(title=TITLES[code], status=STATUS[code], code=code).model_dump(
                mode="json"
            )
        }
    return answers


def handle(app: FastAPI) -> None:
    """Answer every error that a route may raise with a problem."""
    app.exception_handler(RequestRefused)(_refused)
    app.exception_handler(StoreError)(_store)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)


async def _refused(_request: Request, error: RequestRefused) -> JSONResponse:
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, MalformedRequest) and error.where:
        said = f"{'.'.join(error.where)}: {error}"
        named = {"loc": list(error.where), "msg": str(error), "type": "value_error"}
        return problem(error.code, said, errors=[named], headers=headers)
    return problem(error.code, str(error), headers=headers)


async def _store(_request: Request, error: StoreError) -> JSONResponse:
    if isinstance(error, StoreUnavailable):
        availability.of_the_store.mention(error)
        return problem(
            ProblemCode.STORE_UNAVAILABLE, "nothing was lost on our side; send it again shortly"
        )
    log.error("store_fault", exc_info=error)
    return problem(ProblemCode.INTERNAL, "the store holds or answers what it should not")


async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
    return invalid_request(error)


def invalid_request(error: RequestValidationError) -> JSONResponse:
    """Return the answer to a request that breaks its schema."""
    # Without what was sent: it may hold a token, a code or a key.
    errors = [
        {"loc": list(each["loc"]), "msg": each["msg"], "type": each["type"]}
        for each in error.errors()
    ]
    where = "; ".join(
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in errors[:5]
    )
    return problem(ProblemCode.MALFORMED_REQUEST, where, errors=errors)


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    resource = request.app.state.resources.at(request.scope["path"])
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and resource is not None:
        # A route names its own methods alone, and an address may have several routes.
        return problem(
            ProblemCode.METHOD_NOT_ALLOWED,
            f"this address takes {resource.allow}",
            headers={"Allow": resource.allow},
        )
    return http_problem(request.method, error)


def http_problem(method: str, error: HTTPException) -> JSONResponse:
    """Return the answer to a request that the framework refuses."""
    match error.status_code:
        case 404:
            return problem(ProblemCode.NOT_FOUND, f"there is no {method} here")
        case 405:
            return problem(ProblemCode.METHOD_NOT_ALLOWED, headers=error.headers)
        case 413:
            return problem(ProblemCode.BODY_TOO_LARGE, str(error.detail))
        case status if status < 500:
            return problem(ProblemCode.MALFORMED_REQUEST, str(error.detail))
        case _:
            return problem(ProblemCode.INTERNAL)
