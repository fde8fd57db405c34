"""Devices: edge installations, their enrolment and their reports."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from cloud.contract.base import Boolean, CameraName, GateId, Integer, Number, Sha256, UtcTime, Wire
from cloud.contract.models import ModelUpdate
from cloud.contract.text import Name

ProblemName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""A word for programs and people; a reader shows a word that it does not know as it is."""


MOST_PROBLEMS = 16
"""The most problems that a heartbeat, or the report of a camera, may name."""


class DeviceProblem(StrEnum):
    """The problems that this version of the edge names in its heartbeats, the worst first."""

    CAMERA_LOST = "camera_lost"
    PICTURE_BLACK = "picture_black"
    PICTURE_CONSTANT = "picture_constant"
    PICTURE_FROZEN = "picture_frozen"
    PICTURE_COVERED = "picture_covered"
    READ_STUCK = "read_stuck"
    COMPILATION_STUCK = "compilation_stuck"
    INFERENCE_STUCK = "inference_stuck"
    STORAGE_STUCK = "storage_stuck"
    DISK_FULL = "disk_full"
    STATE_NOT_WRITABLE = "state_not_writable"
    OUTBOX_DAMAGED = "outbox_damaged"
    PICTURE_BLURRED = "picture_blurred"
    """The only fault of a picture with which the device judges on."""

    STILL_PICTURE_SUSPECTED = "still_picture_suspected"
    HOT = "hot"
    THROTTLED = "throttled"
    UNDER_VOLTAGE = "under_voltage"
    MODEL_UPDATE_FAILED = "model_update_failed"
    MODEL_ROLLED_BACK = "model_rolled_back"
    MODEL_FALLBACK = "model_fallback"
    MODEL_DIFFERS = "model_differs"


class EnrolmentCode(Wire):
    """The right to enrol one device at one gate, once. The code is shown only here."""

    code: str
    gate: GateId
    expires_at: UtcTime


class EnrolmentRequest(Wire):
    code: str = Field(min_length=1, max_length=64)
    name: Name = Field(description="What people call this device")
    version: str = Field(default="", max_length=40, description="Of the edge's software")


class Enrolment(Wire):
    """The answer to a valid code. The key is shown once and kept as a hash."""

    device_id: str
    device_key: str
    gate: GateId


class CameraState(StrEnum):
    LIVE = "live"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


class CameraReport(Wire):
    """The state of one of several cameras of a device."""

    state: CameraState
    fps: Number = Field(ge=0, description="Frames judged per second")
    latency_ms: Number = Field(ge=0, description="Median time from capture to labels")
    finished: Boolean = Field(
        default=False, description="The source was a file or a folder, and was played to its end"
    )
    problems: list[ProblemName] = Field(
        default_factory=list,
        max_length=MOST_PROBLEMS,
        description="What is wrong with this camera now",
    )


class Heartbeat(Wire):
    """The state of a device, as it reports it about every 15 s."""

    sent_at: UtcTime
    camera: CameraState = Field(
        description="Of several cameras the worst: reconnecting before live, and live before ended"
    )
    fps: Number = Field(ge=0, description="Frames judged per second")
    latency_ms: Number = Field(ge=0, description="Median time from capture to labels")
    outbox_depth: Integer = Field(ge=0, description="Events not yet acknowledged")
    models: dict[str, Sha256] = Field(default_factory=dict, max_length=8)
    inference_precisions: dict[str, Annotated[str, StringConstraints(max_length=16)]] = Field(
        default_factory=dict,
        max_length=8,
        description="Precision in which the device computes each model, by role, such as f32;"
        " empty text where the device does not tell",
    )
    attributes: dict[str, dict[str, Annotated[Integer, Field(ge=0)]]] = Field(
        default_factory=dict,
        max_length=4,
        description="Unmasked people since the device's start, by attribute and value; grows by 20"
        " people at least, so that none can be told from two heartbeats",
    )
    version: str = Field(max_length=40)
    finished: Boolean = Field(
        default=False,
        description="The source was a file or a folder, and was played to its end: the device is"
        " not missed when it falls silent. False also where somebody stopped it",
    )
    problems: list[ProblemName] = Field(
        default_factory=list,
        max_length=MOST_PROBLEMS,
        description="What is wrong now, by name, such as disk_full, camera_lost, model_differs",
    )
    model_update: ModelUpdate | None = Field(
        default=None, description="The last model update from afar; null if there was none"
    )
    cameras: dict[CameraName, CameraReport] = Field(
        default_factory=dict,
        max_length=16,
        description="Each camera of a device with several, by its name; empty where it has one",
    )


class DeviceStatus(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"
    """No heartbeat for too long, or none yet."""


class RolledKey(Wire):
    """A device's new key, shown once.

    The old key is good until the new one is first used, or until `old_key_expires_at`, whichever
    comes first.
    """

    device_key: str = Field(repr=False)
    old_key_expires_at: UtcTime


class DeviceChange(Wire):
    """Changes to a device; a field that is left out stays as it is."""

    name: Name | None = None
    expected_offline_until: UtcTime | None = Field(
        default=None,
        description="Nobody is told of the device's silence until then, at most 31 days ahead;"
        " null takes that back. It is over once the device is back",
    )


class Device(Wire):
    id: str
    name: str
    gate: GateId
    enrolled_at: UtcTime
    revoked: Boolean = False
    last_heartbeat: Heartbeat | None = None
    last_seen_at: UtcTime | None = Field(default=None, description="By the cloud's clock")
    status: DeviceStatus = Field(
        default=DeviceStatus.OFFLINE, description="By its heartbeats and the cloud's clock"
    )
    expected_offline_until: UtcTime | None = Field(
        default=None, description="An operator has announced that it is silent until then"
    )
