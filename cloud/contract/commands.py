"""Commands of the cloud to a device, and the settings of a gate."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from cloud.contract.base import Boolean, Integer, Number, UtcTime, Wire
from cloud.contract.device_logs import LINES_AT_MOST
from cloud.contract.models import ModelOrder, ModelRole

CommandCursor = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,16}-[0-9]{1,16}$")]
"""A command's id, which orders it among those of its device."""


class CommandKind(StrEnum):
    SETTINGS_CHANGED = "settings_changed"
    """Read `GET /v1/devices/me/settings` and apply them."""

    PREVIEW_WANTED = "preview_wanted"
    """Somebody watches: send pictures until the answer to one is `preview_unwanted`."""

    RELOAD = "reload"
    """End in an orderly way; the supervisor of the edge starts it again."""

    ROLL_KEY = "roll_key"
    """Get a new key by `POST /v1/devices/me/roll`, keep it, and use it from then on."""

    UPDATE_MODEL = "update_model"
    """Take the model that `model` names, and report how it went with the heartbeat."""

    ROLL_BACK_MODEL = "roll_back_model"
    """Go back to the model before, for the role that `role` names."""

    SEND_LOG = "send_log"
    """Send the last `lines` lines of the log by `PUT /v1/devices/me/log`."""


class Command(Wire):
    """A command is delivered at least once, so executing it twice must do no harm."""

    id: CommandCursor
    kind: str = Field(description="One of CommandKind; a device skips one that it does not know")
    issued_at: UtcTime
    model: ModelOrder | None = Field(default=None, description="Of `update_model`")
    role: ModelRole | None = Field(default=None, description="Of `roll_back_model`")
    lines: Integer | None = Field(default=None, ge=1, le=LINES_AT_MOST, description="Of `send_log`")


class CommandPage(Wire):
    """Commands, the oldest first; empty when none came while the device waited."""

    items: list[Command]


class GateSettings(Wire):
    """Settings of a gate's devices that can be changed while they run.

    Null means the device's own setting. The bounds are those of the edge's own settings.
    """

    votes: Integer | None = Field(
        default=None, ge=1, le=100, description="Votes that a verdict needs at least"
    )
    majority: Number | None = Field(
        default=None, gt=0.5, le=1.0, description="Share of the votes that a label needs"
    )
    cooldown_s: Number | None = Field(
        default=None, ge=0, le=3600, description="Seconds between two verdicts on one person"
    )
    lost_after_s: Number | None = Field(
        default=None, ge=0.2, le=60, description="Seconds without a face that end a sighting"
    )
    max_faces: Integer | None = Field(
        default=None, ge=1, le=100, description="Faces judged in a frame, the nearest first"
    )
    preview_allowed: Boolean = Field(
        default=True,
        description="Whether pictures may be asked for. The device must allow them too "
        "(EDGE_PREVIEW, off by default)",
    )


class DeviceSettings(Wire):
    """The settings of a gate, with their revision."""

    gate: str
    settings: GateSettings
    revision: Integer = Field(ge=0, description="Grows with each change; 0 before the first")
