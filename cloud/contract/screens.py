"""Screens: the pages at doors, how they are paired with a gate, and what they show."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from cloud.contract.base import Boolean, GateId, UtcTime, Wire
from cloud.contract.events import EventRecord
from cloud.contract.gates import Gate
from cloud.contract.text import KeptName, Name


class GateCamera(StrEnum):
    """Whether anybody who comes to a gate is looked at."""

    LIVE = "live"
    """A device reports pictures of its camera, and no problem with them."""

    FAULTY = "faulty"
    """A device reports, and its camera gives no picture or one that cannot be judged."""

    OFF = "off"
    """Every device was stopped, or has played its film to the end."""

    SILENT = "silent"
    """No device has reported for too long."""

    MISSING = "missing"
    """No device is enrolled at the gate."""


class NewScreen(Wire):
    """The wish of a screen to be paired with a gate."""

    gate: GateId
    link_code: str | None = Field(
        default=None,
        max_length=64,
        description="The code of a one-time link; with it no operator has to confirm",
    )


class PendingScreen(Wire):
    """A screen that waits for an operator, or that a one-time link has paired.

    `key` is shown only here. It opens nothing until the screen is paired.
    """

    id: str
    gate: GateId
    key: str = Field(repr=False)
    paired: Boolean = False
    code: str | None = Field(
        default=None, description="What an operator types; absent where the screen is paired"
    )
    expires_at: UtcTime | None = Field(default=None, description="The code is good until then")


class ScreenConfirmation(Wire):
    """The word of an operator that the screen with this code belongs to the gate."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="As the screen shows it; spaces, hyphens and small letters are allowed"
    )
    name: Name


class Screen(Wire):
    """A screen that was paired with a gate."""

    id: str
    name: KeptName
    gate: GateId
    paired_at: UtcTime
    revoked: Boolean = False


class ScreenLink(Wire):
    """A one-time code that pairs the first screen which comes with it."""

    code: str
    gate: GateId
    expires_at: UtcTime


class ScreenState(Wire):
    """What the screens of a gate need to know: the data of a `state` of their stream."""

    now: UtcTime = Field(description="By the cloud's clock; a screen's own clock may be wrong")
    gate: Gate
    event: EventRecord | None = Field(
        default=None, description="The gate's newest event, with its pass as it is now"
    )
    camera: GateCamera = GateCamera.LIVE
    visitor_url: str | None = Field(
        default=None, description="Makes a chat a visitor of the gate; absent without a bot"
    )
    screens: list[str] = Field(
        default_factory=list, description="The ids of the screens that are paired with the gate"
    )
