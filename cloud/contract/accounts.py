"""Accounts: people who sign in with a name and a password; and the sessions that this opens."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from cloud.contract.base import GateId, UtcTime, Wire
from cloud.contract.keys import Role
from cloud.contract.text import readable

PASSWORD_LENGTHS = (12, 72)
"""Letters that a password has at least and at most."""


def _composed(name: str) -> str:
    composed = readable(unicodedata.normalize("NFKC", name).strip())
    if not composed:
        raise ValueError("this name holds no letter that can be seen")
    return composed


AccountName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    AfterValidator(_composed),
]
"""As it is signed in with, in Unicode's form NFKC; upper and lower case are one name."""


def _of_a_person(role: Role) -> Role:
    if role is Role.DEVICE:
        raise ValueError("a device has a key, made by enrolling it; an account is a person's")
    return role


class NewAccount(Wire):
    name: AccountName
    role: Annotated[Role, AfterValidator(_of_a_person)]
    gate: GateId | None = Field(default=None, description="Binds the account to one gate")
    password: str | None = Field(
        default=None,
        max_length=1024,
        repr=False,
        description="Left out: one is made, and shown in the answer",
    )


class Account(Wire):
    id: str
    name: str
    role: Role
    gate: GateId | None = None
    created_at: UtcTime


class IssuedAccount(Account):
    """The answer that shows a password that was made, once; null where the caller gave one."""

    password: str | None = Field(default=None, repr=False)


class NewPassword(Wire):
    password: str = Field(max_length=1024, repr=False)
    current: str | None = Field(
        default=None,
        max_length=1024,
        repr=False,
        description="The password until now; needed for one's own account",
    )


class Credentials(Wire):
    name: str = Field(min_length=1, max_length=320)
    password: str = Field(min_length=1, max_length=1024, repr=False)


class Session(Wire):
    """What a signed-in browser may know of its session; the session itself is in its cookie."""

    account: Account
    csrf_token: str = Field(
        repr=False,
        description="Send it as `X-CSRF-Token` with every request but GET and HEAD",
    )
    created_at: UtcTime
    expires_at: UtcTime = Field(description="However busy it is; without requests it ends earlier")
