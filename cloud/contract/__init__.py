"""The wire, version 1: the one part of the cloud that its clients import.

Pydantic models only. A reader ignores fields that it does not know; within v1 a field is never
renamed or retyped. Times are aware datetimes in UTC, written as RFC 3339. Errors are RFC 9457
problem details (`problems.Problem`).
"""

from cloud.contract.accounts import (
    Account,
    Credentials,
    IssuedAccount,
    NewAccount,
    NewPassword,
    Session,
)
from cloud.contract.audit import AuditEntry, AuditPage
from cloud.contract.commands import (
    Command,
    CommandKind,
    CommandPage,
    DeviceSettings,
    GateSettings,
)
from cloud.contract.deliveries import Delivery, DeliveryPage, DeliveryStatus
from cloud.contract.devices import (
    CameraState,
    Device,
    DeviceStatus,
    Enrolment,
    EnrolmentCode,
    EnrolmentRequest,
    Heartbeat,
    RolledKey,
)
from cloud.contract.events import (
    Access,
    Decision,
    Event,
    EventPage,
    EventRecord,
    Label,
    Refusal,
    RefusalReason,
)
from cloud.contract.gates import (
    Channel,
    Gate,
    GateChange,
    IssuedSubscriber,
    Language,
    NewGate,
    NewSubscriber,
    QuietHours,
    Subscriber,
    SubscriberChange,
    Topic,
)
from cloud.contract.keys import IssuedKey, Key, NewKey, Role
from cloud.contract.passes import (
    IssuedPass,
    ManualPass,
    NewPass,
    Outcome,
    PassRecord,
    PassStatus,
    Redemption,
    RedemptionRequest,
    UndoRequest,
)
from cloud.contract.people import (
    NewPairingCode,
    PairingCode,
    StaffMember,
    StaffRole,
    VisitorLink,
)
from cloud.contract.problems import Problem, ProblemCode
from cloud.contract.statistics import Durations, Grain, StatisticsPage, StatisticsRow
from cloud.contract.webhooks import WebhookData, WebhookEvent, WebhookType

__all__ = [
    "Access",
    "Account",
    "AuditEntry",
    "AuditPage",
    "CameraState",
    "Channel",
    "Command",
    "CommandKind",
    "CommandPage",
    "Credentials",
    "Decision",
    "Delivery",
    "DeliveryPage",
    "DeliveryStatus",
    "Device",
    "DeviceSettings",
    "DeviceStatus",
    "Durations",
    "Enrolment",
    "EnrolmentCode",
    "EnrolmentRequest",
    "Event",
    "EventPage",
    "EventRecord",
    "Gate",
    "GateChange",
    "GateSettings",
    "Grain",
    "Heartbeat",
    "IssuedAccount",
    "IssuedKey",
    "IssuedPass",
    "IssuedSubscriber",
    "Key",
    "Label",
    "Language",
    "ManualPass",
    "NewAccount",
    "NewGate",
    "NewKey",
    "NewPairingCode",
    "NewPass",
    "NewPassword",
    "NewSubscriber",
    "Outcome",
    "PairingCode",
    "PassRecord",
    "PassStatus",
    "Problem",
    "ProblemCode",
    "QuietHours",
    "Redemption",
    "RedemptionRequest",
    "Refusal",
    "RefusalReason",
    "Role",
    "RolledKey",
    "Session",
    "StaffMember",
    "StaffRole",
    "StatisticsPage",
    "StatisticsRow",
    "Subscriber",
    "SubscriberChange",
    "Topic",
    "UndoRequest",
    "VisitorLink",
    "WebhookData",
    "WebhookEvent",
    "WebhookType",
]
