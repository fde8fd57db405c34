"""The base of all models of the wire, and the types of their fields."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)
from pydantic_core import PydanticCustomError


class Wire(BaseModel):
    """A message: immutable, and read without the fields that a newer writer adds.

    Numbers, booleans and times are of the types below. They accept the JSON types that JSON Schema
    names, and no text that only looks like a number.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
    )


def _a_number(value: Any) -> Any:
    if isinstance(value, bool | str | bytes):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


Integer = Annotated[int, BeforeValidator(_a_number)]
"""A number without a fraction: 9 and 9.0, as JSON Schema has it; no text and no boolean."""

Number = Annotated[float, Strict()]
"""A finite number; no text and no boolean."""

Boolean = Annotated[bool, Strict()]
"""true or false; no number and no text."""

_CANONICAL_LENGTH: Final = 36


def _canonical(value: Any) -> Any:
    if isinstance(value, str) and len(value) != _CANONICAL_LENGTH:
        raise PydanticCustomError(
            "uuid_parsing", "Input should be a UUID as RFC 9562 section 4 writes it, with hyphens"
        )
    return value


Uuid = Annotated[UUID, BeforeValidator(_canonical)]
"""A UUID in its form of 36 characters, in upper or lower case."""

_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _rfc_3339(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise PydanticCustomError(
        "datetime_type",
        "Input should be a time as RFC 3339 writes it, with its offset from UTC, such as "
        "2026-03-02T08:15:30Z",
    )


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this moment, in UTC, is outside of the years 1 to 9999") from error


UtcTime = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_in_utc)]
"""An aware moment, kept in UTC; read and written as RFC 3339 (section 5.6)."""

GateId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""A gate's name in addresses: a DNS label in lower case (RFC 1035 section 2.3.1)."""

CameraName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
"""A name that tells the cameras of one device apart."""

Probability = Annotated[Number, Field(ge=0.0, le=1.0)]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
