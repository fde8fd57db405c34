"""The errors that the cloud raises, as one tree.

    CloudError
    ├── CannotStart                 a process lacks something that it cannot run without
    ├── BackupUnusable              a file is no backup, or not a whole one
    ├── StoreNotEmpty               a restore would replace keys of the store
    ├── RehearsalFailed             a simulated visit did not go as it must
    ├── StoreError
    │   ├── StoreUnavailable        Redis is away or too slow: try again
    │   └── StoreFault              Redis refused a command, or holds an unknown record
    ├── DeliveryError
    │   ├── DeliveryPostponed       not now: try again, after `retry_after_s` where it is given
    │   │   ├── DeliveryThrottled   the receiver takes no more for now: not counted as a try
    │   │   └── ChatMoved           the chat has a new id, which takes the message
    │   └── DeliveryImpossible      never: the message or the credentials are wrong
    │       └── SubscriberGone      never to this address: it refuses any message
    └── RequestRefused              an error of the caller; each has its `ProblemCode`
        ├── MalformedRequest
        ├── BodyTooLarge
        ├── KeyMissing · KeyInvalid · KeyRevoked · KeyExpired
        ├── RoleForbidden · GateForbidden
        ├── GateUnknown · GateRequired · GateExists · GateClosed · GateInUse
        ├── EventUnknown · EventConflict
        ├── PassUnknown · PassOver · UndoRefused
        ├── StaffUnknown · DeliveryUnknown · DeliveryNotFailed
        ├── SubscriberUnknown · KeyUnknown · KeyOver · DeviceUnknown
        ├── TooManyListeners · FormatUnavailable
        ├── EnrolmentCodeInvalid · ScreenUnknown · ScreenCodeInvalid
        ├── RateLimited
        ├── CredentialsInvalid · SessionInvalid · SessionUnknown · CsrfTokenInvalid
        ├── AccountUnknown · AccountExists · PasswordWeak
        ├── PreviewUnwanted · PreviewInvalid · PreviewAbsent · PreviewForbidden · PreviewCrowded
        └── ModelUnknown · ModelInvalid · ModelsFull · LogAbsent

Errors of libraries are translated in one place each: those of redis in `cloud.store`, those of
telegram in `cloud.notify.telegram`, those of smtplib in `cloud.notify.mail`.
"""

from cloud.contract import ProblemCode


class CloudError(Exception):
    """Any error of the cloud."""


class CannotStart(CloudError):  # noqa: N818
    """A process lacks something that it cannot run without; the text names the mend."""


class BackupUnusable(CloudError):  # noqa: N818
    """A file is no backup, is damaged, is of a newer version, or cannot be written."""


class StoreNotEmpty(CloudError):  # noqa: N818
    """A restore found keys in the store, and was not told to replace them."""


class RehearsalFailed(CloudError):  # noqa: N818
    """A simulated visit did not go as it must; the text names the step."""


class StoreError(CloudError):
    """The store did not execute a command."""


class StoreUnavailable(StoreError):  # noqa: N818 (the name is the state, as in the answer's code)
    """Redis cannot be reached, or did not answer in time; whether it wrote is not known."""


class StoreFault(StoreError):  # noqa: N818
    """Redis refused a command, or holds a record that this version cannot read."""


class DeliveryError(CloudError):
    """A message did not reach its subscriber."""


class DeliveryPostponed(DeliveryError):  # noqa: N818
    """A message that may be delivered later.

    Attributes:
        retry_after_s: how many seconds the receiver asked us to wait, if it did.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class DeliveryThrottled(DeliveryPostponed):
    """The receiver takes no more messages for now (429), and did not look at this one."""


class ChatMoved(DeliveryPostponed):
    """The group has become a supergroup; `chat` is its new id."""

    def __init__(self, chat: str) -> None:
        super().__init__(f"the chat has moved to {chat}")
        self.chat = chat


class DeliveryImpossible(DeliveryError):  # noqa: N818
    """A message that will never be delivered, however often it is tried."""


class SubscriberGone(DeliveryImpossible):
    """The address takes no messages from us.

    Attributes:
        at_once: whether the receiver says that this is for ever.
    """

    def __init__(self, reason: str, *, at_once: bool = False) -> None:
        super().__init__(reason)
        self.at_once = at_once


class RequestRefused(CloudError):  # noqa: N818
    """A request that is answered with a problem; the text is for the caller.

    Attributes:
        retry_after_s: after how many seconds another try may succeed, if one may.
    """

    code: ProblemCode

    def __init__(self, reason: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class MalformedRequest(RequestRefused):
    """The request breaks the contract in a way that no schema expresses.

    Attributes:
        where: the part of the request, such as `("query", "since")`.
    """

    code = ProblemCode.MALFORMED_REQUEST

    def __init__(self, reason: str, where: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.where = where


class BodyTooLarge(RequestRefused):
    """The body is larger than CLOUD_MAX_BODY_BYTES."""

    code = ProblemCode.BODY_TOO_LARGE


class KeyMissing(RequestRefused):
    """No bearer key came with the request."""

    code = ProblemCode.KEY_MISSING


class KeyInvalid(RequestRefused):
    """The key is not known."""

    code = ProblemCode.KEY_INVALID


class KeyRevoked(RequestRefused):
    """The key was revoked or replaced."""

    code = ProblemCode.KEY_REVOKED


class KeyExpired(RequestRefused):
    """The key has expired."""

    code = ProblemCode.KEY_EXPIRED


class RoleForbidden(RequestRefused):
    """The caller's role does not allow this."""

    code = ProblemCode.ROLE_FORBIDDEN


class GateForbidden(RequestRefused):
    """The key is bound to another gate."""

    code = ProblemCode.GATE_FORBIDDEN


class GateUnknown(RequestRefused):
    """There is no such gate."""

    code = ProblemCode.GATE_UNKNOWN


class GateRequired(RequestRefused):
    """The key is bound to no gate, so the request must name one."""

    code = ProblemCode.GATE_REQUIRED


class GateExists(RequestRefused):
    """A gate of that id exists, or existed."""

    code = ProblemCode.GATE_EXISTS


class GateClosed(RequestRefused):
    """An operator has closed the gate, so no passes are made there."""

    code = ProblemCode.GATE_CLOSED


class GateInUse(RequestRefused):
    """Something that belongs to the gate would be deleted with it."""

    code = ProblemCode.GATE_IN_USE


class EventUnknown(RequestRefused):
    """There is no such event, or it is past its retention."""

    code = ProblemCode.EVENT_UNKNOWN


class EventConflict(RequestRefused):
    """Another event has this id."""

    code = ProblemCode.EVENT_CONFLICT


class PassUnknown(RequestRefused):
    """There is no such pass, or it is past its retention."""

    code = ProblemCode.PASS_UNKNOWN


class PassOver(RequestRefused):
    """The pass was redeemed, revoked, or has expired."""

    code = ProblemCode.PASS_OVER


class UndoRefused(RequestRefused):
    """The pass is not redeemed, or was redeemed too long ago or by another scanner or attempt."""

    code = ProblemCode.UNDO_REFUSED


class SubscriberUnknown(RequestRefused):
    """The gate has no such subscriber."""

    code = ProblemCode.SUBSCRIBER_UNKNOWN


class StaffUnknown(RequestRefused):
    """The chat is not paired with the gate."""

    code = ProblemCode.STAFF_UNKNOWN


class DeliveryUnknown(RequestRefused):
    """There is no such delivery, or it is past its retention."""

    code = ProblemCode.DELIVERY_UNKNOWN


class DeliveryNotFailed(RequestRefused):
    """The delivery is pending or was sent; only one that failed can be sent again."""

    code = ProblemCode.DELIVERY_NOT_FAILED


class KeyUnknown(RequestRefused):
    """There is no key of that id."""

    code = ProblemCode.KEY_UNKNOWN


class KeyOver(RequestRefused):
    """The key was revoked, was replaced or has expired, for ever."""

    code = ProblemCode.KEY_OVER


class DeviceUnknown(RequestRefused):
    """There is no such device."""

    code = ProblemCode.DEVICE_UNKNOWN


class EnrolmentCodeInvalid(RequestRefused):
    """The code was never made, has been used, or has expired."""

    code = ProblemCode.ENROLMENT_CODE_INVALID


class ScreenUnknown(RequestRefused):
    """There is no screen of this id, or the caller may not see it."""

    code = ProblemCode.SCREEN_UNKNOWN


class ScreenCodeInvalid(RequestRefused):
    """The code was never made, has been used, has expired, or is for another gate."""

    code = ProblemCode.SCREEN_CODE_INVALID


class TooManyListeners(RequestRefused):
    """This process streams events to as many listeners as it may."""

    code = ProblemCode.TOO_MANY_LISTENERS


class RateLimited(RequestRefused):
    """Too many requests of one key, one address or one account."""

    code = ProblemCode.RATE_LIMITED


class CredentialsInvalid(RequestRefused):
    """Name and password do not belong to an account."""

    code = ProblemCode.CREDENTIALS_INVALID


class SessionInvalid(RequestRefused):
    """The session has expired, was ended, or never existed."""

    code = ProblemCode.SESSION_INVALID


class SessionUnknown(RequestRefused):
    """The request came with a key, which has no session."""

    code = ProblemCode.SESSION_UNKNOWN


class CsrfTokenInvalid(RequestRefused):
    """A session asked for a change without its CSRF token."""

    code = ProblemCode.CSRF_TOKEN_INVALID


class AccountUnknown(RequestRefused):
    """There is no such account."""

    code = ProblemCode.ACCOUNT_UNKNOWN


class AccountExists(RequestRefused):
    """An account of that name exists."""

    code = ProblemCode.ACCOUNT_EXISTS


class PasswordWeak(RequestRefused):
    """The password is too short, too long, or easily guessed."""

    code = ProblemCode.PASSWORD_WEAK


class PreviewUnwanted(RequestRefused):
    """Nobody watches: the device should stop sending."""

    code = ProblemCode.PREVIEW_UNWANTED


class PreviewInvalid(RequestRefused):
    """The picture is no JPEG, or has too many pixels."""

    code = ProblemCode.PREVIEW_INVALID


class PreviewAbsent(RequestRefused):
    """No device of the gate sends pictures."""

    code = ProblemCode.PREVIEW_ABSENT


class PreviewForbidden(RequestRefused):
    """The gate's settings allow no preview."""

    code = ProblemCode.PREVIEW_FORBIDDEN


class PreviewCrowded(RequestRefused):
    """As many people watch this gate as may watch it."""

    code = ProblemCode.PREVIEW_CROWDED


class ModelUnknown(RequestRefused):
    """There is no model package of this SHA-256."""

    code = ProblemCode.MODEL_UNKNOWN


class ModelInvalid(RequestRefused):
    """The file is no model package."""

    code = ProblemCode.MODEL_INVALID


class ModelsFull(RequestRefused):
    """The cloud keeps as many model packages as it may."""

    code = ProblemCode.MODELS_FULL


class LogAbsent(RequestRefused):
    """The device has sent no log lines, or they have expired."""

    code = ProblemCode.LOG_ABSENT


class FormatUnavailable(RequestRefused):
    """This server lacks the library that writes the file format."""

    code = ProblemCode.FORMAT_UNAVAILABLE
