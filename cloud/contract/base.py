"""What every model of the wire shares."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)


class Wire(BaseModel):
    """A message: immutable once read, and forgiving about fields that a newer writer adds."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True
    )


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this moment, in UTC, is outside of the years 1 to 9999") from error


UtcTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""An aware moment, kept in UTC; written as RFC 3339."""

GateId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""A gate's name in addresses: a DNS label in lower case (RFC 1035 section 2.3.1)."""


def _printable(text: str) -> str:
    if any(unicodedata.category(letter) in {"Cc", "Zl", "Zp"} for letter in text):
        raise ValueError("this text holds a control character or a line break; leave it out")
    return text


OneLine = AfterValidator(_printable)
"""For names: any letters of any script, in one line and without control characters."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
