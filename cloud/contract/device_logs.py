"""The last lines of a device's log, sent on request."""

from typing import Annotated

from pydantic import Field, StringConstraints

from cloud.contract.base import Integer, UtcTime, Wire

LINES_AT_MOST = 1000
LINE_LENGTH = 2000
"""Characters of a line at most; the device cuts longer lines."""


class LogRequest(Wire):
    """How much of its log a device shall send."""

    lines: Integer = Field(default=200, ge=1, le=LINES_AT_MOST, description="The last so many")


class DeviceLog(Wire):
    """The last lines of a device's log, without secrets, the oldest first."""

    taken_at: UtcTime = Field(description="By the device's clock")
    lines: list[Annotated[str, StringConstraints(max_length=LINE_LENGTH)]] = Field(
        max_length=LINES_AT_MOST
    )
    left_out: Integer = Field(
        default=0, ge=0, description="Lines that were asked for and did not fit"
    )
