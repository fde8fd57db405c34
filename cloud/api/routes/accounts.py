"""Accounts of people: made, listed and removed by admins."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Query

from cloud import passwords
from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.dependencies import Caller, Now, Principal, StoreDep, at_gate, readable_gate
from cloud.api.lists import LINKED, PagesDep, made
from cloud.api.problems import documented
from cloud.contract import Account, IssuedAccount, NewAccount, NewPassword, ProblemCode
from cloud.contract.base import GateId
from cloud.errors import AccountExists, AccountUnknown, GateForbidden, GateUnknown
from cloud.store import Store, StoredAccount, new_account_id

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])

EXAMPLE_ACCOUNT = {"name": "Ana Ibáñez", "role": "operator", "gate": "main"}
EXAMPLE_PASSWORD = {"password": "seven quiet herons at dusk"}


@router.get("", responses={**documented(ProblemCode.GATE_FORBIDDEN), **LINKED})
def list_accounts(
    caller: Caller,
    store: StoreDep,
    pages: PagesDep,
    gate: Annotated[GateId | None, Query(description="Bound to this gate alone")] = None,
) -> list[Account]:
    """List accounts, the oldest first."""
    at = readable_gate(caller, gate)
    held = [account.shown() for account in store.accounts.all() if at in {None, account.gate}]
    return pages.of(
        held, lambda account: made(account.created_at, account.id), lambda account: account.id
    )


@router.post(
    "",
    status_code=201,
    responses=documented(
        ProblemCode.ACCOUNT_EXISTS,
        ProblemCode.PASSWORD_WEAK,
        ProblemCode.GATE_UNKNOWN,
        ProblemCode.GATE_FORBIDDEN,
    ),
)
def create_account(
    new: Annotated[NewAccount, Body(openapi_examples={"an operator": {"value": EXAMPLE_ACCOUNT}})],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> IssuedAccount:
    """Make an account for a person. A password that is not given is made, and shown only here."""
    if caller.gate is not None:
        if new.gate is None:
            raise GateForbidden(f"you are for gate {caller.gate} alone, and so are your accounts")
        at_gate(caller, new.gate)
    if new.gate is not None and store.gates.get(new.gate) is None:
        raise GateUnknown(f"there is no gate {new.gate}")
    if new.password is not None:
        passwords.check(new.password, new.name)
    password = new.password or passwords.generated()
    account = StoredAccount(
        id=new_account_id(),
        name=new.name,
        role=new.role,
        gate=new.gate,
        created_at=now,
        password_hash=passwords.hashed(password),
    )
    if not store.accounts.add(account):
        raise AccountExists(f"there is an account {new.name} already")
    trail.record("account.created", f"account:{account.name}", gate=account.gate)
    log.info("account_created", account_id=account.id, role=account.role.value)
    made = password if new.password is None else None
    return IssuedAccount.model_validate({**account.shown().model_dump(), "password": made})


@router.delete(
    "/{account_id}",
    status_code=204,
    responses=documented(ProblemCode.ACCOUNT_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
)
def delete_account(account_id: str, caller: Caller, store: StoreDep, trail: TrailDep) -> None:
    """Remove an account, and sign it out everywhere at once."""
    account = _held(store, account_id, caller)
    store.accounts.remove(account_id)
    store.sessions.end_all(account_id)
    trail.record("account.deleted", f"account:{account.name}", gate=account.gate)
    log.info("account_deleted", account_id=account_id)


@router.put(
    "/{account_id}/password",
    status_code=204,
    responses=documented(
        ProblemCode.ACCOUNT_UNKNOWN, ProblemCode.PASSWORD_WEAK, ProblemCode.GATE_FORBIDDEN
    ),
)
def set_password(
    account_id: str,
    new: Annotated[NewPassword, Body(openapi_examples={"words": {"value": EXAMPLE_PASSWORD}})],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
) -> None:
    """Give an account another password, and sign it out everywhere at once."""
    account = _held(store, account_id, caller)
    passwords.check(new.password, account.name)
    store.accounts.set_password(account_id, passwords.hashed(new.password))
    store.sessions.end_all(account_id)
    trail.record("account.password_set", f"account:{account.name}", gate=account.gate)


def _held(store: Store, account_id: str, caller: Principal) -> StoredAccount:
    account = store.accounts.get(account_id)
    if account is None:
        raise AccountUnknown("there is no account of this id")
    if caller.gate is not None and caller.gate != account.gate:
        raise GateForbidden(f"you are for gate {caller.gate} alone")
    return account
