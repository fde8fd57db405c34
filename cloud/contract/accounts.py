"""Accounts: people who sign in with a name and a password; and their sessions."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from cloud.contract.base import GateId, UtcTime, Wire
from cloud.contract.keys import Role
from cloud.contract.text import readable

PASSWORD_LENGTHS = (12, 72)
"""The least and the greatest length of a password, in characters."""


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
"""A name to sign in with, in Unicode's form NFKC; case makes no difference."""


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
    """The only answer that shows a generated password; null where the caller gave one."""

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
    """A session, as its browser may see it; the secret itself is in the cookie."""

    account: Account
    csrf_token: str = Field(
        repr=False,
        description="Send it as `X-CSRF-Token` with every request but GET and HEAD",
    )
    created_at: UtcTime
    expires_at: UtcTime = Field(description="However busy it is; without requests it ends earlier")
