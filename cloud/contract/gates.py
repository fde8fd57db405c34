"""Gates, and the subscribers that are told of their events."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from cloud.contract.base import GateId, UtcTime, Wire

GateName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class NewGate(Wire):
    id: GateId
    name: GateName


class Gate(NewGate):
    created_at: UtcTime


class Channel(StrEnum):
    """How a subscriber is reached."""

    TELEGRAM = "telegram"
    EMAIL = "email"


class NewSubscriber(Wire):
    channel: Channel
    address: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=254)
    ] = Field(description="A Telegram chat id, or an e-mail address")


class Subscriber(NewSubscriber):
    id: str
    gate: GateId
    created_at: UtcTime
