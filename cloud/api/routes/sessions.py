"""Sessions: a person signs in with name and password, and a cookie says so from then on."""

from datetime import datetime
from inspect import cleandoc
from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Depends, Request, Response

from cloud import passwords
from cloud.api.access.audit_trail import TrailDep, request_id
from cloud.api.access.callers import address_of
from cloud.api.access.dependencies import (
    Caller,
    Now,
    SettingsDep,
    StoreDep,
    session_cookie,
)
from cloud.api.problems import documented
from cloud.contract import Credentials, NewPassword, ProblemCode, Session
from cloud.errors import CredentialsInvalid, MalformedRequest, SessionInvalid, SessionUnknown
from cloud.settings import Settings
from cloud.store import OpenSession, Store, StoredAccount, csrf_token
from cloud.store.access.accounts import normalised_name
from cloud.store.access.limits import SIGN_INS_OF_AN_ACCOUNT, SIGN_INS_OF_AN_ADDRESS

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

EXAMPLE_CREDENTIALS = {"name": "Ana Ibáñez", "password": "seven quiet herons at dusk"}


def session_of(caller: Caller) -> OpenSession:
    """Return the caller's session; raise SessionUnknown for one that came with a key."""
    if not isinstance(caller, OpenSession):
        raise SessionUnknown("this request came with a key; sessions are of people who signed in")
    return caller


OwnSession = Annotated[OpenSession, Depends(session_of)]


@router.post(
    "",
    status_code=201,
    responses=documented(ProblemCode.CREDENTIALS_INVALID, ProblemCode.RATE_LIMITED),
    description=cleandoc(
        """
        Sign in. The session comes as a cookie that no script can read; its secret is always new.

        Tries are counted for each name and for each address, for all processes together.
        """
    ),
)
def create_session(
    *,
    credentials: Annotated[
        Credentials, Body(openapi_examples={"a person": {"value": EXAMPLE_CREDENTIALS}})
    ],
    request: Request,
    response: Response,
    store: StoreDep,
    settings: SettingsDep,
    now: Now,
) -> Session:
    """Sign in."""
    address = address_of(request.client)
    named = store.accounts.named(credentials.name)
    store.limits.count(SIGN_INS_OF_AN_ADDRESS, "sign-in-from", address)
    store.limits.count(SIGN_INS_OF_AN_ACCOUNT, "sign-in-as", _bucket(named, credentials.name))
    kept = named.password_hash if named is not None else None
    if not passwords.matches(kept, credentials.password) or named is None:
        log.warning("sign_in_refused", address=address)
        raise CredentialsInvalid("this name and this password do not go together")
    store.limits.forget(SIGN_INS_OF_AN_ACCOUNT, "sign-in-as", named.id)
    if passwords.outdated(named.password_hash):
        store.accounts.set_password(named.id, passwords.hashed(credentials.password))
    _end_former(request, store, settings, now)
    secret, session = store.sessions.begin(named, now)
    response.set_cookie(
        session_cookie(settings),
        secret,
        max_age=settings.session_lifetime_s,
        path="/",
        secure=settings.public_over_tls,
        httponly=True,
        samesite="strict",
    )
    store.audit.record(
        actor=f"account:{named.name}",
        act="session.opened",
        subject=f"account:{named.name}",
        now=now,
        gate=named.gate,
        request_id=request_id(),
    )
    log.info("signed_in", account_id=named.id)
    return _shown(session, secret)


@router.get("/me", responses=documented(ProblemCode.SESSION_UNKNOWN))
def get_session(own: OwnSession, request: Request, settings: SettingsDep) -> Session:
    """Say who is signed in, and the token that changes need."""
    return _shown(own, request.cookies[session_cookie(settings)])


@router.delete("/me", status_code=204, responses=documented(ProblemCode.SESSION_UNKNOWN))
def end_session(
    own: OwnSession, response: Response, store: StoreDep, settings: SettingsDep, trail: TrailDep
) -> None:
    """Log out here."""
    store.sessions.end(own)
    _forget_cookie(response, settings)
    trail.record("session.ended", f"account:{own.name}", gate=own.gate)


@router.delete("", status_code=204, responses=documented(ProblemCode.SESSION_UNKNOWN))
def end_all_sessions(
    own: OwnSession, response: Response, store: StoreDep, settings: SettingsDep, trail: TrailDep
) -> None:
    """Log out everywhere, here too."""
    store.sessions.end_all(own.account.id)
    _forget_cookie(response, settings)
    trail.record("session.all_ended", f"account:{own.name}", gate=own.gate)


@router.put(
    "/me/password",
    status_code=204,
    responses=documented(
        ProblemCode.CREDENTIALS_INVALID,
        ProblemCode.PASSWORD_WEAK,
        ProblemCode.RATE_LIMITED,
        ProblemCode.SESSION_UNKNOWN,
    ),
)
def change_own_password(
    *,
    new: Annotated[
        NewPassword,
        Body(
            openapi_examples={
                "words": {
                    "value": {
                        "password": "nine loud herons at dawn",
                        "current": "seven quiet herons at dusk",
                    }
                }
            }
        ),
    ],
    own: OwnSession,
    response: Response,
    store: StoreDep,
    settings: SettingsDep,
    trail: TrailDep,
) -> None:
    """Take another password. Every session of the account ends, this one too: sign in again."""
    if new.current is None:
        raise MalformedRequest("give the password until now", ("body", "current"))
    store.limits.count(SIGN_INS_OF_AN_ACCOUNT, "sign-in-as", own.account.id)
    if not passwords.matches(own.account.password_hash, new.current):
        raise CredentialsInvalid("current: this is not the password until now")
    passwords.check(new.password, own.name)
    store.accounts.set_password(own.account.id, passwords.hashed(new.password))
    store.sessions.end_all(own.account.id)
    _forget_cookie(response, settings)
    trail.record("account.password_changed", f"account:{own.name}", gate=own.gate)


def _bucket(named: StoredAccount | None, name: str) -> str:
    """Names that lead to one account count together, however they are written."""
    return named.id if named is not None else f"nobody:{normalised_name(name)[:80]}"


def _end_former(request: Request, store: Store, settings: Settings, now: datetime) -> None:
    former = request.cookies.get(session_cookie(settings))
    if former:
        try:
            store.sessions.end(store.sessions.authenticate(former, now))
        except SessionInvalid:
            log.debug("old_session_over")


def _forget_cookie(response: Response, settings: Settings) -> None:
    response.delete_cookie(
        session_cookie(settings),
        path="/",
        secure=settings.public_over_tls,
        httponly=True,
        samesite="strict",
    )


def _shown(session: OpenSession, secret: str) -> Session:
    return Session(
        account=session.account.shown(),
        csrf_token=csrf_token(secret),
        created_at=session.kept.created_at,
        expires_at=session.kept.expires_at,
    )
