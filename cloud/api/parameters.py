"""Parameters of paths and queries that several routes take."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import StringConstraints

from cloud.contract import Access, Label
from cloud.contract.base import GateId, UtcTime

GatePath = Annotated[GateId, Path(description="The gate's id")]

Cursor = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,15}-[0-9]{1,16}$")]
"""A place in a stream, as `next` gives it."""

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most")]
Before = Annotated[Cursor | None, Query(description="The `next` of the page before")]
GateFilter = Annotated[GateId | None, Query(description="Of this gate alone")]
AccessFilter = Annotated[Access | None, Query(description="With this decision alone")]
LabelFilter = Annotated[Label | None, Query(description="With this label alone")]
DeviceFilter = Annotated[
    str | None, Query(description="Of this device alone", min_length=1, max_length=64)
]
Since = Annotated[UtcTime | None, Query(description="Accepted then or later")]
Until = Annotated[UtcTime | None, Query(description="Accepted before then")]
